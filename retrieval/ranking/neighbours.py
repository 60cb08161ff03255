"""Which rows of an array are nearest to a query: exact, in blocks, for arrays held in memory."""

import numpy as np
from jaxtyping import Float32, Int64

from indexer.vectors.protocol import Neighbours
from retrieval.ranking.protocol import Found, Search

_SIMILARITIES_PER_BLOCK = 8_000_000


def nearest_rows(
    queries: Float32[np.ndarray, "Q D"],
    rows: Float32[np.ndarray, "N D"],
    k: int,
    *,
    without_itself: bool = False,
) -> Neighbours:
    """The min(k, N) rows of largest inner product, best first; of equals the lower row first.

    `without_itself`: query q is row q, and no neighbour of its own; then at most N - 1.
    """
    k = max(0, min(k, len(rows) - without_itself))
    ids = np.empty((len(queries), k), dtype=np.int64)
    similarities = np.empty((len(queries), k), dtype=np.float32)
    n_block = max(1, _SIMILARITIES_PER_BLOCK // max(1, len(rows)))
    for start in range(0, len(queries) if k else 0, n_block):
        block = queries[start : start + n_block] @ rows.T
        if without_itself:
            places = np.arange(len(block))
            block[places, places + start] = -np.inf
        chosen = _best(block, k)
        ids[start : start + n_block] = chosen
        similarities[start : start + n_block] = np.take_along_axis(block, chosen, axis=1)
    return Neighbours(ids, similarities)


def search_of(rows: Float32[np.ndarray, "N E"]) -> Search:
    """The search over an array."""

    def search(queries: Float32[np.ndarray, "Q E"], k: int) -> Found:
        nearest = nearest_rows(queries, rows, k)
        return Found(rows[nearest.ids], nearest.similarities)

    return search


def _best(similarities: Float32[np.ndarray, "Q N"], k: int) -> Int64[np.ndarray, "Q K"]:
    """The places of each row's k largest, larger first, then lower place; k at least 1."""
    n = similarities.shape[1]
    places = np.sort(np.argpartition(similarities, n - k, axis=1)[:, n - k :], axis=1)
    values = np.take_along_axis(similarities, places, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    chosen = np.take_along_axis(places, order, axis=1)
    # Where others equal the k-th, the partition has taken whichever it met.
    tied = (similarities >= values.min(axis=1, keepdims=True)).sum(axis=1) > k
    for row in np.flatnonzero(tied).tolist():
        chosen[row] = np.argsort(-similarities[row], kind="stable")[:k]
    return chosen.astype(np.int64, copy=False)
