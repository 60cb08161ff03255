"""Counts of words at large: written, read back, and refused where the file is no such thing."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrum.encoders.caption_words import FILE, CaptionWords, caption_words, written_words
from spectrum.encoders.embedded import SHIPPED
from spectrum.encoders.protocol import ModelUnavailableError

WORDS = st.text(st.characters(categories=["Ll", "Lu", "Lo"]), min_size=1, max_size=8)


@given(st.dictionaries(WORDS, st.integers(1, 2**20)), st.integers(0, 2**30))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, holding: dict[str, int], n_captions: int
) -> None:
    folder = tmp_path_factory.mktemp("weights")
    (folder / FILE).write_bytes(written_words(CaptionWords(holding, n_captions)))
    assert caption_words(folder) == CaptionWords(holding, n_captions)


def test_the_order_of_words_changes_no_byte() -> None:
    there, back = {"dog": 3, "cat": 3, "emu": 1}, {"emu": 1, "cat": 3, "dog": 3}
    assert written_words(CaptionWords(there, 9)) == written_words(CaptionWords(back, 9))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"plain text", gzip.compress(b"", mtime=0)),
        *(gzip.compress(b"9\nmany 0dogs", mtime=0), gzip.compress(b"9\n3 dogs cats", mtime=0)),
    ],
    ids=["empty", "text", "empty gzip", "no count", "words as they are"],
)
def test_anything_else_is_one_line_of_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ModelUnavailableError, match="install it again"):
        caption_words(tmp_path)


def test_a_cut_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes((SHIPPED / FILE).read_bytes()[:-100])
    with pytest.raises(ModelUnavailableError, match="install it again"):
        caption_words(tmp_path)


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=FILE):
        caption_words(tmp_path)


def test_what_ships_knows_what_is_common() -> None:
    words = caption_words(SHIPPED)
    assert words.n_captions > 20_000
    held = [words.holding.get(word, 0) for word in ("man", "dog", "giraffe", "xylophone")]
    assert held == sorted(held, reverse=True)
    assert held[0] > 1000
    assert held[3] == 0
