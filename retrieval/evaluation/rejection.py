"""How well a score tells what a library can answer from what it cannot: pure functions.

Higher means more trusted, everywhere. `known` and `unknown` are the scores of queries that have
an answer in the library and of queries that have none; `confidence` and `correct` are, for known
queries, the score and whether the first hit was right.

Ties are treated as scikit-learn treats them: equal scores are accepted or rejected together.
Where a metric needs an order within them (`aurc`, `hit_of_kept`) it is the mean over all orders.

Shape letters: K known queries, U unknown ones, Q answered queries, L thresholds.
Definitions: docs/evaluation.md.  Reference loops: tests/references/rejection.py
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

_Scores = np.ndarray[Any, np.dtype[np.float64]]


class Roc(NamedTuple):
    """What each threshold accepts, from the strictest (nothing) to the loosest (everything)."""

    false_positive_rate: Float64[np.ndarray, "L"]
    """The share of the unknown queries that is accepted."""
    true_positive_rate: Float64[np.ndarray, "L"]
    """The share of the known queries that is accepted."""


class RiskCoverage(NamedTuple):
    """What each threshold keeps, from the strictest that keeps any to the loosest."""

    coverage: Float64[np.ndarray, "L"]
    """The share of the queries that is kept; the last is 1."""
    risk: Float64[np.ndarray, "L"]
    """The share of wrong ones among those kept."""


def roc(known: Float[np.ndarray, "K"], unknown: Float[np.ndarray, "U"]) -> Roc:
    """The share of known and of unknown queries accepted at every threshold.

    A query is accepted at threshold t where its score is at least t. The first point is (0, 0).
    Raises ValueError where a side is empty or a score is NaN.
    """
    known, unknown = _checked(known, "known"), _checked(unknown, "unknown")
    thresholds = np.unique(np.concatenate([known, unknown]))[::-1]
    rates = [
        np.concatenate([[0.0], _count_at_least(side, thresholds) / len(side)])
        for side in (unknown, known)
    ]
    return Roc(false_positive_rate=rates[0], true_positive_rate=rates[1])


def auroc(known: Float[np.ndarray, "K"], unknown: Float[np.ndarray, "U"]) -> float:
    """How often a known query scores above an unknown one; 1 is perfect, 0.5 is chance.

        AUROC = ( |{k > u}| + |{k = u}| / 2 ) / (K U),   over all pairs (k, u)

    The same as the area under the curve of `roc`. Raises as `roc` does.
    """
    known, unknown = _checked(known, "known"), np.sort(_checked(unknown, "unknown"))
    below = np.searchsorted(unknown, known, side="left")
    at_most = np.searchsorted(unknown, known, side="right")
    return float((below + at_most).sum()) / (2 * len(known) * len(unknown))


def fpr_at_tpr(
    known: Float[np.ndarray, "K"], unknown: Float[np.ndarray, "U"], tpr: float = 0.95
) -> float:
    """The share of unknown queries accepted where at least `tpr` of the known ones are; 0 is best.

    FPR@TPR = |{u >= t}| / U,  t the highest score with |{k >= t}| / K >= tpr

    Raises ValueError for a `tpr` outside (0, 1], and as `roc` does.
    """
    if not 0.0 < tpr <= 1.0:
        raise ValueError(f"tpr must be above 0 and at most 1, not {tpr}")
    known, unknown = _checked(known, "known"), _checked(unknown, "unknown")
    shares = np.arange(1, len(known) + 1) / len(known)
    threshold = np.sort(known)[::-1][np.searchsorted(shares, tpr)]
    return float((unknown >= threshold).mean())


def risk_coverage(
    confidence: Float[np.ndarray, "Q"], correct: Bool[np.ndarray, "Q"]
) -> RiskCoverage:
    """How wrong the kept answers are at every threshold.

    coverage(t) = |{c >= t}| / Q,   risk(t) = |{c >= t, wrong}| / |{c >= t}|

    Raises ValueError where there is no query or a confidence is NaN.
    """
    kept, wrong = _kept_and_wrong(confidence, correct)
    return RiskCoverage(coverage=kept / kept[-1], risk=wrong / kept)


def aurc(confidence: Float[np.ndarray, "Q"], correct: Bool[np.ndarray, "Q"]) -> float:
    """The risk, averaged over all coverages: how often kept answers are wrong. Lower is better.

        AURC = (1/Q) * sum_{n=1}^{Q} (wrong ones among the n most trusted) / n

    (Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017.) It depends on
    how often the answers are wrong as well as on their order, so it compares scores on the same
    answers only. Raises as `risk_coverage` does.
    """
    wrong = _wrong_among_most_trusted(confidence, correct)
    return float((wrong / np.arange(1, len(wrong) + 1)).mean())


def coverage_at_risk(
    confidence: Float[np.ndarray, "Q"], correct: Bool[np.ndarray, "Q"], risk: float = 0.05
) -> float:
    """The largest share of the queries that can be answered with at most `risk` of them wrong.

    max { coverage(t) : risk(t) <= risk };  0 where no threshold is as good as that

    Raises ValueError for a `risk` outside [0, 1], and as `risk_coverage` does.
    """
    if not 0.0 <= risk <= 1.0:
        raise ValueError(f"risk must be from 0 to 1, not {risk}")
    curve = risk_coverage(confidence, correct)
    return float(curve.coverage[curve.risk <= risk].max(initial=0.0))


def hit_of_kept(
    confidence: Float[np.ndarray, "Q"], correct: Bool[np.ndarray, "Q"], kept_share: float
) -> float:
    """How many of the answers are right when only the most trusted share is kept: hit@1 of those.

    hit = 1 - (wrong ones among the n most trusted) / n,  n = kept_share Q, rounded up

    Raises ValueError for a share outside (0, 1], and as `risk_coverage` does.
    """
    if not 0.0 < kept_share <= 1.0:
        raise ValueError(f"kept_share must be above 0 and at most 1, not {kept_share}")
    wrong = _wrong_among_most_trusted(confidence, correct)
    shares = np.arange(1, len(wrong) + 1) / len(wrong)
    n_kept = int(np.searchsorted(shares, kept_share)) + 1
    return 1.0 - float(wrong[n_kept - 1]) / n_kept


def _wrong_among_most_trusted(
    confidence: Float[np.ndarray, "Q"], correct: Bool[np.ndarray, "Q"]
) -> Float64[np.ndarray, "Q"]:
    """How many of the n most trusted are wrong, n = 1 to Q; in a tie, the mean over its orders."""
    kept, wrong = _kept_and_wrong(confidence, correct)
    n = np.arange(1, len(confidence) + 1)
    among: Float64[np.ndarray, "Q"] = np.interp(
        n, np.concatenate([[0.0], kept]), np.concatenate([[0.0], wrong])
    )
    return among


def _kept_and_wrong(
    confidence: Float[np.ndarray, "Q"], correct: Bool[np.ndarray, "Q"]
) -> tuple[Float64[np.ndarray, "L"], Float64[np.ndarray, "L"]]:
    """How many are kept, and how many of those are wrong, at every distinct confidence."""
    values = _checked(confidence, "answered")
    distinct, place = np.unique(-values, return_inverse=True)
    kept = np.bincount(place, minlength=len(distinct)).cumsum().astype(np.float64)
    wrong = np.bincount(place, weights=~correct, minlength=len(distinct)).cumsum()
    return kept, wrong


def _count_at_least(scores: _Scores, thresholds: _Scores) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How many scores are at least each threshold."""
    below = np.searchsorted(np.sort(scores), thresholds, side="left")
    counts: np.ndarray[Any, np.dtype[np.int64]] = len(scores) - below
    return counts


def _checked(scores: Float[np.ndarray, "_"], which: str) -> _Scores:
    """The scores as float64; refuses none of them, and NaN, which has no place in an order."""
    if not len(scores):
        raise ValueError(f"no scores of {which} queries: at least one is needed")
    if np.isnan(scores).any():
        raise ValueError(f"a score of the {which} queries is NaN: leave such queries out")
    return scores.astype(np.float64)
