"""What fitting a head of a gate starts from, and what it ends with.

One part of the known queries teaches, another calibrates: a query that taught looks more known than
a fresh one, and would make the promise a lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from retrieval.rejection.company import Company
from retrieval.rejection.detectors import Column, Detector, Sample
from retrieval.rejection.distances import Landmarks, as_stored
from retrieval.rejection.gate import GRID, Head
from retrieval.rejection.words import WordSupport

TEXT_DETECTOR = "void-mixture"
IMAGE_DETECTOR = "block-distances"
"""The defaults: what won by measurement (docs/rejection.md)."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is looked at: chosen so that 7,000 images take under a minute on two cores."""

    bank: int = 2_000
    """Captions that nearness is measured to; more take a query longer."""
    teaching: int = 2_500
    """Known sentences that teach the detector."""
    calibrating: int = 3_600
    """Known sentences that only calibrate."""
    voids: int = 4_000
    images: int = 6_000
    """Known images."""
    pictures: int = 2_000
    """Pictures that a query's similarity profile is taken to; more take a query longer."""
    company_epochs: int = 8
    company_examples: int = 20_000
    """Sentences of one epoch."""
    company_networks: int = 2
    word_odds: int = 2_000
    """Known texts, and voids, that the odds of their words are learned from."""
    scenes: int = 1_500
    """Sentences about scenes that the library does not hold, which one direction learns from."""
    distorted: int = 96
    """Pictures that are distorted, which another direction learns from."""


def unjudged_head(
    kind: str,
    landmarks: Landmarks,
    pictures: Float32[np.ndarray, "N F"],
    support: WordSupport | None = None,
    company: Company | None = None,
    scene: Float32[np.ndarray, " F"] | None = None,
) -> Head:
    """A head that measures, but that nobody judges for yet."""
    return Head(
        kind=kind,
        landmarks=landmarks,
        detector_name="",
        detector=Column("max cosine"),
        calibrating={},
        usual=np.zeros((0, len(GRID)), np.float32),
        best_hits=np.zeros(len(GRID), np.float32),
        pictures=as_stored(pictures),
        support=support,
        company=company,
        scene=scene,
    )


def judged_head(
    head: Head,
    name: str,
    detector: Detector,
    calibrating: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    sample: Sample,
) -> Head:
    """The head with a detector and its calibrating scores; `sample` are the calibrating queries."""
    return replace(
        head,
        detector_name=name,
        detector=detector,
        calibrating=calibrating,
        usual=np.quantile(sample.evidence, GRID, axis=0).T.astype(np.float32),
        best_hits=np.quantile(sample.column("max cosine"), GRID).astype(np.float32),
    )
