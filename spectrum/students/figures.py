"""How near a student comes to its teacher, on pictures that nothing was fitted to."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32

from spectrum.encoders import EncodedImages, Encoder, RgbImage
from spectrum.training.measures import hit_rates

NEIGHBOURS = 10
RESAMPLES = 2000
TIMED = 64
"""Pictures that speed is measured on, in batches of half as many."""
WEIGHTS = tuple(step / 20 for step in range(21))
"""The values of omega that are tried."""
FEWEST_RANKED = 20
"""Pictures below which neighbours say too little to fit omega on."""


def interval(values: Float[np.ndarray, " N"], seed: int = 0) -> dict[str, float]:
    """The mean and its 95 % interval: percentiles of 2,000 bootstrap resamples."""
    random = np.random.default_rng(seed)
    means = [
        values[random.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}


def cosines(
    made: Float[np.ndarray, "N S"], right: Float[np.ndarray, "N S"]
) -> Float[np.ndarray, " N"]:
    """Row by row; 0 where one of the two is the zero vector."""
    lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((made * right).sum(axis=1) / np.maximum(lengths, 1e-12), dtype=np.float64)


def neighbour_overlap(
    similarities: Float[np.ndarray, "N N"],
    teacher_similarities: Float[np.ndarray, "N N"],
    neighbours: int = NEIGHBOURS,
) -> Float[np.ndarray, " N"]:
    """For each picture the share of the teacher's nearest others that are the student's too.

    The nearest `neighbours`, or half of the others where there are few. Chance is their share of
    the others.
    """
    count = _neighbours(len(similarities), neighbours)
    first = [_nearest(scores, count) for scores in (similarities, teacher_similarities)]
    shared = [len(set(ours) & set(theirs)) for ours, theirs in zip(*first, strict=True)]
    return np.array(shared) / count


def _neighbours(items: int, wanted: int = NEIGHBOURS) -> int:
    return max(1, min(wanted, (items - 1) // 2))


def _nearest(similarities: Float[np.ndarray, "N N"], count: int) -> list[list[int]]:
    others = similarities.astype(np.float64)
    np.fill_diagonal(others, -np.inf)
    return [list(row) for row in np.argsort(-others, axis=1, kind="stable")[:, :count].tolist()]


def ranking(
    semantic: Float[np.ndarray, "N S"], visual: Float[np.ndarray, "N V"], visual_weight: float
) -> Float[np.ndarray, "N N"]:
    """How an image query scores: sqrt(1 - omega) s.s' + sqrt(omega) v.v'."""
    both = np.sqrt(1.0 - visual_weight) * (semantic @ semantic.T)
    return np.asarray(both + np.sqrt(visual_weight) * (visual @ visual.T), dtype=np.float64)


def best_visual_weight(
    images: EncodedImages, teacher_ranking: Float[np.ndarray, "N N"], otherwise: float
) -> float:
    """omega with which the student's ranking of validation pictures is most like the teacher's."""
    if len(teacher_ranking) < FEWEST_RANKED:
        return otherwise
    overlaps = [
        neighbour_overlap(ranking(images.semantic, images.visual, weight), teacher_ranking).mean()
        for weight in WEIGHTS
    ]
    return WEIGHTS[int(np.argmax(overlaps))]


def fidelity(
    made: Mapping[str, Float32[np.ndarray, "N S"]],
    teacher: Float32[np.ndarray, "N S"],
    mean: Float32[np.ndarray, " S"],
) -> dict[str, Any]:
    """Cosines to the teacher's vectors of unseen pictures, and shared neighbours.

    `made` holds `student` and `linear` (ridge regression alone), `mean` is the mean of the
    teacher's training vectors. The centred cosine subtracts it from both sides first: where a
    teacher's vectors fill a narrow cone the plain cosine is high for any vector in it, as that of
    the mean itself shows.
    """
    plain = {name: cosines(vectors, teacher) for name, vectors in made.items()}
    plain["mean_vector"] = cosines(np.tile(mean, (len(teacher), 1)), teacher)
    centred = {name: cosines(vectors - mean, teacher - mean) for name, vectors in made.items()}
    theirs = teacher @ teacher.T
    overlap = {
        name: neighbour_overlap(vectors @ vectors.T, theirs) for name, vectors in made.items()
    }
    count = _neighbours(len(teacher))
    figures: dict[str, Any] = {"n": len(teacher)}
    for kind, rows in (("cosine", plain), ("centred_cosine", centred), ("overlap", overlap)):
        figures[kind] = {name: interval(values) for name, values in rows.items()}
        figures[kind]["student_minus_linear"] = interval(rows["student"] - rows["linear"])
    figures["overlap"]["neighbours"] = count
    figures["overlap"]["chance"] = count / (len(teacher) - 1)
    return figures


def caption_figures(
    image_unit: Mapping[str, Float32[np.ndarray, "N S"]],
    text_unit: Mapping[str, Float32[np.ndarray, "M S"]],
    right: Bool[np.ndarray, "M N"],
) -> dict[str, Any]:
    """Hit rates in per cent at 1, 5, 10, both ways, of each encoder named in both mappings."""
    figures: dict[str, Any] = {"images": right.shape[1], "captions": right.shape[0]}
    for name, images in image_unit.items():
        similarities = text_unit[name] @ images.T
        figures[name] = {
            "text_to_image": hit_rates(similarities, right),
            "image_to_text": hit_rates(similarities.T, right.T),
        }
    return figures


def images_per_second(encoder: Encoder, images: Sequence[RgbImage]) -> float:
    """How many prepared images it encodes in a second here, after a first batch to warm up."""
    prepared = [encoder.prepare(image) for image in images[:TIMED]]
    half = max(1, TIMED // 2)
    encoder.encode_images(prepared[:half])
    started = time.perf_counter()
    for start in range(0, len(prepared), half):
        encoder.encode_images(prepared[start : start + half])
    return len(prepared) / max(time.perf_counter() - started, 1e-9)
