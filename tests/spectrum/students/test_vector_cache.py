"""What was said stays said: whole files, damaged ones, and other shapes."""

from pathlib import Path

import numpy as np
import pytest

from spectrum.students.vector_cache import VectorCache


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)


def test_another_process_finds_what_was_added(tmp_path: Path, vectors: np.ndarray) -> None:
    cache = VectorCache(tmp_path, 7, exact=4)
    cache.add(["a", "b"], vectors[:2])
    cache.add(["c", "d", "e"], vectors[2:])
    for again in (cache, VectorCache(tmp_path, 7, exact=4)):
        assert "c" in again
        assert "x" not in again
        np.testing.assert_array_equal(again.exact_vectors(["d", "a"]), vectors[[3, 0], :4])
        np.testing.assert_array_equal(
            again.other_vectors(["d", "a"]), vectors[[3, 0], 4:].astype(np.float16)
        )
        assert again.exact_vectors([]).shape == (0, 4)
        with pytest.raises(KeyError, match="x"):
            again.exact_vectors(["a", "x"])


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None])
def test_a_damaged_file_is_as_good_as_absent(
    tmp_path: Path, vectors: np.ndarray, damage: bytes | None
) -> None:
    cache = VectorCache(tmp_path, 7, exact=4)
    cache.add(["a"], vectors[:1])
    (file,) = tmp_path.glob("*.npz")
    cache.add(["b"], vectors[1:2])
    file.write_bytes(file.read_bytes()[:-30] if damage is None else damage)
    again = VectorCache(tmp_path, 7, exact=4)
    assert ("a" in again, "b" in again) == (False, True)
    again.add(["a"], vectors[:1])
    assert "a" in VectorCache(tmp_path, 7, exact=4)


def test_unfinished_files_and_other_widths_are_left_alone(
    tmp_path: Path, vectors: np.ndarray
) -> None:
    VectorCache(tmp_path, 7, exact=4).add(["a"], vectors[:1])
    (tmp_path / ".0123.77.tmp").write_bytes(b"half")
    assert "a" not in VectorCache(tmp_path, 7, exact=3)
    assert "a" in VectorCache(tmp_path, 7, exact=4)
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_writes_nothing(tmp_path: Path) -> None:
    VectorCache(tmp_path / "new", 7, exact=7).add([], np.empty((0, 7), dtype=np.float32))
    assert list((tmp_path / "new").iterdir()) == []
