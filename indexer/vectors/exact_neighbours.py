"""Which vectors of a bank are nearest to others: the very same ones, however many ask at once.

FAISS computes a block of queries by other routines than a single one, and its inner products then
differ in their last digits. So whatever lies within rounding of the last place is scored again,
each pair on its own. A large bank is asked by its sketch, which names what could be near; the few
queries for which that is too much are then held against every row.
"""

from typing import NamedTuple

import faiss
import numpy as np
from jaxtyping import Bool, Float32, Int64

from indexer.vectors.sketch import Rows, Sketch, shortened

SPARE = 8
"""Fetched beyond those asked for, so that most queries need no second search."""

MOST_FETCHED = 1_024
"""Beyond this many within rounding of one another they are copies, and any of them will do."""

LEAST_SKETCHED = 128
"""Fetched from a sketch: of 11,699 photographs 4 had more that may be among the 16 nearest. Twice
as many cost FAISS a tenth of its time."""

MORE_SKETCHED = 8
"""Times as many are fetched for the few queries of which that was not enough."""

MULTIPLIED = 1 << 17
"""Numbers in the queries from which on FAISS multiplies matrices, and reads the bank once for all
of them: with fewer it takes six times as long a query (measured, faiss-cpu 1.15.1)."""

GAIN = 6
"""Times that a query is quicker so. Where that outweighs it, queries are filled up with zeros."""

MADE_AT_ONCE = 16_384
"""Rows of a bank that makes them when they are asked for."""

ROUNDING = 1e-5
"""Far above the rounding of a float32 inner product, as a share of the vectors' squared length."""


class Fetched(NamedTuple):
    """Rows of a bank among which the nearest of each query are, unless the ceiling says no."""

    rows: Int64[np.ndarray, "Q F"]
    similarities: Float32[np.ndarray, "Q F"]
    """-inf for the query itself, and for what is known to be further away than k others."""
    ceiling: Float32[np.ndarray, "Q"]
    """Nothing without a similarity here has a larger one; -inf where any of the rest will do."""


def exact_neighbours(
    queries: Float32[np.ndarray, "Q D"],
    bank: Rows,
    own_rows: Int64[np.ndarray, "Q"],
    k: int,
    *,
    sketch: Sketch | None = None,
) -> Int64[np.ndarray, "Q K"]:
    """The K = k rows of `bank` of largest inner product, ascending; -1 pads where there are fewer.

    `own_rows` holds the row that is the query itself and no neighbour of its own, or -1. Of equally
    near rows the lower is nearer. The bank's `sketch` makes this quicker and changes nothing.
    """
    chosen = np.full((len(queries), k), -1, dtype=np.int64)
    pending = np.arange(len(queries))
    if sketch is not None and 0 < 4 * k <= len(bank):
        least = max(LEAST_SKETCHED, 4 * k)
        for fetch in (min(len(bank), least), MORE_SKETCHED * least):
            if len(pending) and fetch <= len(bank):
                asked, own = queries[pending], own_rows[pending]
                fetched = _fetched_by_sketch(asked, bank, sketch, own, k, fetch)
                pending = pending[~_settled(asked, bank, fetched, pending, chosen)]
    fetch = min(len(bank), k + 1 + SPARE)
    while len(pending) and fetch and k:
        asked = queries[pending]
        fetched = _fetched(asked, bank, own_rows[pending], fetch)
        pending = pending[~_settled(asked, bank, fetched, pending, chosen)]
        fetch = min(len(bank), 4 * fetch)
    return chosen


def _fetched(
    queries: Float32[np.ndarray, "Q D"],
    bank: Rows,
    own_rows: Int64[np.ndarray, "Q"],
    fetch: int,
) -> Fetched:
    """The most similar rows of the bank."""
    similarities, rows = _largest_of_all(queries, bank, fetch)
    all_will_do = fetch >= min(len(bank), MOST_FETCHED)
    ceiling = np.full_like(similarities[:, -1], -np.inf) if all_will_do else similarities[:, -1]
    ceiling = ceiling.copy()
    similarities[rows == own_rows[:, None]] = -np.inf
    return Fetched(rows, similarities, ceiling)


def _fetched_by_sketch(
    queries: Float32[np.ndarray, "Q D"],
    bank: Rows,
    sketch: Sketch,
    own_rows: Int64[np.ndarray, "Q"],
    k: int,
    fetch: int,
) -> Fetched:
    """The rows of the largest bounds; only those that may be among the k nearest are scored."""
    bounds, rows = _largest(shortened(queries, sketch.directions), sketch.rows, fetch)
    similarities = np.full_like(bounds, -np.inf)
    ceiling = np.empty(len(queries), dtype=np.float32)
    first = min(fetch, 2 * k + 1)
    for place, query in enumerate(queries):
        candidates, others = rows[place], rows[place] != own_rows[place]
        scores, rounding = similarities[place], np.float32(ROUNDING) * (query @ query)
        scores[:first] = _scores(query, bank, candidates[:first], others[:first])
        least = np.partition(scores[:first], -k)[-k] - 2 * rounding
        near = max(first, int(np.searchsorted(-bounds[place], -least, side="right")))
        more = slice(first, near)
        scores[more] = _scores(query, bank, candidates[more], others[more])
        ceiling[place] = bounds[place, min(near, fetch - 1)] + rounding
    return Fetched(rows, similarities, ceiling)


def _largest_of_all(
    queries: Float32[np.ndarray, "Q D"], bank: Rows, k: int
) -> tuple[Float32[np.ndarray, "Q K"], Int64[np.ndarray, "Q K"]]:
    """`_largest`, a part of the bank after the other where its rows have to be made."""
    if isinstance(bank, np.ndarray):
        return _largest(queries, bank, k)
    parts = [
        (start, *_largest(queries, made, min(k, len(made))))
        for start in range(0, len(bank), MADE_AT_ONCE)
        for made in [bank[start : start + MADE_AT_ONCE]]
    ]
    products = np.concatenate([found for _, found, _ in parts], axis=1)
    rows = np.concatenate([start + found for start, _, found in parts], axis=1)
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _largest(
    queries: Float32[np.ndarray, "Q W"], rows: Float32[np.ndarray, "N W"], k: int
) -> tuple[Float32[np.ndarray, "Q K"], Int64[np.ndarray, "Q K"]]:
    """The k largest inner products of each query, largest first, and whose they are."""
    n = len(queries)
    multiplied = -(-MULTIPLIED // queries.shape[1])
    if n < multiplied <= GAIN * n:
        queries = np.pad(queries, ((0, multiplied - n), (0, 0)))
    products, found = faiss.knn(queries, rows, k, metric=faiss.METRIC_INNER_PRODUCT)
    return products[:n], found[:n].astype(np.int64)


def _scores(
    query: Float32[np.ndarray, "D"],
    bank: Rows,
    rows: Int64[np.ndarray, "C"],
    others: Bool[np.ndarray, "C"],
) -> Float32[np.ndarray, "C"]:
    scores: Float32[np.ndarray, "C"] = np.einsum("nd,d->n", bank[rows], query)
    scores[~others] = -np.inf
    return scores


def _settled(
    queries: Float32[np.ndarray, "Q D"],
    bank: Rows,
    fetched: Fetched,
    places: Int64[np.ndarray, "Q"],
    chosen: Int64[np.ndarray, "P K"],
) -> Bool[np.ndarray, "Q"]:
    """Whether the k nearest are known; these are then written into `places` of `chosen`."""
    rows, similarities, ceiling = fetched
    k = chosen.shape[1]
    last = min(k, rows.shape[1])
    least = np.partition(similarities, -last, axis=1)[:, -last]
    least = least - np.float32(ROUNDING) * (queries**2).sum(axis=1)
    close = np.isfinite(similarities) & (similarities >= least[:, None])
    settled: Bool[np.ndarray, "Q"] = (ceiling < least) | np.isneginf(ceiling)
    plain = settled & (close.sum(axis=1) == k)
    chosen[places[plain]] = np.sort(rows[plain][close[plain]].reshape(-1, k), axis=1)
    for place in np.flatnonzero(settled & ~plain):
        near = _nearest(queries[place], bank, np.sort(rows[place, close[place]]), k)
        chosen[places[place], : len(near)] = np.sort(near)
    return settled


def _nearest(
    query: Float32[np.ndarray, "D"],
    bank: Rows,
    rows: Int64[np.ndarray, "C"],
    k: int,
) -> Int64[np.ndarray, "K"]:
    # einsum, not a matrix product: a row's similarity may not depend on the rows beside it.
    exact = np.einsum("nd,d->n", bank[rows].astype(np.float64), query.astype(np.float64))
    best: Int64[np.ndarray, "K"] = rows[np.lexsort((rows, -exact))[:k]]
    return best
