"""What a query is answered from, to its end: one version of a library's vectors."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from indexer.banks import BankRow
from indexer.catalogue import Catalogue
from indexer.records import SpaceRow
from indexer.vectors.protocol import VectorStore
from retrieval.ranking.protocol import Found

Nearest = tuple[Int64[np.ndarray, "K"], Float32[np.ndarray, "K"]]
"""Ids and inner products, best first."""

# Enough to know a standard deviation to about 2 %.
SPREAD_SAMPLE = 2_000


class KeptSample:
    """The sample that was drawn last: it takes as long as a search, and is needed by many."""

    def __init__(self) -> None:
        self._held: tuple[object, Float32[np.ndarray, "N E"]] | None = None

    def of(
        self, state: object, draw: Callable[[], Float32[np.ndarray, "N E"]]
    ) -> Float32[np.ndarray, "N E"]:
        """That of this state of a store, drawn if the last one is of another."""
        held = self._held
        if held is None or held[0] != state:
            held = self._held = (state, draw())
        return held[1]


class LastFound:
    """The nearest of the whole collection, as found last: those of a smaller k are their first."""

    def __init__(self) -> None:
        self._vector: Float32[np.ndarray, " E"] | None = None
        self._k = 0
        self._found: Nearest | None = None

    def of(
        self, vector: Float32[np.ndarray, " E"], k: int, search: Callable[[], Nearest]
    ) -> Nearest:
        """The k nearest to the vector, searched unless they are known."""
        same = self._vector is not None and np.array_equal(self._vector, vector)
        if self._found is None or not same or self._k < k:
            self._vector, self._k, self._found = vector, k, search()
        ids, similarities = self._found
        return ids[:k], similarities[:k]


class View(NamedTuple):
    """The vectors of one space, refined over one bank; threads enter the store one by one."""

    catalogue: Catalogue
    space: SpaceRow
    bank: BankRow | None
    """Over which the vectors are refined; None: they are the encoder's own."""
    store: VectorStore
    lock: AbstractContextManager[bool]
    """Held while the store is in use."""
    kept: KeptSample
    """Outlives the view."""
    last: LastFound

    def n_stored(self) -> int:
        """How many pictures can be found."""
        with self.lock:
            return self.store.count()

    def nearest(
        self,
        vector: Float32[np.ndarray, "E"],
        k: int,
        among: Int64[np.ndarray, "A"] | None = None,
    ) -> Nearest:
        """The ids and inner products of the K best, -1 where an id has no vector."""

        def search() -> Nearest:
            with self.lock:
                found = self.store.search(vector[None], k, among=among)
            return found.ids[0], found.similarities[0]

        return self.last.of(vector, k, search) if among is None else search()

    def found(self, queries: Float32[np.ndarray, "1 E"], k: int) -> Found:
        """The search of one query, as a ranking asks for it."""
        ids, _ = self.nearest(queries[0], k)
        _, stored = self.vectors(ids)
        return Found(stored[None], queries @ stored.T)

    def vectors(
        self, ids: Int64[np.ndarray, "N"]
    ) -> tuple[Int64[np.ndarray, "M"], Float32[np.ndarray, "M E"]]:
        """What is compared with, of those of the ids that are held.

        From the store: the database, whose vectors these are, takes ten times as long to read.
        """
        with self.lock:
            return self.store.vectors(ids)

    def sample(self) -> Float32[np.ndarray, "N E"]:
        """Vectors of the collection, evenly spaced, from which standard scores are taken."""
        with self.lock:
            state = self.bank, self.store.generation
        return self.kept.of(state, self._sample)

    def _sample(self) -> Float32[np.ndarray, "N E"]:
        with self.lock:
            ids = self.store.ids()
            step = max(1, len(ids) // SPREAD_SAMPLE)
            return self.store.vectors(ids[::step])[1]

    def encoded(
        self, ids: Int64[np.ndarray, "N"], stored: Float32[np.ndarray, "N E"]
    ) -> Float32[np.ndarray, "N D"]:
        """The encoder's own vectors: refined ones make neighbours alike that look different."""
        if self.bank is None:
            return stored
        held, base = self.catalogue.held_vectors(ids, self.space)
        vectors = np.zeros((len(ids), self.space.identity.dimension), dtype=np.float32)
        vectors[np.isin(ids, held)] = base  # another process may have pruned some
        return vectors
