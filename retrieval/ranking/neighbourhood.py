"""The query's side of refinement, without torch: what words look like, images among their kind."""

import numpy as np
from jaxtyping import Float32

from indexer.banks import HUBNESSES
from retrieval.query import ImagePart, Query
from retrieval.ranking.hubness import spared_queries
from retrieval.ranking.protocol import Found, Search
from retrieval.ranking.query_expansion import NEIGHBOURS, expanded_queries
from spectrum.stack.lexicon import Lexicon, text_questions


def asked_parts(
    query: Query, parts: Float32[np.ndarray, "P D"], lexicon: Lexicon | None, *, semantic: int
) -> Float32[np.ndarray, "P E"]:
    """[q; 0] of images, and of words what they ask with, which is more than their vector.

    E = D + 2. Only words are what a picture may be a hub of.
    """
    rows = []
    for vector, part in zip(parts, query.parts, strict=True):
        if isinstance(part, ImagePart):
            rows.append(spared_queries(vector[None], HUBNESSES))
        else:
            sentence = vector[None, :semantic]
            rows.append(text_questions(lexicon, [part.text], sentence, len(vector)))
    return np.concatenate(rows)


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
            found = search(asked, NEIGHBOURS)
            moved[row, :-HUBNESSES] = among(asked[:, :-HUBNESSES], found, semantic)[0]
    return moved


def among(
    queries: Float32[np.ndarray, "Q D"], found: Found, semantic: int
) -> Float32[np.ndarray, "Q D"]:
    """Image queries expanded by indexed rows [F; -h], whose hubness says nothing of images."""
    rows = Found(found.vectors[..., : queries.shape[1]], found.similarities)
    return expanded_queries(queries, rows, semantic=semantic)
