"""An image query among its neighbours: the query's side of refinement, without torch."""

import math

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.query import ImagePart, Query
from retrieval.ranking.composition import image_query
from retrieval.ranking.protocol import Search

NEIGHBOURS = 16
"""K, as many as a stored image is refined over."""

REFINED_VISUAL_WEIGHT = 0.99
"""omega of the query that is made: refined visual blocks are means over what looks alike, semantic
ones are not, and would only add noise."""

TEMPERATURE = 1 / 3
"""tau; CASTLE's own at its start."""


def neighbourhood_parts(
    query: Query,
    parts: Float32[np.ndarray, "P E"],
    search: Search,
    *,
    semantic: int,
    visual_weight: float,
) -> Float32[np.ndarray, "P E"]:
    """The parts [q; 0] of images refined as stored images are: over what they are nearest to."""
    moved = parts.copy()
    for row, part in enumerate(query.parts):
        if isinstance(part, ImagePart):
            found = search(parts[row : row + 1], NEIGHBOURS).vectors[0, :, :-1]
            moved[row, :-1] = neighbourhood_query(parts[row, :-1], found, semantic, visual_weight)
    return moved


def neighbourhood_query(
    query: Float32[np.ndarray, "D"],
    neighbours: Float32[np.ndarray, "K D"],
    semantic: int,
    visual_weight: float,
    temperature: float = TEMPERATURE,
) -> Float32[np.ndarray, "D"]:
    r"""An image query moved to the attention-weighted mean of itself and what it finds.

        l_j = exp( L(q, F_j) / tau ),   L(a, b) = (1 - omega) a_s . b_s + omega a_v . b_v
        q'  = l_0 q + sum_j l_j F_j,    L(q, q) = 1,   each block of unit length again

        here            shape    meaning
        query           D        [sqrt(1 - omega) s; sqrt(omega) v] at any length
        neighbours      K D      F_j = [s_j; v_j], refined, each block of unit length
        semantic                 S, width of the semantic block
        visual_weight            omega in [0, 1]
        temperature              tau > 0

    The rule that stored vectors are refined by, with CASTLE's maps (1.1a) at their start: both
    sides of a comparison are then means over their neighbourhoods. The blocks then weigh
    `REFINED_VISUAL_WEIGHT`. Without neighbours, or in a
    block that the query does not have, the query as it is.
    """
    if not len(neighbours):
        return query
    blocks = [slice(0, semantic), slice(semantic, None)]
    lengths = [float(np.linalg.norm(query[block])) for block in blocks]
    units = [query[block] / length if length else query[block]
             for block, length in zip(blocks, lengths, strict=True)]  # fmt: skip
    shares = (1.0 - visual_weight, visual_weight)
    likeness: Float64[np.ndarray, "K"] = np.zeros(len(neighbours))
    for block, unit, share in zip(blocks, units, shares, strict=True):
        likeness += share * (neighbours[:, block].astype(np.float64) @ unit.astype(np.float64))
    logits = np.concatenate([[1.0], likeness]) / temperature
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    moved = [
        weights[0] * unit + weights[1:] @ neighbours[:, block]
        for block, unit in zip(blocks, units, strict=True)
    ]
    made = [each / norm if (norm := math.sqrt(float(each @ each))) else each for each in moved]
    weight = max(visual_weight, REFINED_VISUAL_WEIGHT) if visual_weight else 0.0
    return image_query(made[0].astype(np.float32), made[1].astype(np.float32), weight)
