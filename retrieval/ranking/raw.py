"""Ranking by the encoder's own vectors: the line that everything else has to pass."""

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.protocol import Found, Kind, Reference, Search


class Raw:
    """Changes nothing. The other ways to rank are this one but for what they say."""

    candidates = 0

    @classmethod
    def fitted(cls, reference: Reference) -> "Raw":
        """Learns nothing."""
        return cls()

    def database(self, vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N _"]:
        """The vectors."""
        return vectors

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q _"]:
        """The queries."""
        return queries

    def similarities(
        self, queries: Float32[np.ndarray, "Q E"], found: Found
    ) -> Float32[np.ndarray, "Q M"]:
        """The inner products."""
        return found.similarities
