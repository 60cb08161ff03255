"""Ranking metrics as plain loops over Python numbers, written from docs/evaluation.md."""

import math
from collections.abc import Sequence


def item_order(scores: Sequence[float]) -> list[int]:
    """Takes the best remaining item, the first of equals, until none is left."""
    remaining = list(range(len(scores)))
    order = []
    while remaining:
        best = remaining[0]
        for item in remaining:
            if scores[item] > scores[best]:
                best = item
        order.append(best)
        remaining.remove(best)
    return order


def relevance_down_the_ranking(scores: Sequence[float], relevant: Sequence[bool]) -> list[bool]:
    """Whether the first, second, ... item of the ranking is relevant."""
    return [bool(relevant[item]) for item in item_order(scores)]


def ranks_of(ranking: Sequence[bool]) -> list[int]:
    """The 1-based places that are relevant."""
    ranks = []
    for position, is_relevant in enumerate(ranking):
        if is_relevant:
            ranks.append(position + 1)
    return ranks


def hit(ranking: Sequence[bool], k: int) -> float:
    """1 if one of the first k is relevant."""
    return 1.0 if any(ranking[:k]) else 0.0


def recall(ranking: Sequence[bool], n_relevant: int, k: int) -> float:
    """Found in the first k, of all that are relevant."""
    return sum(ranking[:k]) / n_relevant


def precision(ranking: Sequence[bool], k: int) -> float:
    """Relevant in the first k, of k."""
    return sum(ranking[:k]) / k


def reciprocal_rank(ranking: Sequence[bool]) -> float:
    """Walks down to the first relevant item."""
    for position, is_relevant in enumerate(ranking):
        if is_relevant:
            return 1.0 / (position + 1)
    return 0.0


def average_precision(ranking: Sequence[bool], n_relevant: int) -> float:
    """Walks down the ranking; at each relevant item, adds the precision so far."""
    found, total = 0, 0.0
    for position, is_relevant in enumerate(ranking):
        if is_relevant:
            found += 1
            total += found / (position + 1)
    return total / n_relevant


def area_under_precision_recall(ranking: Sequence[bool], n_relevant: int) -> float:
    """The other definition of average precision: a rectangle for every step of recall."""
    area, recall_before = 0.0, 0.0
    for k in range(1, len(ranking) + 1):
        recall_now = recall(ranking, n_relevant, k)
        area += (recall_now - recall_before) * precision(ranking, k)
        recall_before = recall_now
    return area


def trapezoid_average_precision(ranking: Sequence[bool], n_relevant: int) -> float:
    """What Oxford/Paris evaluations compute, and this project does not."""
    area, recall_before, precision_before = 0.0, 0.0, 1.0
    for k in range(1, len(ranking) + 1):
        recall_now, precision_now = recall(ranking, n_relevant, k), precision(ranking, k)
        area += (recall_now - recall_before) * (precision_before + precision_now) / 2
        recall_before, precision_before = recall_now, precision_now
    return area


def ndcg(ranking: Sequence[bool], n_relevant: int, k: int) -> float:
    """Discounted gain of the first k, over that of a ranking with every relevant item first."""
    gain, best = 0.0, 0.0
    for position in range(k):
        if position < len(ranking) and ranking[position]:
            gain += 1.0 / math.log2(position + 2)
        if position < n_relevant:
            best += 1.0 / math.log2(position + 2)
    return gain / best


def inner_product(left: Sequence[float], right: Sequence[float]) -> float:
    """Sum of the products."""
    total = 0.0
    for a, b in zip(left, right, strict=True):
        total += a * b
    return total


def rankings_by_label(
    queries: Sequence[Sequence[float]],
    database: Sequence[Sequence[float]],
    query_labels: Sequence[int],
    database_labels: Sequence[int],
) -> list[list[bool]]:
    """One ranking per query; an item is relevant where its label is the query's."""
    rankings = []
    for query, label in zip(queries, query_labels, strict=True):
        scores = [inner_product(query, item) for item in database]
        relevant = [item_label == label for item_label in database_labels]
        rankings.append(relevance_down_the_ranking(scores, relevant))
    return rankings
