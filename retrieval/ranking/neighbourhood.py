"""Image parts of a query among their neighbours: the query's side of refinement, without torch."""

import numpy as np
from jaxtyping import Float32

from retrieval.query import ImagePart, Query
from retrieval.ranking.protocol import Found, Search
from retrieval.ranking.query_expansion import NEIGHBOURS, expanded_queries


def neighbourhood_parts(
    query: Query, parts: Float32[np.ndarray, "P E"], search: Search, *, semantic: int
) -> Float32[np.ndarray, "P E"]:
    """The parts [q; 0] of images expanded by what they find; words stay as they are.

    Stored vectors are means over their neighbourhoods, and so is then what is compared with them.
    Of the ways to expand that were measured (docs/ranking.md) alpha query expansion finds most.
    """
    moved = parts.copy()
    for row, part in enumerate(query.parts):
        if isinstance(part, ImagePart):
            asked = parts[row : row + 1]
            moved[row, :-1] = among(asked[:, :-1], search(asked, NEIGHBOURS), semantic)[0]
    return moved


def among(
    queries: Float32[np.ndarray, "Q D"], found: Found, semantic: int
) -> Float32[np.ndarray, "Q D"]:
    """Image queries expanded by indexed rows [F; -h], whose hubness says nothing of images."""
    rows = Found(found.vectors[..., :-1], found.similarities)
    return expanded_queries(queries, rows, semantic=semantic)
