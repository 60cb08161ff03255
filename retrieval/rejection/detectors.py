"""Detectors of unknown queries behind one protocol; a higher score is more known.

Fitting may train small networks (torch, by `training.py`); scoring is NumPy alone, so that a search
never waits for torch. Shape letters: Q queries, F features, E columns of evidence, I inputs.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.rejection.words import Arrays

CLIPPED = 8.0
"""Standard deviations beyond which evidence says no more."""


class Sample(NamedTuple):
    """What the gate sees of some queries."""

    vectors: Float32[np.ndarray, "Q F"]
    """As the encoder gives them: unit length in each block."""
    evidence: Float32[np.ndarray, "Q E"]
    """Plain figures, higher is more known."""
    columns: tuple[str, ...]
    """The figures' names."""
    kinds: tuple[str, ...] = ()
    """Of voids, what each was made to be; may be left empty."""

    def rows(self, chosen: np.ndarray[Any, np.dtype[Any]]) -> "Sample":
        """Some of the queries, by number or by truth."""
        kinds = tuple(np.array(self.kinds)[chosen].tolist()) if self.kinds else ()
        return Sample(self.vectors[chosen], self.evidence[chosen], self.columns, kinds)

    def column(self, name: str) -> Float64[np.ndarray, " Q"]:
        """One figure of each query."""
        return self.evidence[:, self.columns.index(name)].astype(np.float64)


@runtime_checkable
class Detector(Protocol):
    """Says how known queries are."""

    learns: ClassVar[bool]
    """Whether it learns from known queries, so that others have to calibrate it."""

    def fit(self, known: Sample, void: Sample) -> None:
        """Learns from known queries and from voids."""
        ...

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        """How known each query is; only the order means something."""
        ...

    def arrays(self) -> Arrays:
        """What it has learned."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Takes over what `arrays` gave."""
        ...


class Column:
    """One plain figure as it is."""

    learns: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    def fit(self, known: Sample, void: Sample) -> None:
        """Nothing."""

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        return queries.column(self.name)

    def arrays(self) -> Arrays:
        return {}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Nothing."""


class Scales:
    """Standardises by the known queries: mean and deviation of each column, clipped."""

    def __init__(self, mean: Float32[np.ndarray, " I"], scale: Float32[np.ndarray, " I"]) -> None:
        self.mean, self.scale = mean, scale

    @classmethod
    def of(cls, values: Float32[np.ndarray, "Q I"]) -> "Scales":
        """Columns that never vary are left at 0 / 1."""
        deviations = values.std(axis=0)
        return cls(values.mean(axis=0), np.where(deviations > 1e-9, deviations, 1.0))

    def __call__(self, values: Float32[np.ndarray, "Q I"]) -> Float32[np.ndarray, "Q I"]:
        standard = (values - self.mean) / self.scale
        return np.asarray(np.clip(standard, -CLIPPED, CLIPPED), dtype=np.float32)


class BlockDistances:
    """Mahalanobis distances and the scene, standardised and summed.

    What won among images: one Gaussian of both blocks, what distorted pictures teach, and a little
    of the visual distance. That one alone tells most, but of a library that the encoder has learned
    from it is not calibrated (docs/rejection.md), so it weighs little. Vectors of one block have
    one distance. The weights were chosen on Flickr8k dev and the unknown sets of docs/rejection.md.
    """

    learns: ClassVar[bool] = False
    weights: ClassVar[Mapping[str, float]] = {
        "joint Mahalanobis": 8.0,
        "Mahalanobis": 8.0,
        "visual Mahalanobis": 1.0,
        "scene": 5.0,
    }

    def fit(self, known: Sample, void: Sample) -> None:
        self.scales = Scales.of(known.evidence)

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        standard = (queries.evidence - self.scales.mean) / self.scales.scale
        total = np.zeros(len(standard))
        for name, weight in self.weights.items():
            if name in queries.columns:
                total += weight * standard[:, queries.columns.index(name)]
        return total

    def arrays(self) -> Arrays:
        return {"mean": self.scales.mean, "scale": self.scales.scale}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        self.scales = Scales(arrays["mean"], arrays["scale"])
