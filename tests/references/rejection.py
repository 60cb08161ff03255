"""Rejection metrics as plain loops over Python numbers, written from docs/evaluation.md."""

import itertools
import math
from collections.abc import Sequence


def auroc(known: Sequence[float], unknown: Sequence[float]) -> float:
    """Compares every known query with every unknown one; a tie is half a win."""
    wins = 0.0
    for k in known:
        for u in unknown:
            if k > u:
                wins += 1.0
            elif k == u:
                wins += 0.5
    return wins / (len(known) * len(unknown))


def fpr_at_tpr(known: Sequence[float], unknown: Sequence[float], tpr: float) -> float:
    """Lowers the threshold until enough known queries are accepted."""
    for threshold in sorted(known, reverse=True):
        if sum(k >= threshold for k in known) / len(known) >= tpr:
            return sum(u >= threshold for u in unknown) / len(unknown)
    raise AssertionError("the lowest threshold accepts everything")


def _all_orders(confidence: Sequence[float], correct: Sequence[bool]) -> list[tuple[int, ...]]:
    """Every order by falling confidence: several where there are ties."""
    return [
        order
        for order in itertools.permutations(range(len(correct)))
        if all(confidence[a] >= confidence[b] for a, b in zip(order, order[1:], strict=False))
    ]


def aurc(confidence: Sequence[float], correct: Sequence[bool]) -> float:
    """The risk at each coverage, averaged; then averaged over all orders of the ties."""
    totals = []
    for order in _all_orders(confidence, correct):
        wrong, total = 0, 0.0
        for n, query in enumerate(order, start=1):
            wrong += not correct[query]
            total += wrong / n
        totals.append(total / len(order))
    return sum(totals) / len(totals)


def hit_of_kept(confidence: Sequence[float], correct: Sequence[bool], kept_share: float) -> float:
    """Right ones among the first n, averaged over all orders of the ties."""
    n = next(n for n in itertools.count(1) if n / len(correct) >= kept_share)
    orders = _all_orders(confidence, correct)
    return sum(sum(correct[q] for q in order[:n]) / n for order in orders) / len(orders)


def coverage_at_risk(confidence: Sequence[float], correct: Sequence[bool], risk: float) -> float:
    """Tries every threshold, and rejecting everything."""
    best = 0.0
    for threshold in [*confidence, math.inf]:
        kept = [right for c, right in zip(confidence, correct, strict=True) if c >= threshold]
        if kept and kept.count(False) / len(kept) <= risk:
            best = max(best, len(kept) / len(correct))
    return best
