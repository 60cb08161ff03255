"""A bank in fewer dimensions, whose inner products are never below the real ones.

For V of orthonormal columns and r(x) = x - V V^T x, what V leaves of x:

    q . x = V^T q . V^T x + r(q) . r(x) <= V^T q . V^T x + |r(q)| |r(x)|        (Cauchy-Schwarz)

The right side is the inner product of [V^T q; |r(q)|] and [V^T x; |r(x)|]: a search among these
finds what could be near, and whatever it leaves out is proven to be further away. V holds principal
directions, so that little is left; which directions they are decides how quick a search is, never
what it finds.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64
from threadpoolctl import threadpool_limits

LEAST_ROWS = 4_096
"""Smaller banks are searched as they are."""

LEFT = 0.04
"""Share of the vectors' squared length that the directions may leave: with more, too many could be
near; with less, the search among them costs too much."""

MOST_DIRECTIONS = 0.6
"""Of the dimensions. Vectors that need more, as isotropic ones do, are searched as they are."""

SAMPLE = 16_384
"""Rows, evenly spaced, that the directions are taken from."""

ROWS_AT_ONCE = 4_096

LENGTH_ROUNDING = 1e-5
"""Far above the rounding of a squared length in float32, as a share of it."""


@runtime_checkable
class Rows(Protocol):
    """A bank's vectors, D wide: an array, or what makes them when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | Int64[np.ndarray, "B"]) -> Float32[np.ndarray, "B D"]: ...


class Sketch(NamedTuple):
    """A bank's rows, shortened."""

    directions: Float32[np.ndarray, "D R"]
    """V, orthonormal columns."""
    rows: Float32[np.ndarray, "N W"]
    """[V^T x; |r(x)|]; W = R + 1."""


def sketch_of(bank: Rows) -> Sketch | None:
    """None for a small bank, and for one of which no few directions hold nearly all."""
    if len(bank) < LEAST_ROWS:
        return None
    directions = _principal_directions(bank)
    if directions.shape[1] > MOST_DIRECTIONS * len(directions):
        return None
    rows = np.empty((len(bank), directions.shape[1] + 1), dtype=np.float32)
    for start in range(0, len(bank), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        rows[some] = shortened(bank[some], directions)
    return Sketch(directions, rows)


def shortened(
    vectors: Float32[np.ndarray, "B D"], directions: Float32[np.ndarray, "D R"]
) -> Float32[np.ndarray, "B W"]:
    """[V^T x; |r(x)|] of each vector, the length rounded up; W = R + 1."""
    along = vectors @ directions
    squared = np.einsum("bd,bd->b", vectors, vectors, dtype=np.float64)
    held = np.einsum("br,br->b", along, along, dtype=np.float64)
    left = np.sqrt(np.maximum(squared - held, 0.0) + LENGTH_ROUNDING * squared)
    return np.concatenate([along, left[:, None].astype(np.float32)], axis=1)


def _principal_directions(bank: Rows) -> Float32[np.ndarray, "D R"]:
    """As few as leave at most `LEFT` of a sample's squared length; not centred: products stay."""
    step = -(-len(bank) // SAMPLE)
    width = bank[:1].shape[1]
    moments = np.zeros((width, width))
    for start in range(0, len(bank), ROWS_AT_ONCE * step):
        some = bank[start : start + ROWS_AT_ONCE * step : step]
        moments += some.T @ some
    # More threads only wait for one another, a hundred times as long where others are at work.
    with threadpool_limits(1, user_api="blas"):
        lengths, directions = np.linalg.eigh(moments)
    held = np.cumsum(np.maximum(lengths[::-1], 0.0))
    needed = int(np.searchsorted(held, (1 - LEFT) * held[-1])) + 1
    chosen: Float32[np.ndarray, "D R"] = directions[:, ::-1][:, :needed].astype(np.float32)
    return np.ascontiguousarray(chosen)
