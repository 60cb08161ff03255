"""Plain loops for spectrum.castle: one neighbourhood, real members only, from section 1."""

import math
from collections.abc import Callable, Sequence

from tests.references.contrast import Vector, dot, softmax
from tests.references.harmony import Matrix, squared_distance


def causal_mask(
    features: Matrix, sources: Matrix, network: Callable[[Vector], float]
) -> list[list[float]]:
    """1.1b: the sigmoid of f_theta of the absolute difference of each two."""
    mask = []
    for first in features:
        row = []
        for second in sources:
            apart = [abs(a - b) for a, b in zip(first, second, strict=True)]
            row.append(1 / (1 + math.exp(-network(apart))))
        mask.append(row)
    return mask


def causal_attention(queries: Matrix, keys: Matrix, mask: Matrix) -> list[list[float]]:
    """1.1a: the softmax over j of (Q_i . K_j / sqrt(d)) M_ij."""
    attention = []
    for query, row in zip(queries, mask, strict=True):
        logits = []
        for key, value in zip(keys, row, strict=True):
            logits.append(dot(query, key) / math.sqrt(len(query)) * value)
        attention.append(softmax(logits))
    return attention


def edge_weights(attention: Matrix, threshold: float) -> list[list[float]]:
    """1.2a: what attention exceeds the threshold by."""
    return [[max(0.0, value - threshold) for value in row] for row in attention]


def next_level(attention: Matrix, weights: Matrix, alpha: float) -> list[list[float]]:
    """1.2b: a share of C_ij, and the rest from the neighbours k of i, each by its part."""
    made = []
    for i in range(len(attention)):
        neighbours = [k for k in range(len(attention)) if weights[i][k] > 0]
        if not neighbours:
            made.append(list(attention[i]))
            continue
        total = sum(weights[i][k] for k in neighbours)
        row = []
        for j in range(len(attention)):
            passed_on = 0.0
            for k in neighbours:
                passed_on += weights[i][k] * attention[k][j] / total
            row.append(alpha * attention[i][j] + (1 - alpha) * passed_on)
        made.append(row)
    return made


def attended(attention: Matrix, values: Matrix) -> list[list[float]]:
    """The values, summed by each row's weights."""
    outputs = []
    for weights in attention:
        output = [0.0] * len(values[0])
        for weight, value in zip(weights, values, strict=True):
            for d, component in enumerate(value):
                output[d] += weight * component
        outputs.append(output)
    return outputs


def intervention_effects(
    features: Matrix, replacements: Matrix, outputs: Callable[[Matrix], Matrix]
) -> list[list[float]]:
    """1.3a by its definition: everything is run again for each image that is replaced."""
    before = outputs(features)
    effects = []
    for i, replacement in enumerate(replacements):
        altered = list(features)
        altered[i] = replacement
        after = outputs(altered)
        effects.append([squared_distance(a, b) for a, b in zip(after, before, strict=True)])
    return effects


def counterfactual_attention(effects: Matrix, beta: float) -> list[list[float]]:
    """1.3b: row j is the softmax over i of Delta_ij / beta."""
    attention = []
    for j in range(len(effects)):
        attention.append(softmax([effects[i][j] / beta for i in range(len(effects))]))
    return attention


def mixed_attention(standard: Matrix, counterfactual: Matrix, share: float) -> list[list[float]]:
    """1.3c: lambda times the one and 1 - lambda times the other."""
    mixed = []
    for first, second in zip(standard, counterfactual, strict=True):
        mixed.append([share * a + (1 - share) * b for a, b in zip(first, second, strict=True)])
    return mixed


def mean(vectors: Sequence[Vector]) -> list[float]:
    """What `ablate` puts in the place of an image."""
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]
