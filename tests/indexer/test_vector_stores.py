"""What every vector store promises, each held to the same tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import indexer.vectors.single_query
from indexer.vectors.faiss_store import FaissStore
from indexer.vectors.protocol import VectorStore

DIMENSION = 7

Open = Callable[..., VectorStore]


def _faiss(folder: Path, *, dimension: int = DIMENSION, fingerprint: str = "one") -> VectorStore:
    return FaissStore(folder / fingerprint, dimension=dimension, fingerprint=fingerprint)


@pytest.fixture(params=[_faiss], ids=["faiss"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return lambda **more: request.param(tmp_path, **more)


@pytest.fixture
def store(open_store: Open) -> VectorStore:
    return open_store()


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def vectors(n: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(n, DIMENSION)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def best(stored: dict[int, np.ndarray], query: np.ndarray, k: int) -> list[int]:
    """From the definition: the k ids of the largest inner products."""
    products = {id: sum(a * b for a, b in zip(v, query, strict=True)) for id, v in stored.items()}
    return sorted(products, key=lambda id: -products[id])[:k]


def test_a_new_store_is_empty(store: VectorStore) -> None:
    assert isinstance(store, VectorStore)
    assert (store.generation, store.count(), store.ids().tolist()) == (-1, 0, [])
    found = store.search(vectors(2), 5)
    assert found.ids.shape == found.similarities.shape == (2, 0)
    store.delete(ids(1, 2))
    assert store.count() == 0


@pytest.mark.parametrize("k", [1, 3, 29])
def test_the_best_are_those_of_the_definition(store: VectorStore, k: int) -> None:
    numbers = np.random.default_rng(1).permutation(1_000)[:29].astype(np.int64)
    held = vectors(29)
    store.upsert(numbers, held)
    queries = vectors(5, seed=2)
    found = store.search(queries, k)
    stored = dict(zip(numbers.tolist(), held.astype(np.float64), strict=True))
    for row, query in enumerate(queries.astype(np.float64)):
        assert found.ids[row].tolist() == best(stored, query, k)
        np.testing.assert_allclose(
            found.similarities[row], [stored[id] @ query for id in found.ids[row]], atol=1e-6
        )


@pytest.mark.parametrize("k", [1, 6, 29])
def test_a_large_store_is_searched_by_several_threads(
    open_store: Open, monkeypatch: pytest.MonkeyPatch, k: int
) -> None:
    monkeypatch.setattr(indexer.vectors.single_query, "ROWS_PER_THREAD", 5)
    monkeypatch.setattr("indexer.vectors.single_query.os.cpu_count", lambda: 4)
    store = open_store()
    numbers = np.random.default_rng(1).permutation(1_000)[:29].astype(np.int64)
    held = dict(zip(numbers.tolist(), vectors(29), strict=True))
    store.upsert(numbers, vectors(29))
    for query in vectors(3, seed=2):
        found = store.search(query[None], k)
        assert found.ids.tolist() == [best(held, query, k)]
        products = [held[id] @ query for id in found.ids[0].tolist()]
        np.testing.assert_allclose(found.similarities[0], products, atol=1e-6)
    store.delete(numbers[:7])
    left = {id: held[id] for id in numbers[7:].tolist()}
    assert store.search(vectors(1), 9).ids.tolist() == [best(left, vectors(1)[0], 9)]


def test_no_more_than_are_held(store: VectorStore) -> None:
    store.upsert(ids(5, 3, 9), vectors(3))
    found = store.search(vectors(1, seed=3), 100)
    assert sorted(found.ids[0].tolist()) == [3, 5, 9]
    assert (np.diff(found.similarities[0]) <= 0).all()


def test_upserting_twice_is_upserting_once(store: VectorStore) -> None:
    for _ in range(2):
        store.upsert(ids(1, 2, 3), vectors(3))
    assert store.ids().tolist() == [1, 2, 3]
    store.upsert(ids(2), vectors(1, seed=4))
    assert store.count() == 3
    found = store.search(vectors(1, seed=4), 1)
    assert found.ids.tolist() == [[2]]
    assert found.similarities[0, 0] == pytest.approx(1, abs=1e-6)


def test_what_is_deleted_is_not_found(store: VectorStore) -> None:
    store.upsert(ids(10, 20, 30), vectors(3))
    store.delete(ids(20, 99))
    assert store.ids().tolist() == [10, 30]
    assert store.search(vectors(3)[1:2], 3).ids[0].tolist() == best(
        {10: vectors(3)[0], 30: vectors(3)[2]}, vectors(3)[1], 3
    )
    store.upsert(ids(20), vectors(3)[1:2])
    assert store.search(vectors(3)[1:2], 1).ids.tolist() == [[20]]
    store.delete(store.ids())
    assert (store.count(), store.search(vectors(1), 3).ids.shape) == (0, (1, 0))


def test_ids_are_a_copy(store: VectorStore) -> None:
    store.upsert(ids(1, 2), vectors(2))
    before = store.ids()
    store.upsert(np.arange(3, 500, dtype=np.int64), vectors(497))
    assert before.tolist() == [1, 2]


def test_a_search_among_some(store: VectorStore) -> None:
    held = vectors(20)
    store.upsert(np.arange(20, dtype=np.int64), held)
    query = vectors(1, seed=5)
    assert store.search(query, 3, among=ids()).ids.shape == (1, 0)
    assert store.search(query, 3, among=ids(7)).ids.tolist() == [[7]]
    some = {id: held[id] for id in (2, 3, 5, 7, 11)}
    assert store.search(query, 3, among=ids(*some)).ids[0].tolist() == best(some, query[0], 3)
    everything = store.search(query, 20, among=np.arange(20, dtype=np.int64))
    np.testing.assert_array_equal(everything.ids, store.search(query, 20).ids)


def test_ids_that_are_not_held_pad_a_search_among_some(store: VectorStore) -> None:
    store.upsert(ids(1, 2), vectors(2))
    assert store.search(vectors(1), 3, among=ids(1, 50, 60)).ids.tolist() == [[1, -1, -1]]


def test_ties_are_broken_the_same_way_every_time(store: VectorStore) -> None:
    alike = np.repeat(vectors(1), 40, axis=0)
    store.upsert(np.arange(40, dtype=np.int64), alike)
    first = store.search(vectors(1), 6)
    for _ in range(3):
        np.testing.assert_array_equal(store.search(vectors(1), 6).ids, first.ids)
    assert len(set(first.ids[0].tolist())) == 6
    np.testing.assert_allclose(first.similarities, 1, atol=1e-6)


def test_what_is_published_is_opened(store: VectorStore, open_store: Open) -> None:
    store.upsert(ids(4, 2, 8), vectors(3))
    assert open_store().generation == -1
    store.publish(17)
    store.upsert(ids(1), vectors(1, seed=6))
    again = open_store()
    assert (store.generation, again.generation) == (17, 17)
    assert again.ids().tolist() == [2, 4, 8]
    before = again.search(vectors(2, seed=7), 3)
    store.delete(ids(1))
    np.testing.assert_array_equal(store.search(vectors(2, seed=7), 3).ids, before.ids)
    again.upsert(ids(1), vectors(1, seed=6))
    again.delete(ids(4))
    again.publish(18)
    assert (open_store().generation, open_store().ids().tolist()) == (18, [1, 2, 8])


def test_another_space_starts_empty(store: VectorStore, open_store: Open) -> None:
    store.upsert(ids(1), vectors(1))
    store.publish(3)
    for other in (open_store(dimension=DIMENSION + 1), open_store(fingerprint="two")):
        assert (other.generation, other.count()) == (-1, 0)


def test_vectors_of_ids_in_the_order_asked(store: VectorStore) -> None:
    assert [part.shape for part in store.vectors(ids(1))] == [(0,), (0, DIMENSION)]
    held = vectors(5)
    store.upsert(ids(9, 2, 7, 4, 5), held)
    found, rows = store.vectors(ids(7, 9, 1, 100, 2, 7))
    assert found.tolist() == [7, 9, 2, 7]
    np.testing.assert_array_equal(rows, held[[2, 0, 1, 2]])
    store.delete(ids(9))
    store.upsert(ids(2), vectors(1, seed=8))
    found, rows = store.vectors(ids(9, 2, 5))
    assert found.tolist() == [2, 5]
    np.testing.assert_array_equal(rows, np.concatenate([vectors(1, seed=8), held[4:]]))
    assert store.vectors(ids())[1].shape == (0, DIMENSION)
    rows[:] = 0  # a copy
    assert store.vectors(ids(5))[1].any()
