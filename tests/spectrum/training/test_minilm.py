"""The cache of the sentence teacher's vectors, with a teacher that counts letters."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spectrum.training import minilm

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]


class Counting:
    """A stand-in for the teacher: a text's vector is its length; it remembers what it read."""

    def __init__(self, last: int = 1000) -> None:
        self.read: list[str] = []
        self.last = last

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        if len(self.read) + len(texts) > self.last:
            raise KeyboardInterrupt
        self.read += texts
        return np.array([[len(text)] for text in texts], dtype=np.float32)


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(minilm, "sentence_vectors", counting)
    monkeypatch.setattr(minilm, "PART", 2)
    return counting


def test_texts_are_asked_about_once(teacher: Counting, tmp_path: Path) -> None:
    for _ in range(2):
        made = minilm.cached_sentences(TEXTS, tmp_path / "kept.npy")
        assert made[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert teacher.read == TEXTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.digest", "kept.npy"]


def test_as_many_other_texts_are_asked_about_anew(teacher: Counting, tmp_path: Path) -> None:
    minilm.cached_sentences(TEXTS, tmp_path / "kept.npy")
    other = [text * 2 for text in TEXTS]
    made = minilm.cached_sentences(other, tmp_path / "kept.npy")
    assert made[:, 0].tolist() == [2, 4, 6, 8, 10]


def test_a_stopped_run_goes_on_with_the_next_part(teacher: Counting, tmp_path: Path) -> None:
    teacher.last = 4
    with pytest.raises(KeyboardInterrupt):
        minilm.cached_sentences(TEXTS, tmp_path / "kept.npy")
    teacher.last = 1000
    made = minilm.cached_sentences(TEXTS, tmp_path / "kept.npy")
    assert made[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert teacher.read == TEXTS


def test_vectors_without_a_digest_count_by_their_number(teacher: Counting, tmp_path: Path) -> None:
    np.save(tmp_path / "kept.npy", np.zeros((5, 1), dtype=np.float32))
    assert not minilm.cached_sentences(TEXTS, tmp_path / "kept.npy").any()
    assert minilm.cached_sentences(TEXTS[:3], tmp_path / "kept.npy")[:, 0].tolist() == [1, 2, 3]
