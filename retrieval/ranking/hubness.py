"""Hubness correction: images that are near to every text are put back by as much."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.protocol import Kind, Reference, Search
from retrieval.ranking.raw import Raw

NEIGHBOURS = 64
WEIGHT = 0.5

_SIMILARITIES_PER_BLOCK = 8_000_000


def hubness(
    semantic_unit: Float32[np.ndarray, "N S"],
    texts: Float32[np.ndarray, "T S"],
    *,
    neighbours: int = NEIGHBOURS,
    weight: float = WEIGHT,
) -> Float32[np.ndarray, "N"]:
    r"""What is taken off every similarity of an image with a text.

        h_i = weight / k * sum of the k largest of { s_i . b_t }

        paper   here            shape
        s_i     semantic_unit   N S
        b_t     texts           T S   a bank of texts like those that are asked
        k       neighbours      at most T; with none, or an empty bank, h = 0
        alpha   weight          0.5; the paper takes 0.75 with k = 128

    Nearest Neighbor Normalization: Chowdhury et al., EMNLP 2024.
    Departure: none.  Reference loop: tests/references/ranking.py
    """
    k = min(neighbours, len(texts))
    made = np.zeros(len(semantic_unit), dtype=np.float32)
    n_block = max(1, _SIMILARITIES_PER_BLOCK // max(1, len(texts)))
    for start in range(0, len(made) if k else 0, n_block):
        similarities = semantic_unit[start : start + n_block] @ texts.T
        largest = np.partition(similarities, len(texts) - k, axis=1)[:, len(texts) - k :]
        made[start : start + n_block] = weight * largest.mean(axis=1)
    return made


def folded(
    vectors: Float32[np.ndarray, "N D"], offsets: Float32[np.ndarray, "N K"]
) -> Float32[np.ndarray, "N E"]:
    """Rows [F; -h], E = D + K: with the query [t; 0; a] the inner product is t . s - a . h."""
    return np.concatenate([vectors, -offsets], axis=1)


def spared_queries(queries: Float32[np.ndarray, "Q D"], offsets: int) -> Float32[np.ndarray, "Q E"]:
    """Queries [q; 0] that no hubness is taken off, as images ask; E = D + `offsets`."""
    return np.pad(queries, ((0, 0), (0, offsets)))


@dataclass(frozen=True, eq=False)
class Hubness(Raw):
    """Ranks texts' hits by t . s - h."""

    texts: Float32[np.ndarray, "T S"]
    neighbours: int = NEIGHBOURS
    weight: float = WEIGHT

    @classmethod
    def fitted(cls, reference: Reference) -> "Hubness":
        """Keeps the bank of texts."""
        return cls(reference.texts)

    def database(self, vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N _"]:
        """[F; -h]."""
        offsets = hubness(
            vectors[:, : self.texts.shape[1]],
            self.texts,
            neighbours=self.neighbours,
            weight=self.weight,
        )
        return folded(vectors, offsets[:, None])

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q _"]:
        """[t; 0; 1] and [q; 0]."""
        asked = spared_queries(queries, 1)
        asked[:, -1] = kind == "text"
        return asked
