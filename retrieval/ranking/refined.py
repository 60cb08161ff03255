"""SPECTRUM's own ranking: the refined vectors that the index stores; nothing left to compute."""

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.hubness import folded_queries
from retrieval.ranking.protocol import Kind, Search
from retrieval.ranking.raw import Raw


class Refined(Raw):
    """Ranks by stored vectors [F; -h], F refined and h its hubness, as `hubness.folded` makes."""

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q _"]:
        """[t; 0; 1] and [q; 0]."""
        return folded_queries(queries, kind)
