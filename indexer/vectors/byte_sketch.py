"""Rows in one byte a number, whose inner products are never below the real ones.

With codes c_i = round(x_i / s_i) and what they miss, r = x - s c, for any groups g of coordinates:

    q . x = sum_i q_i s_i c_i + sum_g q_g . r_g <= sum_i q_i s_i c_i + sum_g |q_g| |r_g|

by Cauchy-Schwarz. The right side is the inner product of [q s; |q_g|] and [c; |r_g|], where |r_g|
is a byte too, rounded up. So a search in a quarter of the memory names what could be near,
whichever way a query points, and whatever it leaves out is proven to be further away.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from spectrum.shared_work import shared_out

LANES = 16
"""Bytes that FAISS reads in one step; rows of another length it reads byte by byte. So a row is
filled up with groups."""

LARGEST = 127
"""Code, and the same below zero, since each is kept as a byte."""

ZERO_BYTE = 128
"""Stands for the code 0."""

ROOM = 1.5
"""Rows that come later may miss so many times what the first ones can."""

SLACK = 1e-4
"""Far above the rounding of |r_g| in float32, as a share of it."""

LEAST = 1e-9
"""Of a column's largest number, so that one of zeros has a scale."""

ROWS_AT_ONCE = 1_024


class Bounded(NamedTuple):
    """Rows of the largest bounds, largest first."""

    rows: Int64[np.ndarray, "K"]
    bounds: Float32[np.ndarray, "K"]
    """No row that is not here has a larger inner product than the last of these."""


class ByteSketch:
    """The rows of an index in its order, at a quarter of their size."""

    def __init__(self, vectors: Float32[np.ndarray, "N D"]) -> None:
        """Of at least one row, whose numbers set the scales for those that are added later."""
        dimension = vectors.shape[1]
        groups = -dimension % LANES or LANES
        self._starts = np.arange(groups) * dimension // groups
        largest = np.full(dimension, LEAST, dtype=np.float32)
        for block in _blocks(vectors):
            np.maximum(largest, np.abs(block).max(axis=0), out=largest)
        self._scales = largest / np.float32(LARGEST)
        # A number is half a step off at most, so each of these rows fits.
        most_missed = self._lengths(self._scales[None] / 2)[0]
        self._group_scales = np.float32(ROOM / LARGEST) * most_missed
        self._index = _index_of_codes(dimension + groups)
        self.longest = LEAST
        """Length of the longest row, or hardly more than 0."""
        self.add(vectors)

    def add(self, vectors: Float32[np.ndarray, "B D"]) -> bool:
        """Appends rows; False if one is so unlike the first that it does not fit: start anew."""
        for block in _blocks(vectors):
            codes = np.clip(np.rint(block / self._scales), -LARGEST, LARGEST)
            missed = self._lengths(block - codes * self._scales) * np.float32(1 + SLACK)
            in_steps = np.ceil(missed / self._group_scales)
            if not (in_steps <= LARGEST).all():
                return False
            stored = np.concatenate([codes, in_steps], axis=1) + np.float32(ZERO_BYTE)
            self._index.add_sa_codes(stored.astype(np.uint8))
            squared = np.einsum("bd,bd->b", block, block)
            self.longest = max(self.longest, float(np.sqrt(squared.max())))
        return True

    def remove(self, rows: Int64[np.ndarray, "R"]) -> None:
        """Removes rows; those behind them move up."""
        self._index.remove_ids(rows)

    def nearest(
        self, query: Float32[np.ndarray, "D"], k: int, pool: ThreadPoolExecutor, edges: list[int]
    ) -> Bounded:
        """The min(k, held) rows of the largest bounds, a thread between two of the edges.

        But for the rounding of an inner product in float32 the bounds are never too low.
        """
        lengths = self._lengths(query[None])[0]
        asked = np.concatenate([query * self._scales, lengths * self._group_scales])[None]

        def sought(
            ends: tuple[int, int],
        ) -> tuple[Float32[np.ndarray, "K"], Int64[np.ndarray, "K"]]:
            some = faiss.IDSelectorRange(*ends)
            bounds, rows = self._index.search(asked, k, params=faiss.SearchParameters(sel=some))
            return bounds[0], rows[0]

        found = shared_out(sought, list(pairwise(edges)), pool, len(edges) - 2)
        bounds = np.concatenate([bounds for bounds, _ in found])
        rows = np.concatenate([rows for _, rows in found])
        best = np.argsort(-bounds, kind="stable")
        best = best[rows[best] >= 0][:k]
        return Bounded(rows[best], bounds[best])

    def _lengths(self, vectors: Float32[np.ndarray, "B D"]) -> Float32[np.ndarray, "B G"]:
        """Of the vectors' groups."""
        lengths: Float32[np.ndarray, "B G"] = np.sqrt(
            np.add.reduceat(vectors * vectors, self._starts, axis=1)
        )
        return lengths


def _index_of_codes(width: int) -> faiss.IndexScalarQuantizer:
    """Whose byte b stands for the number b - `ZERO_BYTE`."""
    # Not one of FAISS's formats of whole numbers: with some widths, which depend on the processor,
    # it would make whole numbers of queries too (QT_8bit_direct_signed, faiss-cpu 1.15.1).
    index = faiss.IndexScalarQuantizer(
        width, faiss.ScalarQuantizer.QT_8bit_uniform, faiss.METRIC_INNER_PRODUCT
    )
    # It learns the least and the largest number, and that a byte stands for the middle of a 255th.
    ends = np.array([[-0.5], [254.5]], dtype=np.float32) - np.float32(ZERO_BYTE)
    index.train(np.repeat(ends, width, axis=1))
    return index


def _blocks(vectors: Float32[np.ndarray, "N D"]) -> Iterator[Float32[np.ndarray, "B D"]]:
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        yield vectors[start : start + ROWS_AT_ONCE]
