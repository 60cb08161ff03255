"""How the parts of a query become one vector to search with.

A stored vector is F = [s; v]: the semantic and the visual block, each of unit length. Every
similarity here is an inner product with F, so a query of several parts is still one vector.
"""

import math

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


def similarity_spread(
    queries: Float32[np.ndarray, "P D"], sample: Float32[np.ndarray, "N D"]
) -> Float64[np.ndarray, "P"]:
    """The standard deviation of each part's similarities over a sample of the collection.

    1 where it cannot be told: fewer than two samples, or all alike.
    """
    if len(sample) < 2:
        return np.ones(len(queries))
    spread = (queries.astype(np.float64) @ sample.T.astype(np.float64)).std(axis=1)
    known: Float64[np.ndarray, "P"] = np.where(spread > 1e-9, spread, 1.0)
    return known


def composed_query(
    queries: Float32[np.ndarray, "P D"],
    weights: Float64[np.ndarray, "P"],
    spread: Float64[np.ndarray, "P"],
) -> Float32[np.ndarray, "D"]:
    r"""q = sum_p w_p q_p / sigma_p: parts that weigh what their weights say.

        here      shape   meaning
        queries   P D     q_p, one vector per part
        weights   P       w_p, negative for what is unwanted
        spread    P       sigma_p, standard deviation of the part's similarities

    Similarities between images spread several times wider than those between a text and images
    (the modality gap), so without sigma an image part would drown the words beside it.
    """
    composed: Float64[np.ndarray, "D"] = (weights / spread) @ queries.astype(np.float64)
    return composed.astype(np.float32)
