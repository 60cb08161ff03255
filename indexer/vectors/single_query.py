"""The rows that a single query is most like: FAISS gives it one thread, here it has all of them.

At first every row is read. Where many queries follow one another a sketch of the rows is made, a
quarter of their size, and asked first: it names what could be among the best, and these are read.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from indexer.vectors.byte_sketch import ByteSketch
from spectrum.shared_work import shared_out

ROWS_PER_THREAD = 16_384
"""Fewer are not worth a thread of their own."""

SEARCHES_PER_SKETCH = 32
"""Searches of every row take as long as making a sketch does; then it is made. A process that asks
a few times never pays for one, and no other pays more than twice what it had to."""

NAMED_PER_RESULT = 3
"""Rows that a sketch names first: of vectors like photographs' two and a half held the best."""

LEAST_NAMED = 64

MOST_NAMED = 16
"""One row in so many; where more would have to be named, all are read."""

ROUNDING = 1e-5
"""Far above the rounding of a float32 inner product, as a share of the vectors' lengths."""


class Best(NamedTuple):
    """Rows, best first."""

    rows: Int64[np.ndarray, "K"]
    similarities: Float32[np.ndarray, "K"]


class SingleQuery:
    """Searches an index's rows, whose owner tells of what changes. One thread at a time."""

    def __init__(self) -> None:
        self._cores = os.cpu_count() or 1
        self._pool: ThreadPoolExecutor | None = None
        self._sketch: ByteSketch | None = None
        self._searched = 0

    def pays(self, count: int) -> bool:
        """Whether so many rows are worth it."""
        return count >= ROWS_PER_THREAD

    def added(self, vectors: Float32[np.ndarray, "B D"]) -> None:
        """These were appended to the rows."""
        if self._sketch is not None and not self._sketch.add(vectors):
            self._sketch, self._searched = None, 0

    def removed(self, rows: Int64[np.ndarray, "R"]) -> None:
        """These rows were removed, and those behind them moved up."""
        if self._sketch is not None:
            self._sketch.remove(rows)

    def best(
        self, held: Float32[np.ndarray, "N D"], query: Float32[np.ndarray, "1 D"], k: int
    ) -> Best:
        """The k rows of the largest inner products, with or without a sketch the same."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(
                self._cores, initializer=faiss.omp_set_num_threads, initargs=(1,)
            )
        if self._sketch is None and self._searched >= SEARCHES_PER_SKETCH:
            self._sketch = ByteSketch(held)
        threads = max(1, min(self._cores, len(held) // ROWS_PER_THREAD))
        edges = [len(held) * part // threads for part in range(threads + 1)]
        found = None
        if self._sketch is not None:
            found = _best_by_sketch(self._sketch, held, query, k, self._pool, edges)
        if found is None:
            self._searched += 1
            found = _best_of_all(held, query, k, self._pool, edges)
        return found


def _best_by_sketch(
    sketch: ByteSketch,
    held: Float32[np.ndarray, "N D"],
    query: Float32[np.ndarray, "1 D"],
    k: int,
    pool: ThreadPoolExecutor,
    edges: list[int],
) -> Best | None:
    """None where too many rows would have to be named."""
    rounding = 2 * ROUNDING * float(np.linalg.norm(query)) * sketch.longest
    named = max(LEAST_NAMED, NAMED_PER_RESULT * k)
    while MOST_NAMED * named < len(held):
        rows, bounds = sketch.nearest(query[0], named, pool, edges)
        # In order and part by part: then of equal ones the same are best as where all are read.
        rows = np.sort(rows)
        parts = np.split(rows, np.searchsorted(rows, edges[1:-1]))
        best = _merged([_best_rows(query, held[part], part, k) for part in parts], k)
        if bounds[-1] + rounding < best.similarities[-1]:
            return best
        named *= 4
    return None


def _best_of_all(
    held: Float32[np.ndarray, "N D"],
    query: Float32[np.ndarray, "1 D"],
    k: int,
    pool: ThreadPoolExecutor,
    edges: list[int],
) -> Best:
    """Each thread reads the rows between two edges."""
    found = shared_out(
        lambda ends: _best_rows(query, held[slice(*ends)], np.arange(*ends), k),
        list(pairwise(edges)),
        pool,
        len(edges) - 2,
    )
    return _merged(found, k)


def _best_rows(
    query: Float32[np.ndarray, "1 D"],
    vectors: Float32[np.ndarray, "R D"],
    rows: Int64[np.ndarray, "R"],
    k: int,
) -> Best:
    """The best min(k, R) of these vectors, which have these rows."""
    if not len(rows):
        return Best(rows, np.empty(0, dtype=np.float32))
    similarities, places = faiss.knn(query, vectors, min(k, len(rows)), faiss.METRIC_INNER_PRODUCT)
    return Best(rows[places[0]], similarities[0])


def _merged(parts: list[Best], k: int) -> Best:
    """The best k of all parts; of equal ones those of the earlier part."""
    rows = np.concatenate([part.rows for part in parts])
    similarities = np.concatenate([part.similarities for part in parts])
    best = np.argsort(-similarities, kind="stable")[:k]
    return Best(rows[best], similarities[best])
