"""How the parts of a query become one vector to search with.

A stored vector is F = [s; v]: the semantic and the visual block, each of unit length. Every
similarity here is an inner product with F, so a query of several parts is still one vector.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64


def text_query(semantic_unit: Float32[np.ndarray, "S"], visual: int) -> Float32[np.ndarray, "D"]:
    """The query [t; 0]: a text knows nothing of the `visual` dimensions of the visual block.

    The similarity with F is the cosine of text and image. Source: SPECTRUM, reading 4.
    """
    return np.concatenate([semantic_unit, np.zeros(visual, dtype=np.float32)])


def image_query(
    semantic_unit: Float32[np.ndarray, "S"],
    visual_unit: Float32[np.ndarray, "V"],
    visual_weight: float,
) -> Float32[np.ndarray, "D"]:
    r"""The query [sqrt(1 - omega) s; sqrt(omega) v] / (sqrt(1 - omega) + sqrt(omega)).

        source   here            shape
        s        semantic_unit   S
        v        visual_unit     V
        omega    visual_weight   in [0, 1]

    Source: SPECTRUM, reading 4. Departure: the division, which changes no ranking and makes the
    similarity of an image with itself 1.
    """
    semantic, visual = math.sqrt(1 - visual_weight), math.sqrt(visual_weight)
    total = semantic + visual
    blocks = [semantic / total * semantic_unit, visual / total * visual_unit]
    return np.concatenate(blocks).astype(np.float32)


class Moments(NamedTuple):
    """How each part's similarities lie over the collection."""

    mean: Float64[np.ndarray, "P"]
    spread: Float64[np.ndarray, "P"]
    """Standard deviation; 1 where it cannot be told: fewer than two pictures, or all alike."""


def similarity_moments(
    queries: Float32[np.ndarray, "P D"], sample: Float32[np.ndarray, "N D"]
) -> Moments:
    """Mean and standard deviation of each part's similarities over a sample of the collection."""
    if len(sample) < 2:
        return Moments(np.zeros(len(queries)), np.ones(len(queries)))
    # In single precision: doubling thousands of rows would take longer than all the rest. One by
    # one: a matrix product would first copy the sample, which takes five times as long.
    similarities = np.stack([sample @ query for query in queries]).astype(np.float64)
    spread = similarities.std(axis=1)
    return Moments(similarities.mean(axis=1), np.where(spread > 1e-9, spread, 1.0))


def composed_query(
    queries: Float32[np.ndarray, "P D"], weights: Float64[np.ndarray, "P"], moments: Moments
) -> Float32[np.ndarray, "D"]:
    r"""q = sum_p w_p q_p / sigma_p / sum_p |w_p|: parts that weigh what their weights say.

        here             shape   meaning
        queries          P D     q_p, one vector per part
        weights          P       w_p, negative for what is unwanted
        moments.spread   P       sigma_p, standard deviation of the part's similarities

    Similarities between images spread several times wider than those between a text and images
    (the modality gap), so without sigma an image part would drown the words beside it.
    """
    shares = weights / moments.spread / np.abs(weights).sum()
    composed: Float64[np.ndarray, "D"] = shares @ queries.astype(np.float64)
    return composed.astype(np.float32)


def composed_level(weights: Float64[np.ndarray, "P"], moments: Moments) -> float:
    """m = sum_p w_p mu_p / sigma_p / sum_p |w_p|: what an average picture scores with q.

    q . F - m is then the weighted mean of the parts' standard scores: 0 for an average picture.
    """
    return float((weights * moments.mean / moments.spread).sum() / np.abs(weights).sum())
