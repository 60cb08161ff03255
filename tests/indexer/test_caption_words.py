"""Words of captions: a filter that asks them finds what reading every caption finds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from indexer.caption_words import words_of_caption
from indexer.captions import CaptionRow, store_captions
from indexer.catalogue import Catalogue
from indexer.filter_sql import _captioned, _like, _pieces_of_words
from indexer.filters import TextMatch
from indexer.records import EncodedFile
from indexer.schema import (
    Caption,
    CaptionWord,
    CaptionWordUse,
    Content,
    Location,
    StoredVector,
)
from indexer.searchable_text import searchable_text
from indexer.selection import selected_ids
from tests.indexer.revisions import revised
from tests.stand_ins import ColourEncoder

PICTURES = 6
LETTERS = "aAbß%_\\ É.\n"
text = st.text(LETTERS, max_size=12)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """Of six pictures without captions, with the ids 1 to 6."""
    opened = Catalogue.open(tmp_path / "catalogue.sqlite")
    space = opened.add_space(ColourEncoder().identity)
    for number in range(PICTURES):
        file = EncodedFile(
            path=f"/p/{number}.jpg",
            size_bytes=1,
            mtime_ns=1,
            hash=str(number),
            width=8,
            height=8,
            format="JPEG",
            vector=np.ones(16, dtype=np.float32),
        )
        opened.record([file], space.id)
    yield opened
    opened.close()


def noted(catalogue: Catalogue) -> set[tuple[str, int]]:
    with catalogue.reading() as session:
        query = select(CaptionWord.word, CaptionWordUse.content_id).join(
            CaptionWordUse, CaptionWord.id == CaptionWordUse.word_id
        )
        return {(word, id) for word, id in session.execute(query)}


def held(catalogue: Catalogue) -> set[tuple[str, int]]:
    """What should be noted, by the plain loop."""
    with catalogue.reading() as session:
        rows = session.execute(select(Caption.searchable, Caption.content_id)).all()
    return {(word, id) for said, id in rows for word in said.split(" ") if word}


def contains(said: str, pieces: tuple[str, ...]) -> bool:
    """The pieces in this order with anything between them, tried out letter by letter."""
    if len(pieces) == 1:
        return said == pieces[0]
    first, *others = pieces
    if not said.startswith(first):
        return False
    rest = said[len(first) :]
    return any(
        contains(rest[start:], tuple(others)) if len(others) > 1 else rest.endswith(others[0])
        for start in range(len(rest) + 1)
    )


def test_captions_that_change_change_their_words(catalogue: Catalogue) -> None:
    def say(id: int, said: str, model: str = "m") -> None:
        store_captions(catalogue, [CaptionRow(content_id=id, text=said, model=model)])

    say(1, "Two  dogs")
    assert noted(catalogue) == {("two", 1), ("dogs", 1)}
    say(1, "a Dog, two cats", model="other")
    assert noted(catalogue) == {(w, 1) for w in ("two", "dogs", "a", "dog,", "cats")}
    say(1, "dogs")
    assert noted(catalogue) == {(w, 1) for w in ("two", "dogs", "a", "dog,", "cats")}
    say(1, "", model="other")
    assert noted(catalogue) == {("dogs", 1)}
    say(2, "dogs")
    assert noted(catalogue) == {("dogs", 1), ("dogs", 2)}


def test_a_picture_that_goes_takes_its_words_along(catalogue: Catalogue) -> None:
    store_captions(catalogue, [CaptionRow(content_id=3, text="a giraffe", model="m")])
    with catalogue.writing() as session:
        session.execute(delete(Location).where(Location.content_id == 3))
        session.execute(delete(StoredVector).where(StoredVector.content_id == 3))
        session.execute(delete(Content).where(Content.id == 3))
    assert noted(catalogue) == set()


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(text, min_size=PICTURES, max_size=PICTURES),
    pieces=st.lists(st.text(LETTERS, max_size=5), min_size=1, max_size=4),
)
def test_the_same_pictures_as_by_reading_every_caption(
    catalogue: Catalogue, said: list[str], pieces: list[str]
) -> None:
    rows = [CaptionRow(content_id=i + 1, text=one, model="m") for i, one in enumerate(said)]
    store_captions(catalogue, rows)
    assert noted(catalogue) == held(catalogue)
    asked = tuple(searchable_text(piece) for piece in pieces)
    expected = [i + 1 for i, one in enumerate(said) if contains(searchable_text(one), asked)]
    condition = TextMatch(field="caption", pieces=asked)
    assert selected_ids(catalogue, condition).tolist() == expected
    with catalogue.reading() as session:
        plain = select(Caption.content_id).where(_like(Caption.searchable, asked))
        assert sorted(session.scalars(plain)) == expected
        assert sorted(set(session.scalars(_captioned(asked)))) == expected


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (("", "giraffe", ""), [("", "giraffe", "")]),
        (("", "dogs on grass", ""), [("", "dogs"), ("on",), ("grass", "")]),
        (("two dogs",), [("", "two"), ("dogs", "")]),
        (("a ", " b"), [("", "a"), ("b", "")]),
        (("", " ", ""), []),
    ],
)
def test_what_words_must_hold(pieces: tuple[str, ...], expected: list[tuple[str, ...]]) -> None:
    assert _pieces_of_words(pieces) == expected


def test_few_letters_are_looked_for_in_the_captions_themselves() -> None:
    assert "caption_words" not in str(_captioned(("", "ab", "")))
    assert "caption_words" in str(_captioned(("", "abc", "")))
    assert "captions.searchable" not in str(_captioned(("", "abc", "")))
    assert "captions.searchable" in str(_captioned(("", "abc d", "")))


def test_an_older_library_learns_the_words_of_its_captions(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    file = tmp_path / "catalogue.sqlite"
    rows = [CaptionRow(content_id=i, text=f"{i} Dogs ON grass", model="m") for i in (1, 2, 5)]
    store_captions(catalogue, [*rows, CaptionRow(content_id=5, text="dogs run", model="other")])
    before = noted(catalogue)
    assert len(before) == 13
    catalogue.close()
    revised(file, "0004")
    with closing(sqlite3.connect(file)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert not any("caption_word" in name for name in names)
    assert "captions" in names
    again = Catalogue.open(file)
    assert noted(again) == before == held(again)
    store_captions(again, [CaptionRow(content_id=6, text="new dogs", model="m")])
    assert noted(again) == held(again)
    with again.reading() as session:
        words = session.scalar(select(func.count()).select_from(CaptionWord))
    assert words == len({word for word, _ in noted(again)})
    again.close()


def test_words_are_what_blanks_part() -> None:
    assert words_of_caption(" a  dog's\tlife, ") == {"a", "dog's\tlife,"}
    assert words_of_caption("") == set()
