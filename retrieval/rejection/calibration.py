"""Split-conformal calibration: a threshold with a promise, from queries that no fit has seen."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float64

_Scores = np.ndarray[Any, np.dtype[Any]]
CALIBRATING_SHARE = 0.2
"""The least share of the known queries that only calibrates; the others teach."""


class CalibrationError(ValueError):
    """There is nothing to calibrate with, or nothing that calibrating could promise."""


def require_rate(false_reject: float) -> None:
    """Raises CalibrationError unless alpha, the rate asked for, lies inside (0, 1)."""
    if not 0.0 < false_reject < 1.0:
        raise CalibrationError(
            f"the false-reject rate must be above 0 and below 1, not {false_reject:g}"
        )


def least_calibrating(false_reject: float) -> int:
    """The fewest calibrating queries with which a threshold can keep its promise: 1/alpha - 1.

    With fewer, floor(alpha (n + 1)) = 0 and no threshold refuses anything.
    """
    require_rate(false_reject)
    return math.ceil(1.0 / false_reject - 1e-9) - 1


def require_enough(n_queries: int, false_reject: float, what: str = "images") -> None:
    """Raises CalibrationError where a fifth of `n_queries` cannot calibrate for this rate."""
    needed = math.ceil((least_calibrating(false_reject) + 1) / CALIBRATING_SHARE)
    if n_queries < needed:
        raise CalibrationError(
            f"too few {what} to calibrate: n = {n_queries}, at least {needed} needed for"
            f" α = {false_reject:g}"
        )


def conformal_threshold(scores: _Scores, false_reject: float) -> float:
    r"""The score below which a query is refused, so that at most alpha of good ones are.

    t = s_(k), the k-th smallest of n scores,   k = floor(alpha (n + 1));   refuse where s < t

    For a query exchangeable with the calibrating ones, P(s < t) <= k / (n + 1) <= alpha, whatever
    the distribution (Vovk, Gammerman and Shafer 2005, section 2.2). Higher scores are more known.
    Raises CalibrationError for alpha outside (0, 1), for k = 0, and for scores that are no numbers.
    """
    require_rate(false_reject)
    _require_numbers(scores)
    rank = math.floor(false_reject * (len(scores) + 1) + 1e-9)
    if rank < 1:
        raise CalibrationError(
            f"too few queries to calibrate: n = {len(scores)}, at least"
            f" {least_calibrating(false_reject)} needed for α = {false_reject:g}"
        )
    return float(np.sort(scores)[rank - 1])


def conformal_trust(scores: _Scores, calibrating: _Scores) -> Float64[np.ndarray, "Q"]:
    r"""How usual each score is among good queries: p = (1 + |{c <= s}|) / (n + 1), at most 1.

    Refusing where p <= alpha (n + 1) // 1 / (n + 1) is refusing below `conformal_threshold`;
    between two calibrating scores p is level, so p ranks no finer than n does.
    """
    _require_numbers(calibrating)
    # Counting is quicker than sorting, and mostly there is one query.
    below = np.array([np.count_nonzero(calibrating <= score) for score in scores], dtype=np.int64)
    trust: Float64[np.ndarray, "Q"] = np.minimum(1.0, (1.0 + below) / (len(calibrating) + 1))
    return trust


def rate_deviation(false_reject: float, n_calibrating: int) -> float:
    """Standard deviation of the rate that a threshold of n queries keeps: Beta(k, n + 1 - k)'s.

    The promise is kept on average over calibrations; one calibration differs by about so much.
    """
    rank = max(1, math.floor(false_reject * (n_calibrating + 1) + 1e-9))
    a, b = rank, n_calibrating + 1 - rank
    return math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))


def _require_numbers(scores: _Scores) -> None:
    if len(scores) == 0:
        raise CalibrationError("there is no query to calibrate with")
    if not np.isfinite(scores).all():
        raise CalibrationError("a calibrating query's score is no finite number")
