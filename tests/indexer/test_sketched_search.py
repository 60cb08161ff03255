"""A store that asks a sketch finds what it found before: the same ids, in the same order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.vectors import single_query
from indexer.vectors.faiss_store import FaissStore

ROW = st.tuples(*[st.integers(-2, 2)] * 3)


@pytest.fixture(autouse=True)
def _small_stores_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_query, "ROWS_PER_THREAD", 4)
    monkeypatch.setattr(single_query, "LEAST_NAMED", 2)
    monkeypatch.setattr(single_query, "MOST_NAMED", 1)


def store_of(folder: Path, dimension: int, *, sketched: bool) -> FaissStore:
    store = FaissStore(folder / "none", dimension=dimension, fingerprint="one")
    store._single._cores = 2
    store._single._searched = single_query.SEARCHES_PER_SKETCH if sketched else -10_000
    return store


def photographs(n: int, dimension: int = 40, seed: int = 0) -> np.ndarray:
    """In scenes, and some of them the very same."""
    rng = np.random.default_rng(seed)
    scenes = rng.normal(size=(1 + n // 8, dimension))
    drawn = scenes[rng.integers(len(scenes), size=n)] + 0.5 * rng.normal(size=(n, dimension))
    drawn[1::5] = drawn[: len(drawn[1::5])]
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def assert_alike(first: FaissStore, second: FaissStore, query: np.ndarray, k: int) -> None:
    found, wanted = first.search(query[None], k), second.search(query[None], k)
    np.testing.assert_array_equal(found.similarities, wanted.similarities)
    np.testing.assert_array_equal(found.ids, wanted.ids)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    held=st.lists(ROW, min_size=8, max_size=60),
    added=st.lists(ROW, max_size=10),
    gone=st.sets(st.integers(0, 69)),
    query=ROW,
    k=st.integers(1, 12),
)
def test_among_ties_and_after_changes(
    tmp_path: Path,
    held: list[tuple[int, int, int]],
    added: list[tuple[int, int, int]],
    gone: set[int],
    query: tuple[int, int, int],
    k: int,
) -> None:
    """Whole numbers: many are equally near, and nothing is rounded."""
    asked = np.array(query, dtype=np.float32)
    stores = [store_of(tmp_path, 3, sketched=sketched) for sketched in (True, False)]
    for store in stores:
        store.upsert(np.arange(len(held)), np.array(held, dtype=np.float32))
    assert_alike(*stores, asked, k)
    for store in stores:
        store.delete(np.array(sorted(gone), dtype=np.int64))
        some = np.array(added, dtype=np.float32).reshape(len(added), 3)
        store.upsert(np.arange(5, 5 + len(added)), some)
    assert_alike(*stores, asked, k)


@pytest.mark.parametrize("k", [1, 10, 80, 600, 3_000])
def test_of_many_vectors(tmp_path: Path, k: int) -> None:
    held = photographs(3_000)
    stores = [store_of(tmp_path, 40, sketched=sketched) for sketched in (True, False)]
    for store in stores:
        store.upsert(np.arange(3_000), held)
    composed = 3 * held[7] - 2 * held[900]
    for query in (held[5], -held[5], composed, np.zeros(40, dtype=np.float32)):
        found, wanted = (store.search(query[None], k) for store in stores)
        np.testing.assert_array_equal(found.similarities, wanted.similarities)
        # From 100 results on FAISS takes any of several that are equally near the last one.
        above = wanted.similarities[0] > wanted.similarities[0, -1]
        assert set(found.ids[0, above].tolist()) == set(wanted.ids[0, above].tolist())


def test_most_vectors_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the sketch would be a waste."""
    store = store_of(tmp_path, 40, sketched=True)
    store.upsert(np.arange(3_000), photographs(3_000))
    monkeypatch.setattr(single_query, "MOST_NAMED", 16)
    monkeypatch.setattr(single_query, "_best_of_all", None)
    for query in photographs(20, seed=1):
        assert store.search(query[None], 10).ids.shape == (1, 10)


def test_a_sketch_is_made_once_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    plainly = single_query.ByteSketch

    def counted(vectors: np.ndarray) -> object:
        made.append(len(vectors))
        return plainly(vectors)

    monkeypatch.setattr(single_query, "ByteSketch", counted)
    monkeypatch.setattr(single_query, "SEARCHES_PER_SKETCH", 3)
    store = FaissStore(tmp_path / "none", dimension=40, fingerprint="one")
    held = photographs(200)
    store.upsert(np.arange(200), held)
    for _ in range(3):
        store.search(held[:1], 5)
        store.search(held[:2], 5)  # of several queries at once no sketch is asked
        store.search(held[:1], 5, among=np.arange(9))
    assert made == []
    store.search(held[:1], 5)
    store.upsert(np.arange(200, 210), photographs(10, seed=2))
    store.search(held[:1], 5)
    assert made == [200]
    store.upsert(np.array([210]), 5 * held[:1])  # which does not fit
    assert store.search(held[:1], 1).ids.tolist() == [[210]]
    assert made == [200]
    for _ in range(3):
        store.search(held[:1], 5)
    assert made == [200, 211]
