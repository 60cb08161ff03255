"""Byte sketches: bounds that are never too low, hardly too high, and rows in the index's order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from indexer.vectors.byte_sketch import ByteSketch

NUMBERS = st.floats(-1000, 1000, width=32)


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as made:
        yield made


def vectors(n: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Of unit length, columns of many sizes."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(n, dimension)) * np.geomspace(1, 0.01, dimension)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def bounds_of(
    sketch: ByteSketch, query: np.ndarray, n: int, pool: ThreadPoolExecutor
) -> np.ndarray:
    """One for each row, in the rows' order."""
    found = sketch.nearest(query, n, pool, [0, n // 2, n])
    assert (np.diff(found.bounds) <= 0).all()
    assert sorted(found.rows.tolist()) == list(range(n))
    return found.bounds[np.argsort(found.rows)].astype(np.float64)


def products(held: np.ndarray, query: np.ndarray) -> np.ndarray:
    return held.astype(np.float64) @ query.astype(np.float64)


@settings(max_examples=150, deadline=None)
@given(
    held=arrays(np.float32, st.tuples(st.integers(1, 12), st.just(5)), elements=NUMBERS),
    added=arrays(np.float32, st.tuples(st.integers(1, 4), st.just(5)), elements=NUMBERS),
    query=arrays(np.float32, 5, elements=NUMBERS),
)
def test_no_inner_product_is_above_its_bound(
    pool: ThreadPoolExecutor, held: np.ndarray, added: np.ndarray, query: np.ndarray
) -> None:
    """Of rows that were there at first, and of those that came later, if they fit."""
    sketch = ByteSketch(held)
    if sketch.add(added):
        held = np.concatenate([held, added])
        rounding = 1e-5 * np.linalg.norm(query.astype(np.float64)) * sketch.longest
        least = products(held, query) - rounding - 1e-30  # float32 ends about there
        assert (bounds_of(sketch, query, len(held), pool) >= least).all()


@pytest.mark.parametrize("dimension", [1, 7, 15, 16, 17, 131])
def test_bounds_are_hardly_too_high(pool: ThreadPoolExecutor, dimension: int) -> None:
    held = vectors(200, dimension)
    sketch = ByteSketch(held)
    steps = np.abs(held).max(axis=0) / 127
    for query in 3 * vectors(20, dimension, seed=1):
        real, bounds = products(held, query), bounds_of(sketch, query, 200, pool)
        assert (bounds >= real - 1e-5).all()
        # Each number is off by half a step at most, and by that at most the bound is above.
        most = 2 * np.linalg.norm(query) * np.linalg.norm(steps / 2)
        assert (bounds <= real + 1.05 * most + 1e-5).all()


def test_columns_of_zeros(pool: ThreadPoolExecutor) -> None:
    held = np.zeros((4, 20), dtype=np.float32)
    held[1, 3] = 2
    query = np.ones(20, dtype=np.float32)
    np.testing.assert_allclose(bounds_of(ByteSketch(held), query, 4, pool), [0, 2, 0, 0], atol=0.05)


def test_a_row_that_is_far_too_long_does_not_fit() -> None:
    held = vectors(50, 9)
    sketch = ByteSketch(held)
    assert sketch.add(held[:3])
    assert not sketch.add(2 * held[:3])
    assert not ByteSketch(held).add(np.full((1, 9), np.nan, dtype=np.float32))


def test_rows_move_up_where_others_are_removed(pool: ThreadPoolExecutor) -> None:
    held, query = vectors(40, 33), vectors(1, 33, seed=2)[0]
    sketch = ByteSketch(held)
    before = bounds_of(sketch, query, 40, pool)
    gone = np.array([0, 7, 8, 39])
    sketch.remove(gone)
    left = np.delete(before, gone)
    np.testing.assert_array_equal(bounds_of(sketch, query, 36, pool), left)
    assert sketch.add(held[7:9])
    np.testing.assert_array_equal(
        bounds_of(sketch, query, 38, pool), np.concatenate([left, before[7:9]])
    )


@pytest.mark.parametrize("edges", [[0, 3_000], [0, 1_500, 3_000], [0, 5, 5, 3_000]])
def test_as_many_as_are_asked_for(pool: ThreadPoolExecutor, edges: list[int]) -> None:
    held, query = vectors(3_000, 12), vectors(1, 12, seed=3)[0]
    sketch = ByteSketch(held)
    whole = sketch.nearest(query, 5_000, pool, [0, 3_000])
    assert len(whole.rows) == 3_000
    for k in (1, 10, 2_000):
        found = sketch.nearest(query, k, pool, edges)
        np.testing.assert_array_equal(found.bounds, whole.bounds[:k])
        assert len(set(found.rows.tolist())) == k
