"""Plain loops for spectrum.prism, over Python floats, written from the paper's section 2."""

import math
from collections.abc import Callable, Sequence

from tests.references.contrast import Vector, divergence, dot, softmax
from tests.references.harmony import Matrix, squared_distance


def semantic_descriptions(
    images: Sequence[object], captioner: Callable[[object], str]
) -> list[str]:
    """2.1a: each image by itself, described."""
    return [captioner(image) for image in images]


def embeddings(items: Sequence[object], encoder: Callable[[object], Vector]) -> list[Vector]:
    """2.1b and 2.1c: each text or image by itself, encoded."""
    return [encoder(item) for item in items]


def prompt_embeddings(
    visual: Matrix, textual: Matrix, network: Callable[[Vector], Vector]
) -> list[list[float]]:
    """2.1d: the network of each image's vector with its description's behind it."""
    return [list(network([*image, *text])) for image, text in zip(visual, textual, strict=True)]


def attention(queries: Matrix, keys: Matrix) -> list[list[float]]:
    """2.2a and 2.2b: each row the softmax of Q_i . K_j / sqrt(d) over j."""
    rows = []
    for query in queries:
        rows.append(softmax([dot(query, key) / math.sqrt(len(query)) for key in keys]))
    return rows


def alignment_loss(first: Matrix, second: Matrix, weight: float) -> float:
    """2.2c: the squared norm of the difference, and the weighted divergence, row by row."""
    distance = sum(squared_distance(a, b) for a, b in zip(first, second, strict=True))
    divergences = sum(divergence(a, b) for a, b in zip(first, second, strict=True))
    return distance + weight * divergences


def semantic_similarity(prompts: Matrix) -> list[list[float]]:
    """2.3a: the cosine of each two prompts."""
    rows = []
    for first in prompts:
        row = []
        for second in prompts:
            lengths = math.sqrt(dot(first, first)) * math.sqrt(dot(second, second))
            row.append(dot(first, second) / lengths)
        rows.append(row)
    return rows


def base_weights(features: Matrix, temperature: float) -> list[list[float]]:
    """W^base of 2.3b, as it is read: the softmax of products over a temperature."""
    return [softmax([dot(row, other) / temperature for other in features]) for row in features]


def semantic_weights(base: Matrix, similarity: Matrix, gamma: float) -> list[list[float]]:
    """2.3b: each weight times one plus gamma times the similarity."""
    rows = []
    for weights, likenesses in zip(base, similarity, strict=True):
        rows.append([w * (1 + gamma * s) for w, s in zip(weights, likenesses, strict=True)])
    return rows


def intended_features(
    features: Matrix, intent: Matrix, delta: float, network: Callable[[Vector], Vector]
) -> list[list[float]]:
    """2.3c: each vector, moved by delta times what the network makes of it and the intent."""
    moved = []
    for vector, wish in zip(features, intent, strict=True):
        step = network([*vector, *wish])
        moved.append([value + delta * change for value, change in zip(vector, step, strict=True)])
    return moved
