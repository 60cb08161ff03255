"""Neighbours over a bank: the very nearest, and the same ones however many ask at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import indexer.vectors.exact_neighbours
from indexer.vectors.exact_neighbours import exact_neighbours

NOBODY = -1


def nearest_by_loops(
    queries: np.ndarray, bank: np.ndarray, own_rows: np.ndarray, k: int
) -> list[list[int]]:
    """Written from the definition: every pair, in double precision."""
    chosen = []
    for query, own in zip(queries.tolist(), own_rows.tolist(), strict=True):
        ranked = sorted(
            (-sum(a * b for a, b in zip(query, row, strict=True)), place)
            for place, row in enumerate(bank.tolist())
            if place != own
        )
        near = sorted(place for _, place in ranked[:k])
        chosen.append(near + [NOBODY] * (k - len(near)))
    return chosen


def vectors(seed: int, n: int, dimension: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 6, 40, 300])
def test_they_are_those_of_the_definition(n: int) -> None:
    bank, queries = vectors(0, n), vectors(1, 11)
    own = np.arange(11) - 3
    own[own >= n] = NOBODY
    queries[own >= 0] = bank[own[own >= 0]]
    found = exact_neighbours(queries, bank, own, 5)
    assert found.tolist() == nearest_by_loops(queries, bank, own, 5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-1, 1)] * 3), min_size=1, max_size=60),
    st.integers(1, 6),
)
def test_ties_go_to_the_lower_row(rows: list[tuple[int, int, int]], k: int) -> None:
    """Whole numbers: many are equally near, and their similarities have no rounding."""
    bank = np.array(rows, dtype=np.float32)
    own = np.arange(len(bank))
    assert exact_neighbours(bank, bank, own, k).tolist() == nearest_by_loops(bank, bank, own, k)


def test_one_at_a_time_or_all_at_once() -> None:
    """FAISS goes other ways for less than 20 queries; the bank is full of near ties."""
    centres = vectors(2, 6, 64)
    rng = np.random.default_rng(3)
    bank = centres[rng.integers(6, size=500)] + rng.normal(scale=1e-7, size=(500, 64))
    bank = bank.astype(np.float32)
    own = np.arange(500)
    whole = exact_neighbours(bank, bank, own, 16)
    assert all(len(set(row)) == 16 for row in whole.tolist())
    for size in (1, 3, 64):
        parts = [
            exact_neighbours(bank[i : i + size], bank, own[i : i + size], 16)
            for i in range(0, 500, size)
        ]
        assert np.array_equal(np.concatenate(parts), whole)


def test_among_very_many_copies_any_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.vectors.exact_neighbours, "MOST_FETCHED", 32)
    copies = np.repeat(vectors(4, 1), 200, axis=0)
    bank = np.concatenate([-copies[:3], copies])
    found = exact_neighbours(copies[:2], bank, np.array([3, NOBODY]), 8)
    assert found.min() >= 3
    assert 3 not in found[0]
    assert all(len(set(row)) == 8 for row in found.tolist())


def test_no_neighbours_asked_for() -> None:
    assert exact_neighbours(vectors(0, 2), vectors(1, 3), np.array([-1, -1]), 0).shape == (2, 0)
