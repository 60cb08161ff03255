"""Sketches: bounds that are never too low, and the same neighbours with them as without."""

import numpy as np
import pytest

import indexer.vectors.exact_neighbours
import indexer.vectors.sketch
from indexer.vectors.exact_neighbours import exact_neighbours
from indexer.vectors.sketch import Sketch, shortened, sketch_of

NOBODY = -1


def vectors(n: int, *, dimension: int = 31, held: int = 7, left: float = 0.05) -> np.ndarray:
    """Most of each vector lies in `held` directions, turned so that no axis is one of them."""
    rng = np.random.default_rng(n)
    drawn = rng.normal(size=(n, dimension))
    drawn[:, held:] *= left
    turned = drawn @ np.linalg.qr(rng.normal(size=(dimension, dimension))).Q
    return (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def _small_banks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.vectors.sketch, "LEAST_ROWS", 2)


def sketched(bank: np.ndarray) -> Sketch:
    sketch = sketch_of(bank)
    assert sketch is not None
    return sketch


@pytest.mark.usefixtures("_small_banks_too")
def test_no_inner_product_is_above_its_bound() -> None:
    bank, queries = vectors(300), 3 * vectors(50)
    sketch = sketched(bank)
    bounds = shortened(queries, sketch.directions).astype(np.float64) @ sketch.rows.T
    real = queries.astype(np.float64) @ bank.T.astype(np.float64)
    assert (bounds >= real).all()
    # And of what lies along the directions nothing is added but what rounding may be.
    along = (sketch.directions @ np.ones(sketch.directions.shape[1], np.float32))[None]
    one = shortened(along, sketch.directions).astype(np.float64) @ sketch.rows.T
    rounding = 0.01 * np.linalg.norm(along)
    np.testing.assert_array_less(one - along.astype(np.float64) @ bank.T, rounding)


@pytest.mark.usefixtures("_small_banks_too")
def test_as_many_directions_as_leave_little() -> None:
    sketch = sketched(vectors(500))
    assert sketch.directions.shape[1] == 7
    assert sketch.rows.shape == (500, 8)
    np.testing.assert_allclose(sketch.directions.T @ sketch.directions, np.eye(7), atol=1e-5)
    assert (sketch.rows[:, -1] ** 2).mean() < indexer.vectors.sketch.LEFT


def test_small_banks_and_isotropic_ones_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sketch_of(vectors(300)) is None
    monkeypatch.setattr(indexer.vectors.sketch, "LEAST_ROWS", 300)
    assert sketch_of(vectors(300)) is not None
    assert sketch_of(vectors(299)) is None
    assert sketch_of(vectors(300, left=1.0)) is None
    assert sketch_of(np.empty((0, 31), dtype=np.float32)) is None


@pytest.mark.usefixtures("_small_banks_too")
@pytest.mark.parametrize("fetched", [2, 20, 256])
def test_neighbours_are_the_same_as_without(monkeypatch: pytest.MonkeyPatch, fetched: int) -> None:
    """However few the sketch names: of what it cannot settle all rows are asked."""
    monkeypatch.setattr(indexer.vectors.exact_neighbours, "LEAST_SKETCHED", fetched)
    bank = vectors(400)
    queries = np.concatenate([bank[:60], vectors(41)])
    own = np.concatenate([np.arange(60), np.full(41, NOBODY)])
    for k in (1, 5, 120):
        with_it = exact_neighbours(queries, bank, own, k, sketch=sketched(bank))
        assert np.array_equal(with_it, exact_neighbours(queries, bank, own, k))


@pytest.mark.usefixtures("_small_banks_too")
def test_the_sketch_settles_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of every row for each query would make it a waste."""
    asked: list[int] = []
    plainly = indexer.vectors.exact_neighbours._fetched

    def counted(queries: np.ndarray, *others: object) -> object:
        asked.append(len(queries))
        return plainly(queries, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(indexer.vectors.exact_neighbours, "_fetched", counted)
    bank = vectors(4_000)
    exact_neighbours(bank, bank, np.arange(4_000), 5, sketch=sketched(bank))
    assert sum(asked) < 200


@pytest.mark.usefixtures("_small_banks_too")
def test_one_at_a_time_or_all_at_once_among_near_ties() -> None:
    centres = vectors(12, dimension=64)
    rng = np.random.default_rng(3)
    bank = centres[rng.integers(12, size=500)] + rng.normal(scale=1e-7, size=(500, 64))
    bank = bank.astype(np.float32)
    bank[250:300] = bank[200:250]  # and some are the very same
    own, sketch = np.arange(500), sketched(bank)
    whole = exact_neighbours(bank, bank, own, 16, sketch=sketch)
    assert np.array_equal(whole, exact_neighbours(bank, bank, own, 16))
    for size in (1, 3, 64):
        parts = [
            exact_neighbours(bank[i : i + size], bank, own[i : i + size], 16, sketch=sketch)
            for i in range(0, 500, size)
        ]
        assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.usefixtures("_small_banks_too")
def test_no_queries_and_no_neighbours() -> None:
    bank = vectors(50)
    none = np.empty(0, dtype=np.int64)
    assert exact_neighbours(bank[:0], bank, none, 3, sketch=sketched(bank)).shape == (0, 3)
    some = np.array([NOBODY, NOBODY])
    assert exact_neighbours(bank[:2], bank, some, 0, sketch=sketched(bank)).shape == (2, 0)


@pytest.mark.usefixtures("_small_banks_too")
@pytest.mark.parametrize("multiplied", [1, 31 * 40, 31 * 1_000])
def test_queries_are_filled_up_where_that_is_quicker(
    monkeypatch: pytest.MonkeyPatch, multiplied: int
) -> None:
    """FAISS multiplies matrices from so many numbers on, and nothing of it is seen outside."""
    monkeypatch.setattr(indexer.vectors.exact_neighbours, "MULTIPLIED", multiplied)
    bank = vectors(400)
    for n in (1, 7, 30):
        queries, own = bank[:n], np.arange(n)
        with_it = exact_neighbours(queries, bank, own, 5, sketch=sketched(bank))
        assert np.array_equal(with_it, exact_neighbours(queries, bank, own, 5))
        similarities = (queries @ bank.T).astype(np.float64)
        similarities[own, own] = -np.inf
        nearest = np.sort(np.argsort(-similarities, axis=1)[:, :5], axis=1)
        assert np.array_equal(with_it, nearest)


class Made:
    """Rows that are made when they are asked for."""

    def __init__(self, held: np.ndarray) -> None:
        self.held, self.most = held, 0

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        made = self.held[rows].copy()
        self.most = max(self.most, len(made))
        return made


@pytest.mark.parametrize("k", [1, 7])
def test_a_bank_may_make_its_rows_when_they_are_asked_for(
    k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a sketch and without one, and never many of them at once."""
    for module in ("sketch.ROWS_AT_ONCE", "exact_neighbours.MADE_AT_ONCE"):
        monkeypatch.setattr(f"indexer.vectors.{module}", 96)
    bank = vectors(700)
    bank[400:420] = bank[:20]
    own = np.arange(700)
    expected = exact_neighbours(bank, bank, own, k)
    made = Made(bank)
    np.testing.assert_array_equal(exact_neighbours(bank, made, own, k), expected)
    monkeypatch.setattr("indexer.vectors.sketch.LEAST_ROWS", 300)
    sketch, whole = sketch_of(made), sketch_of(bank)
    assert sketch is not None
    assert whole is not None
    np.testing.assert_array_equal(sketch.rows, whole.rows)
    np.testing.assert_array_equal(exact_neighbours(bank, made, own, k, sketch=sketch), expected)
    assert made.most < 400
