"""SPECTRUM's own ranking: the refined vectors that the index stores, and queries among them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from indexer.banks import HUBNESSES
from retrieval.ranking.hubness import spared_queries
from retrieval.ranking.neighbourhood import among
from retrieval.ranking.protocol import Kind, Reference, Search
from retrieval.ranking.query_expansion import NEIGHBOURS
from retrieval.ranking.raw import Raw


@dataclass(frozen=True)
class Refined(Raw):
    """Ranks by stored vectors [F; -h], F refined and h its hubness, as `hubness.folded` makes."""

    semantic: int
    """S, width of the semantic block."""

    @classmethod
    def fitted(cls, reference: Reference) -> "Refined":
        """Learns nothing: the vectors that it is given are refined."""
        return cls(reference.semantic)

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q _"]:
        """Of images [q'; 0], q' the image among what it finds; of texts as they are given.

        These are `spectrum.stack.lexicon.text_questions`: what words ask with takes the words.
        """
        if kind == "text":
            return queries
        found = search(spared_queries(queries, HUBNESSES), NEIGHBOURS)
        return spared_queries(among(queries, found, self.semantic), HUBNESSES)
