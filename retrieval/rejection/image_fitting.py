"""Fitting the head for images: the library's own pictures are known, each as if it were fresh."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from retrieval.rejection.calibration import require_enough
from retrieval.rejection.detectors import Sample
from retrieval.rejection.distances import (
    JOINT,
    JOINT_SHRINKAGE,
    SHRINKAGE,
    Landmarks,
    left_out_distance,
    profiles,
)
from retrieval.rejection.fitting import Sizes, judged_head, unjudged_head
from retrieval.rejection.gate import Head
from retrieval.rejection.registry import unfitted
from retrieval.rejection.scenes import FEWEST, PICTURED, scene_direction
from retrieval.rejection.voids import image_voids


def image_head(
    library: Float32[np.ndarray, "N D"],
    widths: tuple[int, ...],
    query_scale: Float32[np.ndarray, " D"],
    name: str,
    others: Mapping[str, Any],
    *,
    false_reject: float,
    distorted: Float32[np.ndarray, "V D"] | None = None,
    sizes: Sizes | None = None,
    seed: int = 0,
) -> Head:
    """The head for images: every stored one is seen as if it were fresh.

    `query_scale` turns [semantic; visual] into the query that a search makes of it. Distances to
    a stored image come from the others (five folds), its profile leaves it out. `distorted` are
    vectors of distorted pictures; without, there is no direction away from them.
    """
    sizes = sizes or Sizes()
    require_enough(len(library), false_reject, "images")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(library))[: sizes.images].astype(np.int64)
    vectors = library[chosen]
    pictures = library[chosen[: sizes.pictures]] * query_scale
    own = np.where(np.arange(len(chosen)) < len(pictures), np.arange(len(chosen)), -1)
    landmarks = Landmarks.of(vectors, widths, keep=False, joint=True, seed=seed)
    spoilt = vectors[:0] if distorted is None else distorted
    # Four fifths of them have to be enough for a direction, too.
    enough = len(vectors) >= 2 * FEWEST
    scene = scene_direction(vectors, spoilt, PICTURED) if enough else None
    head = unjudged_head("image", landmarks, pictures, scene=scene)
    known = _left_out_sample(head, vectors, widths, profiles(vectors, pictures, own), spoilt, seed)
    detector = unfitted(name, known.columns, others)
    teaching, calibrating = known, known
    if detector.learns:
        half = rng.random(len(chosen)) < 0.6
        teaching, calibrating = known.rows(half), known.rows(~half)
    voided, made_of = image_voids(vectors, min(len(vectors), sizes.voids), rng)
    voids = head.sample(_unit_blocks(voided, widths), own=own[made_of])
    detector.fit(teaching, voids)
    scores = {"image": np.sort(detector.score(calibrating))}
    return judged_head(head, name, detector, scores, calibrating)


def _left_out_sample(
    head: Head,
    vectors: Float32[np.ndarray, "Q D"],
    widths: tuple[int, ...],
    profile: Float32[np.ndarray, "Q P"],
    spoilt: Float32[np.ndarray, "V D"],
    seed: int,
) -> Sample:
    """Each image as the gate sees it where it is not among those that the gate knows.

    The head's landmarks are of all of them; where leaving one out is exact it is done, else by
    five folds.
    """
    folds = np.arange(len(vectors)) % 5
    evidence = np.zeros((len(vectors), len(head.columns)), dtype=np.float32)
    for fold in range(5):
        mine, rest = np.flatnonzero(folds == fold), vectors[folds != fold]
        others = Landmarks.of(rest, widths, keep=False, seed=seed)
        evidence[mine, : len(others.columns)] = others.evidence(vectors[mine], profile[mine])
        scene = scene_direction(rest, spoilt, PICTURED) if head.scene is not None else None
        if scene is not None:
            evidence[mine, -1] = vectors[mine] @ scene
    inside = head.landmarks.evidence(vectors, profile)
    _leave_each_out(evidence, inside, head.landmarks.columns)
    return Sample(vectors, evidence, head.columns)


def _leave_each_out(
    evidence: Float32[np.ndarray, "Q _"],
    inside: Float32[np.ndarray, "Q E"],
    columns: Sequence[str],
) -> None:
    """Puts exact distances of left-out images in the place of those of the folds.

    `inside` is the evidence with every image in the bank.
    """
    for number, name in enumerate(columns):
        if name.endswith("Mahalanobis") and not name.startswith("relative"):
            distance = -inside[:, number].astype(np.float64)
            shrinkage = JOINT_SHRINKAGE if name == JOINT else SHRINKAGE
            evidence[:, number] = -left_out_distance(distance, len(inside), shrinkage)


def _unit_blocks(
    vectors: Float32[np.ndarray, "Q D"], widths: Sequence[int]
) -> Float32[np.ndarray, "Q D"]:
    blocks = np.split(vectors, np.cumsum(widths)[:-1], axis=1)
    unit = [
        block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-9) for block in blocks
    ]
    return np.concatenate(unit, axis=1).astype(np.float32)
