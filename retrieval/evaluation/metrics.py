"""A ranking is summarised by the ranks of its relevant items; a metric is a function of those.

Ranks are 1-based and ascending: `[1, 3]` says that the first and the third item are relevant.
`n_relevant` counts every relevant item, so it exceeds `len(ranks)` where some were never ranked:
such an item counts as not found. A query with nothing relevant has no recall, precision or rank;
the functions refuse it, and `blocks.py` counts it apart.

Definitions: docs/evaluation.md.  Reference loops: tests/references/metrics.py
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int64


class Ranking(NamedTuple):
    """What one query's ranking has to say to every metric."""

    ranks: Int[np.ndarray, "R"]
    """1-based ranks of the relevant items that were ranked, ascending."""
    n_relevant: int
    """How many items are relevant, ranked or not."""
    gains: Float64[np.ndarray, "R"] | None = None
    """What each of the ranked ones is worth; None: 1 each."""
    ideal_gains: Float64[np.ndarray, "_"] | None = None
    """What all relevant items are worth, descending; None: 1 each."""


def positive_ranks(
    scores: Float32[np.ndarray, "Q N"], relevant: Bool[np.ndarray, "Q N"]
) -> list[Int64[np.ndarray, "_"]]:
    """The 1-based ranks of each query's relevant items, ascending.

    The order is by descending score, ties by ascending item index, which is the rule of search
    (score, image id). Only the order counts, so negative scores are nothing special.

    Sorts every row: give it a block of queries at a time, as `directions.py` does.
    Raises ValueError where a score is NaN, which has no place in an order.
    """
    return relevant_ranks(item_order(scores), relevant)


def item_order(scores: Float32[np.ndarray, "Q N"]) -> Int64[np.ndarray, "Q N"]:
    """Each query's items, best first; the lower index first among equals. Raises as above."""
    if np.isnan(scores).any():
        raise ValueError("a score is NaN: leave out the vectors that are not finite numbers")
    return np.argsort(-scores, axis=1, kind="stable").astype(np.int64, copy=False)


def relevant_ranks(
    order: Int64[np.ndarray, "Q N"], relevant: Bool[np.ndarray, "Q N"]
) -> list[Int64[np.ndarray, "_"]]:
    """The 1-based places in each query's order where a relevant item stands, ascending."""
    query_index, position = np.nonzero(np.take_along_axis(relevant, order, axis=1))
    ends = np.cumsum(np.bincount(query_index, minlength=len(order)))
    return np.split(position + 1, ends)[: len(order)]


def hit(ranks: Int[np.ndarray, "R"], k: int) -> float:
    """1 if any relevant item is in the top k, else 0: what CLIP papers call recall@k.

    hit@k = [min_i r_i <= k]
    """
    return float((ranks <= k).any())


def recall(ranks: Int[np.ndarray, "R"], n_relevant: int, k: int) -> float:
    """The fraction of the relevant items that is in the top k; at most k / n_relevant.

    recall@k = |{i : r_i <= k}| / n
    """
    _require_answer(ranks, n_relevant)
    return float((ranks <= k).sum()) / n_relevant


def precision(ranks: Int[np.ndarray, "R"], k: int) -> float:
    """The fraction of the top k that is relevant.

    precision@k = |{i : r_i <= k}| / k,  also where fewer than k items exist or are relevant.
    """
    return float((ranks <= k).sum()) / k


def reciprocal_rank(ranks: Int[np.ndarray, "R"]) -> float:
    """One over the rank of the first relevant item; 0 if none was ranked. Its mean is the MRR.

    RR = 1 / r_1
    """
    return 1.0 / float(ranks[0]) if len(ranks) else 0.0


def average_precision(ranks: Int[np.ndarray, "R"], n_relevant: int) -> float:
    """The precision at each relevant item, averaged over all relevant items. Its mean is the mAP.

    AP = (1/n) * sum_i i / r_i,  over the whole ranking; an item never ranked adds 0.

    This is the definition of TREC and scikit-learn, a sum of rectangles. The trapezoid of
    Oxford/Paris (revisitop) is another number: ranks [1, 3] of two give 5/6 here, 19/24 there.
    """
    _require_answer(ranks, n_relevant)
    found = np.arange(1, len(ranks) + 1)
    return float((found / ranks).sum()) / n_relevant


def ndcg(
    ranks: Int[np.ndarray, "R"],
    n_relevant: int,
    k: int,
    *,
    gains: Float64[np.ndarray, "R"] | None = None,
    ideal_gains: Float64[np.ndarray, "_"] | None = None,
) -> float:
    """The discounted gain of the top k, as a fraction of the best possible.

        nDCG@k = sum_{i : r_i <= k} g_i/log2(1 + r_i)  /  sum_{j=1}^{min(n, k)} h_j/log2(1 + j)

        definition   here          meaning
        g_i          gains         what the item at rank r_i is worth; 1 unless graded
        h_j          ideal_gains   the worth of all relevant items, descending; 1 unless graded

    Gains are linear, as in trec_eval; some other tools take 2^g - 1.
    """
    _require_answer(ranks, n_relevant)
    worth = np.ones(len(ranks)) if gains is None else gains
    best = np.ones(n_relevant) if ideal_gains is None else ideal_gains
    in_top = ranks <= k
    gain = (worth[in_top] / np.log2(1.0 + ranks[in_top])).sum()
    ideal = (best[:k] / np.log2(1.0 + np.arange(1, len(best[:k]) + 1))).sum()
    return float(gain / ideal)


def _require_answer(ranks: Int[np.ndarray, "R"], n_relevant: int) -> None:
    """Refuses a query without relevant items, and one with more of them ranked than exist."""
    if n_relevant < max(1, len(ranks)):
        raise ValueError(
            f"n_relevant must be at least 1 and cover all {len(ranks)} ranks; got {n_relevant}"
        )
