"""Rankings that one search may choose by name, whatever the library stores.

They rank by the encoder's own vectors, and need nothing but the query and what it finds; the others
index other vectors.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64

from retrieval.query import QueryError
from retrieval.ranking import fitted_ranking
from retrieval.ranking.protocol import Found, Kind, Ranking, Reference, Search

DEFAULT = "spectrum"
"""By refined vectors; by the encoder's own while nothing is refined."""
SEARCHABLE = (DEFAULT, "raw", "alpha-qe", "superglobal")


def search_ranking(
    name: str, *, semantic: int, dimension: int, visual_weight: float
) -> Ranking | None:
    """The ranking of that name; None for the default. QueryError if no search has it."""
    if name == DEFAULT:
        return None
    if name not in SEARCHABLE:
        raise QueryError(f"'{name}' is no ranking of a search: choose {', '.join(SEARCHABLE)}")
    nothing = np.empty((0, dimension), dtype=np.float32)
    return fitted_ranking(
        name,
        Reference(images=nothing, texts=nothing[:, :semantic], visual_weight=visual_weight),
    )


def ranked_parts(
    ranking: Ranking, kinds: list[Kind], parts: Float32[np.ndarray, "P D"], search: Search
) -> Float32[np.ndarray, "P E"]:
    """What each part of a query is searched with."""
    rows = [
        ranking.queries(one[None], kind, search) for one, kind in zip(parts, kinds, strict=True)
    ]
    return np.concatenate(rows)


def ranked_again(
    ranking: Ranking,
    query: Float32[np.ndarray, "E"],
    stored: Float32[np.ndarray, "N E"],
    similarities: Float64[np.ndarray, "N"],
    order: Int64[np.ndarray, "N"],
) -> Float64[np.ndarray, "N"]:
    """The similarities, those of the ranking's candidates scored again.

    Candidates are the first in `order`. The others follow them at the distances that they had.
    """
    best, rest = order[: ranking.candidates], order[ranking.candidates :]
    if not len(best):
        return similarities
    found = Found(stored[best][None], similarities[best].astype(np.float32)[None])
    made = similarities.copy()
    made[best] = ranking.similarities(query[None], found)[0]
    if len(rest):
        made[rest] += min(0.0, made[best].min() - similarities[rest[0]])
    return made
