"""How well scores part known from unknown, with intervals, and beside another detector's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

RESAMPLES = 2000
RESAMPLED_AT_ONCE = 250
KNOWN_KEPT = 0.95
"""TPR, the share of known queries that the threshold of FPR@95TPR accepts."""


class Estimate(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a detector says of all queries, one row for each seed; higher is more known."""

    known: Float[np.ndarray, "S K"]
    unknown: dict[str, Float[np.ndarray, "S U"]]
    """By the name of the set."""

    def __post_init__(self) -> None:
        for name, scores in {"known": self.known, **self.unknown}.items():
            if not np.isfinite(scores).all():
                raise ValueError(f"{name}: expected finite scores, got NaN or infinity")


class Separation(NamedTuple):
    """How well one detector parts known from unknown; all in [0, 1]."""

    area: Estimate
    """AUROC."""
    false_accepts: Estimate
    """FPR@95TPR."""
    gain: Estimate | None
    """AUROC beyond that of the detector compared with, in the same resamples."""


def separation(scores: Scores, sets: Sequence[str], against: Scores | None = None) -> Separation:
    """Means over seeds and over the unknown sets named, and their intervals.

    Known and unknown queries are resampled, seeds are not: the interval is of the queries.
    """
    won = [wins(scores.known, scores.unknown[name]) for name in sets]
    sizes = [scores.known.shape[1], *(scores.unknown[name].shape[1] for name in sets)]

    def accepted(known_rows: np.ndarray, *rows: np.ndarray) -> np.ndarray:
        each = [
            accepted_shares(scores.known, scores.unknown[name], known_rows, of_set)
            for name, of_set in zip(sets, rows, strict=True)
        ]
        return np.mean(each, axis=0)

    gain = None
    if against is not None:
        gains = [
            mine - wins(against.known, against.unknown[name])
            for mine, name in zip(won, sets, strict=True)
        ]
        gain = bootstrap(lambda *rows: mean_areas(gains, *rows), sizes)
    return Separation(
        area=bootstrap(lambda *rows: mean_areas(won, *rows), sizes),
        false_accepts=bootstrap(accepted, sizes),
        gain=gain,
    )


def wins(
    known: Float[np.ndarray, "S K"], unknown: Float[np.ndarray, "S U"]
) -> Float[np.ndarray, "K U"]:
    """How often a known query outscores an unknown one, over seeds; a tie is half a win."""
    total = np.zeros((known.shape[1], unknown.shape[1]), dtype=np.float32)
    for known_scores, unknown_scores in zip(known, unknown, strict=True):
        total += known_scores[:, None] > unknown_scores
        total += np.float32(0.5) * (known_scores[:, None] == unknown_scores)
    return total / len(known)


def areas(
    won: Float[np.ndarray, "K U"], known_rows: Int[np.ndarray, "R K"], rows: Int[np.ndarray, "R U"]
) -> Float[np.ndarray, " R"]:
    """AUROC of each resample: the mean of `won` over its known and unknown queries.

    The area is the share of pairs in order (Mann and Whitney 1947), so it is linear in `won`:
    means over seeds and differences of detectors can be taken before.
    """
    known_counts, counts = (
        np.stack([np.bincount(resample, minlength=size) for resample in resamples])
        for resamples, size in ((known_rows, won.shape[0]), (rows, won.shape[1]))
    )
    sums = ((known_counts.astype(won.dtype) @ won) * counts).sum(axis=1, dtype=np.float64)
    return sums / (known_rows.shape[1] * rows.shape[1])


def mean_areas(
    won: Sequence[Float[np.ndarray, "K _"]],
    known_rows: Int[np.ndarray, "R K"],
    *rows: Int[np.ndarray, "R _"],
) -> Float[np.ndarray, " R"]:
    """Mean AUROC of each resample over several unknown sets."""
    return np.mean(
        [areas(each, known_rows, of_set) for each, of_set in zip(won, rows, strict=True)], axis=0
    )


def accepted_shares(
    known: Float[np.ndarray, "S K"],
    unknown: Float[np.ndarray, "S U"],
    known_rows: Int[np.ndarray, "R K"],
    rows: Int[np.ndarray, "R U"],
) -> Float[np.ndarray, " R"]:
    """FPR@95TPR of each resample, mean over seeds: unknown queries at or above the threshold.

    The threshold is the highest score that still keeps 95 % of the known.
    """
    refused = int(np.floor((1.0 - KNOWN_KEPT) * known_rows.shape[1] + 1e-9))
    shares = []
    for known_scores, unknown_scores in zip(known, unknown, strict=True):
        thresholds = np.partition(known_scores[known_rows], refused, axis=1)[:, refused]
        shares.append((unknown_scores[rows] >= thresholds[:, None]).mean(axis=1))
    return np.mean(shares, axis=0)


def bootstrap(statistic: Callable[..., Float[np.ndarray, " R"]], sizes: Sequence[int]) -> Estimate:
    """A statistic of rows of several samples, with its percentile interval (seed 0)."""

    def measured(*resamples: np.ndarray, axis: int = -1) -> np.ndarray:
        return statistic(*map(np.atleast_2d, resamples))

    every = tuple(np.arange(size) for size in sizes)
    low, high = stats.bootstrap(
        every,
        measured,
        n_resamples=RESAMPLES,
        batch=RESAMPLED_AT_ONCE,
        vectorized=True,
        method="percentile",
        rng=0,
    ).confidence_interval
    return Estimate(float(measured(*every)[0]), float(np.squeeze(low)), float(np.squeeze(high)))
