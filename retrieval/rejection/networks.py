"""Detectors with trained layers. Trained by `training.py`, with torch; asked by NumPy alone."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.rejection.company import Layer
from retrieval.rejection.detectors import Sample, Scales
from retrieval.rejection.words import Arrays


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
