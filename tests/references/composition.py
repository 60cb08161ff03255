"""Plain loops for `retrieval/ranking/composition.py`, written from its formulas."""

import math


def similarity_spread_loop(queries: list[list[float]], sample: list[list[float]]) -> list[float]:
    spreads = []
    for query in queries:
        similarities = []
        for stored in sample:
            similarities.append(sum(q * s for q, s in zip(query, stored, strict=True)))
        mean = sum(similarities) / len(similarities)
        variance = sum((s - mean) ** 2 for s in similarities) / len(similarities)
        spreads.append(math.sqrt(variance))
    return spreads


def composed_query_loop(
    queries: list[list[float]], weights: list[float], spread: list[float]
) -> list[float]:
    composed = [0.0] * len(queries[0])
    for query, weight, sigma in zip(queries, weights, spread, strict=True):
        for d, value in enumerate(query):
            composed[d] += weight * value / sigma
    return composed
