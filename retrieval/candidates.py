"""Candidates of a query: fetched by whatever the store approximates, then scored exactly."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from retrieval.asked import Asked
from retrieval.ranking.protocol import Ranking
from retrieval.ranking.table import ranked_again
from retrieval.view import View

# Candidates beyond those asked for, so that exact scores may reorder them at the border.
OVER_FETCH = 50

# Far above the rounding of a float32 inner product of unit vectors, far below what anyone sees.
ROUNDING = 1e-5


class Scored(NamedTuple):
    """Candidates, and how similar each is."""

    ids: Int64[np.ndarray, "N"]
    stored: Float32[np.ndarray, "N E"]
    similarities: Float64[np.ndarray, "N"]
    by_part: Float64[np.ndarray, "N P"]
    order: Int64[np.ndarray, "N"]
    """Rows, best first; of equal ones the lower id."""


def candidate_ids(
    view: View,
    vector: Float32[np.ndarray, "E"],
    n: int,
    among: Int64[np.ndarray, "A"] | None,
) -> Int64[np.ndarray, "C"]:
    """The contents among which the exactly best `n` are, whatever the store does with ties.

    Goes on until the last one is plainly less similar than the n-th. Otherwise, of many equal
    ones, the store would choose others for 5 results than for 15.
    """
    k = n + OVER_FETCH
    margin = ROUNDING * max(1.0, float(np.linalg.norm(vector)))
    while True:
        ids, similarities = view.nearest(vector, k, among)
        if len(ids) < k or similarities[-1] < similarities[n - 1] - margin:
            held: Int64[np.ndarray, "C"] = ids[ids >= 0]
            return held
        k *= 2


def scored(ids: Int64[np.ndarray, "C"], asked: Asked, ranking: Ranking | None) -> Scored:
    """These candidates with their exact similarities, those of the `ranking` if there is one."""
    # Another thread may have synchronised the store since, and some of them are pruned.
    ids, stored = asked.view.vectors(ids)
    similarities = exact_similarities(stored, asked.vector[None])[:, 0] - asked.level
    order = np.lexsort((ids, -similarities))
    if ranking is not None:
        similarities = ranked_again(ranking, asked.vector, stored, similarities, order)
        order = np.lexsort((ids, -similarities))
    return Scored(ids, stored, similarities, exact_similarities(stored, asked.parts), order)


def exact_similarities(
    stored: Float32[np.ndarray, "N D"], queries: Float32[np.ndarray, "Q D"]
) -> Float64[np.ndarray, "N Q"]:
    """Inner products in double precision, whatever approximation chose the candidates.

    Row by row (einsum, not a matrix product), so that a similarity does not depend on how many
    candidates are scored beside it.
    """
    similarities: Float64[np.ndarray, "N Q"] = np.einsum(
        "nd,qd->nq", stored.astype(np.float64), queries.astype(np.float64)
    )
    return similarities
