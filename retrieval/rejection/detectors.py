"""Detectors of unknown queries behind one protocol; a higher score is more known.

Fitting may train small networks (torch, by `training.py`); scoring is NumPy alone, so that a search
never waits for torch. Shape letters: Q queries, F features, E columns of evidence, I inputs.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.rejection.company import Layer
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

    def rows(self, chosen: np.ndarray[Any, np.dtype[Any]]) -> "Sample":
        """Some of the queries, by number or by truth."""
        return Sample(self.vectors[chosen], self.evidence[chosen], self.columns)

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
    """Both blocks' Mahalanobis distances, standardised and summed, the visual one counting twice.

    What won among images: two Gaussians that know nothing of each other. The weight 2 was chosen on
    Flickr8k dev against the unknown sets of docs/rejection.md; 1 does nearly as well.
    """

    learns: ClassVar[bool] = False
    weights: ClassVar[Mapping[str, float]] = {
        "Mahalanobis": 1.0,
        "semantic Mahalanobis": 1.0,
        "visual Mahalanobis": 2.0,
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


class Perceptron:
    """Layers trained to tell known queries from voids: logistic regression, or one hidden layer."""

    learns: ClassVar[bool] = True

    def __init__(
        self, *, hidden: int, vectors: bool, monotone: bool = False, distance: float = 0.0
    ) -> None:
        """`vectors`: whether the embedding is seen beside the evidence; `distance`: the share of
        the Mahalanobis distance, standardised, that is added to the log odds."""
        self.hidden, self.vectors, self.monotone = hidden, vectors, monotone
        self.distance = distance

    def fit(self, known: Sample, void: Sample) -> None:
        from retrieval.rejection.training import perceptron

        self.scales = Scales.of(self._raw(known))
        if self.vectors:
            # Directions keep their weight: one scale for the whole embedding.
            width = known.vectors.shape[1]
            self.scales.scale[:width] = np.sqrt((self.scales.scale[:width] ** 2).mean())
        self.layers = perceptron(
            self.scales(self._raw(known)),
            self.scales(self._raw(void)),
            hidden=self.hidden,
            monotone=self.monotone,
            epochs=20 if self.hidden else 10,
        )

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        standard = self.scales(self._raw(queries))
        moved = standard
        for layer in self.layers[:-1]:
            moved = np.maximum(layer(moved), 0.0)
        score = self.layers[-1](moved)[:, 0].astype(np.float64)
        if self.distance:
            place = queries.columns.index("Mahalanobis") - len(queries.columns)
            score = score + self.distance * standard[:, place]
        return score

    def _raw(self, queries: Sample) -> Float32[np.ndarray, "Q I"]:
        if not self.vectors:
            return queries.evidence
        return np.concatenate([queries.vectors, queries.evidence], axis=1)

    def arrays(self) -> Arrays:
        made: Arrays = {"mean": self.scales.mean, "scale": self.scales.scale}
        return made | layer_arrays(self.layers)

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        self.scales = Scales(arrays["mean"], arrays["scale"])
        self.layers = layers_of(arrays)


class GuardedFusion:
    """A logistic regression and an MLP, standardised and added, less what is beyond far out.

    Both learn from voids, see swapped words best and bend to their voids; far from everything they
    say anything. So each of four plain figures takes off what it lies below two deviations of known
    queries, which hardly touches those. Phrases and sentences are standardised apart.
    """

    learns: ClassVar[bool] = True
    guards: ClassVar[tuple[str, ...]] = ("Mahalanobis", "10th caption", "support", "fluency")
    slack: ClassVar[float] = 2.0
    short: ClassVar[float] = 1.5
    """log of the number of words that parts phrases from sentences, between 4 and 5."""

    def __init__(self) -> None:
        self.fusion = Perceptron(hidden=0, vectors=False, monotone=True)
        self.mlp = Perceptron(hidden=64, vectors=True)

    def fit(self, known: Sample, void: Sample) -> None:
        self.fusion.fit(known, void)
        self.mlp.fit(known, void)
        figures, short = self._figures(known), self._short(known)
        # Middle and lower half-width of each figure, for sentences and for phrases.
        self.levels = np.stack(
            [
                np.quantile(figures[mine] if mine.sum() >= 20 else figures, (0.5, 0.16), axis=0)
                for mine in (~short, short)
            ]
        ).astype(np.float32)

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        levels = self.levels[self._short(queries).astype(int)]
        width = np.maximum(levels[:, 0] - levels[:, 1], 1e-6)
        standard = (self._figures(queries) - levels[:, 0]) / width
        beyond = np.maximum(-standard[:, 2:] - self.slack, 0.0).sum(axis=1)
        total: Float64[np.ndarray, " Q"] = standard[:, :2].sum(axis=1) - beyond
        return total

    def _figures(self, queries: Sample) -> Float64[np.ndarray, "Q _"]:
        plain = [queries.column(name) for name in self.guards if name in queries.columns]
        return np.stack([self.fusion.score(queries), self.mlp.score(queries), *plain], axis=1)

    def _short(self, queries: Sample) -> np.ndarray[Any, np.dtype[np.bool_]]:
        if "log_length" not in queries.columns:
            return np.zeros(len(queries.vectors), dtype=bool)
        return queries.column("log_length") < self.short

    def arrays(self) -> Arrays:
        made: Arrays = {"levels": self.levels}
        for name, part in {"fusion": self.fusion, "mlp": self.mlp}.items():
            made |= {f"{name}/{key}": array for key, array in part.arrays().items()}
        return made

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        self.levels = arrays["levels"]
        for name, part in {"fusion": self.fusion, "mlp": self.mlp}.items():
            part.restore(
                {
                    key.removeprefix(f"{name}/"): array
                    for key, array in arrays.items()
                    if key.startswith(f"{name}/")
                }
            )


class Reconstruction:
    """Minus the squared error of a plain autoencoder; Hawkins, He, Williams and Baxter 2002."""

    learns: ClassVar[bool] = True

    def fit(self, known: Sample, void: Sample) -> None:
        from retrieval.rejection.training import autoencoder

        self.mean = known.vectors.mean(axis=0)
        deviation = (known.vectors - self.mean).std()
        self.scale = np.array([max(float(deviation), 1e-9)], dtype=np.float32)
        self.layers = autoencoder((known.vectors - self.mean) / self.scale)

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        vectors = (queries.vectors - self.mean) / self.scale
        first, second, third, last = self.layers
        latent = second(np.maximum(first(vectors), 0.0))
        made = last(np.maximum(third(latent), 0.0))
        return np.asarray(-((made - vectors) ** 2).mean(axis=1), dtype=np.float64)

    def arrays(self) -> Arrays:
        made: Arrays = {"mean": self.mean, "scale": self.scale}
        return made | layer_arrays(self.layers)

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        self.mean, self.scale = arrays["mean"], arrays["scale"]
        self.layers = layers_of(arrays)


def layer_arrays(layers: list[Layer]) -> Arrays:
    """The layers' weights and biases by name."""
    return {
        f"{kind}{number}": getattr(layer, kind)
        for number, layer in enumerate(layers)
        for kind in ("weight", "bias")
    }


def layers_of(arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> list[Layer]:
    """The layers that `layer_arrays` took apart."""
    count = sum(name.startswith("weight") for name in arrays)
    return [Layer(arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(count)]


PLAIN: Mapping[str, Callable[[], Detector]] = {
    "logistic-fusion": lambda: Perceptron(hidden=0, vectors=False, monotone=True),
    "mlp": lambda: Perceptron(hidden=128, vectors=True),
    "guarded-fusion": GuardedFusion,
    "mlp-mahalanobis": lambda: Perceptron(hidden=128, vectors=True, distance=1.0),
    "block-distances": BlockDistances,
    "autoencoder": Reconstruction,
}
"""Detectors by name, beside the plain columns; "satipatthana" is made by `retrieval.trust`."""


def column_named(name: str, columns: tuple[str, ...]) -> str | None:
    """The column that a detector's name means: max-cosine is the column "max cosine"."""
    by_slug = {column.lower().replace(" ", "-"): column for column in columns}
    return by_slug.get(name)
