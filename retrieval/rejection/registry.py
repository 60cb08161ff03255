"""Detectors by their names, as `spectrum calibrate --detector` takes them."""

from collections.abc import Callable, Mapping
from typing import Any

from retrieval.rejection.detectors import BlockDistances, Column, Detector
from retrieval.rejection.mixture import VoidMixture
from retrieval.rejection.networks import GuardedFusion, Perceptron, Reconstruction

PLAIN: Mapping[str, Callable[[], Detector]] = {
    "logistic-fusion": lambda: Perceptron(hidden=0, vectors=False, monotone=True),
    "mlp": lambda: Perceptron(hidden=128, vectors=True),
    "guarded-fusion": GuardedFusion,
    "void-mixture": VoidMixture,
    "mlp-mahalanobis": lambda: Perceptron(hidden=128, vectors=True, distance=1.0),
    "block-distances": BlockDistances,
    "autoencoder": Reconstruction,
}
"""Detectors by name, beside the plain columns; "satipatthana" is made by `retrieval.trust`."""


def column_named(name: str, columns: tuple[str, ...]) -> str | None:
    """The column that a detector's name means: max-cosine is the column "max cosine"."""
    by_slug = {column.lower().replace(" ", "-"): column for column in columns}
    return by_slug.get(name)


def unfitted(name: str, columns: tuple[str, ...], others: Mapping[str, Any]) -> Detector:
    """The detector of a name. ValueError, with all names, for one that there is not."""
    if name in PLAIN:
        return PLAIN[name]()
    if name in others:
        made: Detector = others[name]()
        return made
    column = column_named(name, columns)
    if column is None:
        slugs = (each.lower().replace(" ", "-") for each in columns)
        raise ValueError(
            f"there is no detector '{name}': choose from {', '.join((*PLAIN, *others, *slugs))}"
        )
    return Column(column)
