"""Several ways to rank, one after the other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.protocol import Found, Kind, Ranking, Search


@dataclass(frozen=True, eq=False)
class Chain:
    """Indexes what each makes of what the one before it made; the last one scores again.

    All search what is indexed in the end, so one that searches may only stand last.
    """

    links: tuple[Ranking, ...]
    """At least one."""

    @property
    def candidates(self) -> int:
        """Those of the last."""
        return self.links[-1].candidates

    def database(self, vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N _"]:
        """What the last one makes."""
        for link in self.links:
            vectors = link.database(vectors)
        return vectors

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q _"]:
        """What the last one makes."""
        for link in self.links:
            queries = link.queries(queries, kind, search)
        return queries

    def similarities(
        self, queries: Float32[np.ndarray, "Q E"], found: Found
    ) -> Float32[np.ndarray, "Q M"]:
        """Those of the last."""
        return self.links[-1].similarities(queries, found)
