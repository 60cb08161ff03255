"""Plain loops for `retrieval/ranking/composition.py`, written from its formulas."""

import math


def similarity_moments_loop(
    queries: list[list[float]], sample: list[list[float]]
) -> tuple[list[float], list[float]]:
    means, spreads = [], []
    for query in queries:
        similarities = []
        for stored in sample:
            similarities.append(sum(q * s for q, s in zip(query, stored, strict=True)))
        mean = sum(similarities) / len(similarities)
        variance = sum((s - mean) ** 2 for s in similarities) / len(similarities)
        means.append(mean)
        spreads.append(math.sqrt(variance))
    return means, spreads


def composed_similarity_loop(
    queries: list[list[float]],
    weights: list[float],
    means: list[float],
    spreads: list[float],
    stored: list[float],
) -> float:
    """The weighted mean of the parts' standard scores for one picture."""
    total = 0.0
    for query, weight, mean, spread in zip(queries, weights, means, spreads, strict=True):
        similarity = sum(q * s for q, s in zip(query, stored, strict=True))
        total += weight * (similarity - mean) / spread
    return total / sum(abs(weight) for weight in weights)
