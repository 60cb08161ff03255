"""How sure a mean is: its 95 % bootstrap interval, resampled by image.

Five captions of one photograph succeed and fail together. Resampling captions one by one would
take them for five independent observations and draw the interval too narrow, so whole clusters
are resampled: every caption of an image, or none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

_ELEMENTS_PER_BATCH = 2_000_000
"""Limits scipy's table of resampled indices to 16 MB, however many clusters there are."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    """The mean over the queries; not rounded."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""

    def as_json(self) -> dict[str, float]:
        """The three numbers, as the report holds them."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, kw_only=True)
class Difference(Estimate):
    """A mean of paired differences with its 95 % interval, and how likely chance alone is."""

    p: float
    """Two-sided, in (0, 1]: the least level at which an interval of this kind leaves out 0."""

    def as_json(self) -> dict[str, float]:
        """The four numbers."""
        return super().as_json() | {"p": self.p}


def mean_with_interval(
    values: Float64[np.ndarray, "Q"],
    clusters: Int[np.ndarray, "Q"],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """The mean of the values, and the bootstrap interval found by resampling whole clusters.

        mean = sum_c s_c / sum_c n_c,   s_c, n_c: sum and number of the values of cluster c

    `clusters` says which values belong together; the numbers themselves mean nothing. Where the
    clusters agree (one cluster, constant values) the interval is the value itself: the data say
    nothing about the spread. The same values, clusters and seed give the same interval.

    Percentile interval, not BCa: on proportions of 10 to 300 queries the percentile covered
    94-96 % and BCa, slightly wider, 95-98 %, and BCa has no answer (NaN) on data near constant,
    which a good search gives.

    Raises ValueError where there are no values.
    """
    if not len(values):
        raise ValueError("no values: a mean needs at least one query")
    value = float(values.mean())
    _, cluster_index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(cluster_index, weights=values)
    counts = np.bincount(cluster_index).astype(np.float64)
    if len(sums) == 1 or np.ptp(values) == 0.0:
        return Estimate(value=value, low=value, high=value)
    found = _bootstrap(sums, counts, n_resamples, seed)
    interval = found.confidence_interval
    return Estimate(value=value, low=float(interval.low), high=float(interval.high))


def paired_difference(
    differences: Float64[np.ndarray, "Q"],
    clusters: Int[np.ndarray, "Q"],
    *,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """The mean of what each query gained, its interval, and a p-value from the same resamples.

        p = 2 min( #{d* <= 0} + 1, #{d* >= 0} + 1 ) / (B + 1),  at most 1;  d*: B resampled means

    It is below 0.05 where the interval leaves out 0. Two runs measured on the same queries differ
    by far less than their own intervals say, since easy queries are easy for both. With one
    cluster nothing is known of the spread, and p is 1; so it is where no query changed.
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 15.)

    Raises ValueError where there are no values.
    """
    if not len(differences):
        raise ValueError("no values: a mean needs at least one query")
    value = float(differences.mean())
    _, cluster_index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(cluster_index, weights=differences)
    counts = np.bincount(cluster_index).astype(np.float64)
    if len(sums) == 1 or not differences.any():
        return Difference(value=value, low=value, high=value, p=1.0)
    found = _bootstrap(sums, counts, n_resamples, seed)
    means = found.bootstrap_distribution
    # Sums of floats that cancel may miss 0 by their last bits.
    slack = 1e-12 * float(np.abs(differences).max())
    fewest = min(int((means <= slack).sum()), int((means >= -slack).sum())) + 1
    interval = found.confidence_interval
    return Difference(
        value=value,
        low=float(interval.low),
        high=float(interval.high),
        p=min(1.0, 2 * fewest / (n_resamples + 1)),
    )


def _bootstrap(
    sums: Float64[np.ndarray, "C"], counts: Float64[np.ndarray, "C"], n_resamples: int, seed: int
) -> Any:
    """scipy's result for the mean over resampled clusters."""
    from scipy.stats import bootstrap  # scipy takes half a second to import

    return bootstrap(
        (sums, counts),
        _ratio_of_sums,
        paired=True,
        vectorized=True,
        n_resamples=n_resamples,
        batch=max(1, _ELEMENTS_PER_BATCH // len(sums)),
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(seed),
    )


def _ratio_of_sums(
    sums: np.ndarray[Any, np.dtype[np.float64]],
    counts: np.ndarray[Any, np.dtype[np.float64]],
    axis: int = -1,
) -> Any:
    """The mean over the values of the clusters that were drawn."""
    return sums.sum(axis=axis) / counts.sum(axis=axis)
