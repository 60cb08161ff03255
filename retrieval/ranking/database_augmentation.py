"""Alpha database augmentation: each image is averaged with the images most like it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.blocks import image_queries, unit_blocks
from retrieval.ranking.neighbours import nearest_rows
from retrieval.ranking.protocol import Reference
from retrieval.ranking.raw import Raw

NEIGHBOURS = 10
ALPHA = 3.0

_ROWS_PER_BLOCK = 4096


def augmented(
    vectors: Float32[np.ndarray, "N D"],
    *,
    semantic: int,
    visual_weight: float,
    neighbours: int = NEIGHBOURS,
    alpha: float = ALPHA,
) -> Float32[np.ndarray, "N D"]:
    r"""Each image's blocks, averaged with those of its neighbours in the database.

        F'_i = unit( F_i + sum_{j in N_k(i)} max(0, s_ij)^alpha F_j ),   s_ij = q_i . F_j

        paper     here            shape
        F         vectors         N D    blocks of unit length; each made unit length again
        q_i                              the query that image i would be: `composition.image_query`
        N_k(i)                           its k nearest but itself; all others where N <= k
        k         neighbours      >= 0; 0 changes nothing
        alpha     alpha           >= 0

    Database-side augmentation: Arandjelovic and Zisserman, CVPR 2012; with weights s^alpha: Revaud
    et al., ICCV 2019. Departure: none but for the blocks.
    Reference loop: tests/references/ranking.py
    """
    if not neighbours or len(vectors) < 2:
        return vectors
    asked = image_queries(vectors, semantic, visual_weight)
    nearest = nearest_rows(asked, vectors, neighbours, without_itself=True)
    weights = np.maximum(nearest.similarities, 0) ** np.float32(alpha)
    made = vectors.copy()
    for start in range(0, len(vectors), _ROWS_PER_BLOCK):
        some = slice(start, start + _ROWS_PER_BLOCK)
        made[some] += np.einsum("nk,nkd->nd", weights[some], vectors[nearest.ids[some]])
    return unit_blocks(made, semantic)


@dataclass(frozen=True, eq=False)
class DatabaseAugmentation(Raw):
    """Indexes augmented images; queries are as they were."""

    semantic: int
    visual_weight: float
    neighbours: int = NEIGHBOURS
    alpha: float = ALPHA

    @classmethod
    def fitted(cls, reference: Reference) -> "DatabaseAugmentation":
        """Learns only how images are compared."""
        return cls(reference.semantic, reference.visual_weight)

    def database(self, vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N _"]:
        """The vectors, augmented by one another."""
        return augmented(
            vectors,
            semantic=self.semantic,
            visual_weight=self.visual_weight,
            neighbours=self.neighbours,
            alpha=self.alpha,
        )
