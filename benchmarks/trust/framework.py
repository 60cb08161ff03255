"""The framework as a detector among the others."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from benchmarks.trust.detectors import unit, varying
from satipatthana.configs import CurriculumConfig, SystemConfig
from satipatthana.curriculum import TrainingHistory, fit
from satipatthana.system import SatipatthanaSystem

Score = Literal["trust", "conformity", "confidence"]
SCORES: tuple[Score, ...] = get_args(Score)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Vectors as the framework likes them: around zero, of variance near one."""

    mean: Float32[np.ndarray, " f"]
    scale: Float32[np.ndarray, " f"]
    varies: np.ndarray
    """Which features vary; the others are left out."""
    unit_length: bool
    """Whether vectors are brought to length one first."""

    def __call__(self, vectors: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N f"]:
        """The vectors, prepared."""
        lengthened = unit(vectors) if self.unit_length else vectors
        return np.float32((lengthened[:, self.varies] - self.mean) / self.scale)


def images_prepared(library: Float32[np.ndarray, "L F"]) -> Preparation:
    """Of length one, then centred and scaled as a whole: directions keep their weight."""
    return preparation(library, unit_length=True, each=False)


def columns_prepared(library: Float32[np.ndarray, "L F"]) -> Preparation:
    """Each feature standardised on its own."""
    return preparation(library, unit_length=False, each=True)


def preparation(
    library: Float32[np.ndarray, "L F"], *, unit_length: bool, each: bool
) -> Preparation:
    """Mean and deviation of the library's features: of each one, or of all together."""
    vectors = unit(library) if unit_length else library
    varies = varying(vectors)
    deviations = vectors[:, varies].std(axis=0)
    scale = deviations if each else np.full_like(deviations, np.sqrt(np.mean(deviations**2)))
    return Preparation(
        mean=vectors[:, varies].mean(axis=0), scale=scale, varies=varies, unit_length=unit_length
    )


class Neighbours:
    """Distance of each vector to its k-th nearest in a library, as a feature beyond the eight."""

    def __init__(self, library: Tensor, neighbours: int = 10) -> None:
        self.library, self.neighbours = library, neighbours

    def __call__(self, x: Tensor) -> Tensor:
        """B 1. A vector that is in the library does not count itself."""
        nearest = torch.cdist(x, self.library).topk(self.neighbours + 1, largest=False).values
        itself = (nearest[:, :1] < 1e-2).long()
        return nearest.gather(1, self.neighbours - 1 + itself)


VoidMaker = Callable[[Tensor, Preparation, torch.Generator], Tensor]
"""Voids of known vectors, neither of them prepared, so that every detector can be shown them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the framework is set up for one yard-stick."""

    system: Callable[[int], SystemConfig]
    """Of the number of features."""
    curriculum: CurriculumConfig
    voids: VoidMaker
    preparation: Callable[[np.ndarray], Preparation]
    """Of the library."""
    neighbours: bool = False
    """Whether the distance to the 10th neighbour is one more static feature."""


class Framework:
    """A system, trained on a library and on voids made of it; its three scores."""

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        self.settings, self.seed = settings, seed

    def fit(self, library: Float32[np.ndarray, "L F"]) -> TrainingHistory:
        """Trains all stages; the seed decides weights, voids and batches."""
        self.preparation = self.settings.preparation(library)
        x = torch.from_numpy(self.preparation(library))
        curriculum = dataclasses.replace(self.settings.curriculum, seed=self.seed)
        void = self.preparation(made_voids(self.settings, library, self.seed))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.system = SatipatthanaSystem(self.settings.system(x.shape[1]))
        self.extra = Neighbours(x) if self.settings.neighbours else None
        return fit(self.system, x, void=torch.from_numpy(void), extra=self.extra, config=curriculum)

    def scores(self, queries: Float32[np.ndarray, "N F"]) -> dict[Score, Float[np.ndarray, " N"]]:
        """Trust, conformity and confidence of each query."""
        x = torch.from_numpy(self.preparation(queries))
        judged = self.system.score(x, None if self.extra is None else self.extra(x))
        return {name: getattr(judged, f"{name}_score")[:, 0].double().numpy() for name in SCORES}


def made_voids(
    settings: Settings, library: Float32[np.ndarray, "L F"], seed: int
) -> Float32[np.ndarray, "V F"]:
    """The voids that a seed makes of a library, not prepared."""
    generator = torch.Generator().manual_seed(seed)
    known = torch.from_numpy(library)
    return settings.voids(known, settings.preparation(library), generator).numpy()
