"""What single queries find, and means over queries with their intervals."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import stats

RESAMPLES = 2000


class Estimate(NamedTuple):
    """A mean over queries and its 95 % interval."""

    value: float
    """The mean."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""


def estimate(values: Shaped[np.ndarray, " N"], group: int = 1) -> Estimate:
    """Mean of numbers or truths with its 95 % interval; `group` of them in a row stay together.

    Percentile bootstrap over groups (scipy.stats.bootstrap, 2,000 resamples, seed 0): the captions
    of one photograph are no independent queries. Raises ValueError for fewer than two groups.
    """
    means = np.asarray(values, dtype=np.float64).reshape(-1, group).mean(axis=1)
    if len(means) < 2:
        raise ValueError(f"an interval needs two groups of queries or more, got {len(means)}")
    low, high = stats.bootstrap(
        (means,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=0
    ).confidence_interval
    return Estimate(float(means.mean()), float(low), float(high))


def percentage(values: Shaped[np.ndarray, " N"], group: int = 1) -> Estimate:
    """`estimate` in per cent, of numbers in [0, 1] or truths."""
    return estimate(100.0 * np.asarray(values, dtype=np.float64), group)


def hits(
    similarities: Float[np.ndarray, "N M"], right: Bool[np.ndarray, "N M"], cutoff: int
) -> Bool[np.ndarray, " N"]:
    """For each query whether a right item is among the first `cutoff`; ties count against it."""
    best = np.where(right, similarities, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(((similarities >= best) & ~right).sum(axis=1) < cutoff)


def precisions(
    similarities: Float[np.ndarray, "N M"], right: Bool[np.ndarray, "N M"], cutoff: int
) -> Float[np.ndarray, " N"]:
    """For each query the share of right ones among its first `cutoff` items, in [0, 1]."""
    first = np.argsort(-similarities, axis=1, kind="stable")[:, :cutoff]
    return np.asarray(np.take_along_axis(right, first, axis=1).mean(axis=1), dtype=np.float64)


def average_precisions(
    similarities: Float[np.ndarray, "N M"], right: Bool[np.ndarray, "N M"]
) -> Float[np.ndarray, " Q"]:
    """Mean precision at the ranks of the right items, in [0, 1], for each query that has any."""
    order = np.argsort(-similarities, axis=1, kind="stable")
    ranked = np.take_along_axis(right, order, axis=1)[right.any(axis=1)]
    at_ranks = np.cumsum(ranked, axis=1) / np.arange(1, ranked.shape[1] + 1)
    return np.asarray((at_ranks * ranked).sum(axis=1) / ranked.sum(axis=1), dtype=np.float64)


def left_out(
    similarities: Float[np.ndarray, "N N"], right: Bool[np.ndarray, "N N"]
) -> Float[np.ndarray, " Q"]:
    """Average precisions of each item asking for the others, itself left out of the ranking."""
    others = np.asarray(similarities, dtype=np.float64).copy()
    np.fill_diagonal(others, -np.inf)
    return average_precisions(others, right & ~np.eye(len(right), dtype=bool))
