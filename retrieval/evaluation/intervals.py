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

    from scipy.stats import bootstrap  # scipy takes half a second to import

    interval = bootstrap(
        (sums, counts),
        _ratio_of_sums,
        paired=True,
        vectorized=True,
        n_resamples=n_resamples,
        batch=max(1, _ELEMENTS_PER_BATCH // len(sums)),
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value=value, low=float(interval.low), high=float(interval.high))


def _ratio_of_sums(
    sums: np.ndarray[Any, np.dtype[np.float64]],
    counts: np.ndarray[Any, np.dtype[np.float64]],
    axis: int = -1,
) -> Any:
    """The mean over the values of the clusters that were drawn."""
    return sums.sum(axis=axis) / counts.sum(axis=axis)
