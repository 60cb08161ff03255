"""Alpha query expansion: a query is averaged with what it finds, and asked again."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.blocks import block_lengths, scaled_blocks, unit_blocks
from retrieval.ranking.protocol import Found, Kind, Reference, Search
from retrieval.ranking.raw import Raw

NEIGHBOURS = 10
ALPHA = 3.0


def expanded_queries(
    queries: Float32[np.ndarray, "Q D"], found: Found, *, semantic: int, alpha: float = ALPHA
) -> Float32[np.ndarray, "Q D"]:
    r"""Each block of a query, averaged with those of its neighbours, at the length that it had.

        q' = |q| unit( q / |q| + sum_i w_i F_i ),   w_i = max(0, q . F_i / (|q_s| + |q_v|))^alpha

        paper   here                 shape
        q       queries              Q D     blocks of any length; one of length 0 stays 0
        F_i     found.vectors        Q K D   blocks of unit length
        alpha   alpha                >= 0; 0 is the plain average of Chum et al.

    The division makes the similarity of an image with itself 1, at whatever length it is asked.
    Average query expansion: Chum et al., ICCV 2007; weights by similarity: Radenovic, Tolias and
    Chum, TPAMI 2018, 5.3. Departure: blocks are normalised one by one, so that a query keeps its
    shares of them and a text stays blind to the visual block; without neighbours nothing changes.
    Reference loop: tests/references/ranking.py
    """
    lengths = block_lengths(queries, semantic)
    if not found.vectors.shape[1]:
        return queries
    total = np.maximum(lengths.sum(axis=1, keepdims=True), np.float32(1e-12))
    weights = np.maximum(found.similarities / total, 0) ** np.float32(alpha)
    added = np.einsum("qk,qkd->qd", weights, found.vectors)
    return scaled_blocks(
        unit_blocks(unit_blocks(queries, semantic) + added, semantic), lengths, semantic
    )


@dataclass(frozen=True, eq=False)
class QueryExpansion(Raw):
    """Searches twice; the database is as it was."""

    semantic: int
    neighbours: int = NEIGHBOURS
    alpha: float = ALPHA

    @classmethod
    def fitted(cls, reference: Reference) -> "QueryExpansion":
        """Learns only where the blocks meet."""
        return cls(reference.semantic)

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q _"]:
        """The queries, expanded by the best `neighbours`."""
        found = search(queries, self.neighbours)
        return expanded_queries(queries, found, semantic=self.semantic, alpha=self.alpha)
