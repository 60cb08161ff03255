"""A cache on disk is believed as a whole or not at all, and is never trusted to be writable."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.vectors.faiss_store import FaissStore


def opened(folder: Path, fingerprint: str = "one", dimension: int = 5) -> FaissStore:
    return FaissStore(folder, dimension=dimension, fingerprint=fingerprint)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A published cache of twelve vectors, generation 7."""
    store = opened(tmp_path / "cache")
    drawn = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    store.upsert(np.arange(12, dtype=np.int64), drawn)
    store.publish(7)
    return tmp_path / "cache"


def is_empty(store: FaissStore) -> bool:
    return (store.generation, store.count()) == (-1, 0)


def test_a_whole_cache_is_believed(cache: Path) -> None:
    assert (opened(cache).generation, opened(cache).count()) == (7, 12)


@pytest.mark.parametrize("part", [0, 1, 4, 40, 0.5, -1])
def test_a_shortened_index_is_not(cache: Path, part: float) -> None:
    file = cache / "vectors-7.faiss"
    size = file.stat().st_size
    os.truncate(file, int(size * part) if part == 0.5 else int(part) % size)
    assert is_empty(opened(cache))


def test_no_damaged_byte_gets_as_far_as_faiss(cache: Path) -> None:
    """FAISS allocates what a header claims: with a damaged one, all the memory there is."""
    file = cache / "vectors-7.faiss"
    whole = file.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x7F
        file.write_bytes(damaged)
        assert is_empty(opened(cache)), position
    file.write_bytes(whole)
    assert opened(cache).count() == 12


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version": 1}', b"[" * 10]
)
def test_a_manifest_that_is_none_is_not_believed(cache: Path, content: bytes) -> None:
    (cache / "manifest.json").write_bytes(content)
    assert is_empty(opened(cache))


def test_half_a_manifest_is_not_believed(cache: Path) -> None:
    manifest = cache / "manifest.json"
    os.truncate(manifest, manifest.stat().st_size // 2)
    assert is_empty(opened(cache))
    manifest.unlink()
    assert is_empty(opened(cache))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 99),
        ("count", 11),
        ("dimension", 6),
        ("fingerprint", "two"),
        ("file", "vectors-8.faiss"),
        ("file", ""),
        ("file", "a\0b"),
        ("file", None),
        ("generation", "7"),
        ("file_bytes", 1),
        ("file_crc32", 1),
        ("from_the_future", 1),
    ],
)
def test_a_manifest_of_something_else_is_not_believed(cache: Path, field: str, value: Any) -> None:
    manifest = cache / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), field: value}))
    assert is_empty(opened(cache))


def test_publishing_mends_what_is_damaged(cache: Path) -> None:
    (cache / "manifest.json").write_text("garbage")
    store = opened(cache)
    store.upsert(np.arange(2, dtype=np.int64), np.eye(2, 5, dtype=np.float32))
    store.publish(9)
    assert (opened(cache).generation, opened(cache).count()) == (9, 2)
    assert sorted(os.listdir(cache)) == ["manifest.json", "vectors-9.faiss"]


def test_a_file_in_the_place_of_the_folder(cache: Path) -> None:
    store = opened(cache)
    shutil.rmtree(cache)
    cache.write_text("")
    with pytest.raises(OSError, match="exists|Not a directory"):
        store.publish(8)
    assert (store.generation, store.count()) == (8, 12)
    assert is_empty(opened(cache))


def test_a_disk_that_refuses_leaves_the_old_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(cache)
    store.delete(np.arange(6, dtype=np.int64))

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("indexer.vectors.faiss_store.os.fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        store.publish(8)
    assert (store.generation, store.count()) == (8, 6)
    assert (opened(cache).generation, opened(cache).count()) == (7, 12)
    assert sorted(os.listdir(cache)) == ["manifest.json", "vectors-7.faiss"]


def test_others_may_read_the_cache_if_they_may_read_the_library(cache: Path) -> None:
    plain = cache / "plain"
    plain.write_text("")
    modes = {file.name: file.stat().st_mode for file in cache.iterdir()}
    assert set(modes.values()) == {plain.stat().st_mode}


def test_only_old_leftovers_are_swept(cache: Path) -> None:
    old, new = cache / ".vectors-5.faiss-1.part", cache / ".vectors-6.faiss-2.part"
    for file in (old, new):
        file.write_text("half")
    os.utime(old, (0, 0))
    opened(cache).publish(8)
    assert sorted(os.listdir(cache)) == [new.name, "manifest.json", "vectors-8.faiss"]
