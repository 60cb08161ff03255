"""Which vectors of a bank are nearest to others: the very same ones, however many ask at once.

FAISS computes a block of queries by other routines than a single one, and its inner products then
differ in their last digits. So whatever lies within rounding of the last place is scored again,
each pair on its own.
"""

import faiss
import numpy as np
from jaxtyping import Float32, Int64

SPARE = 8
"""Fetched beyond those asked for, so that most queries need no second search."""

MOST_FETCHED = 1_024
"""Beyond this many within rounding of one another they are copies, and any of them will do."""

ROUNDING = 1e-5
"""Far above the rounding of a float32 inner product, as a share of the vectors' squared length."""


def exact_neighbours(
    queries: Float32[np.ndarray, "Q D"],
    bank: Float32[np.ndarray, "N D"],
    own_rows: Int64[np.ndarray, "Q"],
    k: int,
) -> Int64[np.ndarray, "Q K"]:
    """The K = k rows of `bank` of largest inner product, ascending; -1 pads where there are fewer.

    `own_rows` holds the row that is the query itself and no neighbour of its own, or -1. Of equally
    near rows the lower is nearer.
    """
    chosen = np.full((len(queries), k), -1, dtype=np.int64)
    pending = np.arange(len(queries))
    fetch = min(len(bank), k + 1 + SPARE)
    while len(pending) and fetch and k:
        asked = queries[pending]
        similarities, found = faiss.knn(asked, bank, fetch, metric=faiss.METRIC_INNER_PRODUCT)
        rows = found.astype(np.int64)
        similarities[rows == own_rows[pending, None]] = -np.inf
        last = min(k, fetch)
        least = np.partition(similarities, -last, axis=1)[:, -last]
        least -= ROUNDING * (asked**2).sum(axis=1)
        others = np.isfinite(similarities)
        close = others & (similarities >= least[:, None])
        # What was not fetched is no nearer than anything that was.
        settled = (others & ~close).any(axis=1) | (fetch >= min(len(bank), MOST_FETCHED))
        plain = settled & (close.sum(axis=1) == k)
        chosen[pending[plain]] = np.sort(rows[plain][close[plain]].reshape(-1, k), axis=1)
        for place in np.flatnonzero(settled & ~plain):
            near = _nearest(asked[place], bank, np.sort(rows[place, close[place]]), k)
            chosen[pending[place], : len(near)] = np.sort(near)
        pending, fetch = pending[~settled], min(len(bank), 4 * fetch)
    return chosen


def _nearest(
    query: Float32[np.ndarray, "D"],
    bank: Float32[np.ndarray, "N D"],
    rows: Int64[np.ndarray, "C"],
    k: int,
) -> Int64[np.ndarray, "K"]:
    # einsum, not a matrix product: a row's similarity may not depend on the rows beside it.
    exact = np.einsum("nd,d->n", bank[rows].astype(np.float64), query.astype(np.float64))
    best: Int64[np.ndarray, "K"] = rows[np.lexsort((rows, -exact))[:k]]
    return best
