"""SuperGlobal's reranking: the best hits refine one another, and then the query."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.blocks import block_shares, scaled_blocks, unit_blocks
from retrieval.ranking.neighbours import nearest_rows
from retrieval.ranking.protocol import Found, Reference
from retrieval.ranking.raw import Raw

CANDIDATES = 400
NEIGHBOURS = 9
BETA = 0.15


def refined_candidates(
    candidates: Float32[np.ndarray, "M D"], *, neighbours: int = NEIGHBOURS, beta: float = BETA
) -> Float32[np.ndarray, "M D"]:
    r"""Each candidate's weighted mean with those candidates that are most like it.

        x'_i = ( x_i + sum_{j in N_K(i)} beta s_ij x_j ) / ( 1 + sum_{j in N_K(i)} beta s_ij ),
        s_ij = x_i . x_j

        paper   here         shape
        x       candidates   M D    unit length
        K       neighbours   >= 0; the candidate itself is not counted
        beta    beta         0.15

    Shao et al., Global features are all you need for image retrieval and reranking, ICCV 2023.
    Departure: none.  Reference loop: tests/references/ranking.py
    """
    nearest = nearest_rows(candidates, candidates, neighbours, without_itself=True)
    weights = np.float32(beta) * nearest.similarities
    moved = candidates + np.einsum("mk,mkd->md", weights, candidates[nearest.ids])
    refined: Float32[np.ndarray, "M D"] = moved / (1 + weights.sum(axis=1, keepdims=True))
    return refined


def reranked_similarities(
    query: Float32[np.ndarray, "D"],
    candidates: Float32[np.ndarray, "M D"],
    *,
    neighbours: int = NEIGHBOURS,
    beta: float = BETA,
) -> Float32[np.ndarray, "M"]:
    r"""How like the query, and like the best of its hits, the refined candidates are.

        s_i = ( q . x'_i + q* . x'_i ) / 2,
        q*  = the largest value of each dimension among the K + 1 x' of largest q . x'

        paper   here         shape
        q       query        D      unit length
        x       candidates   M D    unit length; x' their refined form
        K       neighbours   9

    Source and loop as above. Departure: none.
    """
    refined = refined_candidates(candidates, neighbours=neighbours, beta=beta)
    first: Float32[np.ndarray, "M"] = refined @ query
    if not len(first):
        return first
    best = np.argsort(-first, kind="stable")[: neighbours + 1]
    similarities: Float32[np.ndarray, "M"] = (first + refined @ refined[best].max(axis=0)) / 2
    return similarities


@dataclass(frozen=True, eq=False)
class SuperGlobal(Raw):
    """Scores the best 400 again; index and query are as they were."""

    semantic: int
    candidates: int = CANDIDATES
    neighbours: int = NEIGHBOURS
    beta: float = BETA

    @classmethod
    def fitted(cls, reference: Reference) -> "SuperGlobal":
        """Learns only where the blocks meet."""
        return cls(reference.semantic)

    def similarities(
        self, queries: Float32[np.ndarray, "Q E"], found: Found
    ) -> Float32[np.ndarray, "Q M"]:
        """`reranked_similarities`, the blocks in the shares that each query gives them."""
        factors = np.sqrt(block_shares(queries, self.semantic))
        asked = scaled_blocks(unit_blocks(queries, self.semantic), factors, self.semantic)
        made = []
        for query, candidates, factor in zip(asked, found.vectors, factors, strict=True):
            # A text weighs the visual block with 0: leaving it out halves the work.
            seen = slice(None) if factor[1] else slice(self.semantic)
            weighed = scaled_blocks(candidates, factor, self.semantic)[:, seen]
            made.append(
                reranked_similarities(
                    query[seen], weighed, neighbours=self.neighbours, beta=self.beta
                )
            )
        return np.stack(made) if made else found.similarities
