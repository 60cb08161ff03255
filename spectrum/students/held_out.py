"""Measures a student, as its files give it, on the pictures that nothing was fitted to."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from spectrum.encoders import Encoder, RgbImage
from spectrum.students import figures
from spectrum.students.head_training import TaughtHeads
from spectrum.students.knowledge import Knowledge
from spectrum.students.lessons import TooFewPicturesError

MOST_MEASURED = 2000
"""Held-out pictures that are measured at most; cosines are then known to a thousandth."""
BATCH = 32

Pictures = Callable[[Sequence[str]], Iterator[tuple[str, RgbImage]]]
"""Decodes pictures by content hash, one after the other; those that are gone are left out."""


def measured(
    knowledge: Knowledge, heads: TaughtHeads, student: Encoder, pictures: Pictures
) -> dict[str, Any]:
    """Fidelity, caption search, and speed of both encoders in this process.

    Raises TooFewPicturesError if the held-out pictures are gone by now, ValueError if the student's
    files do not give what its heads gave in training.
    """
    distillation = knowledge.distillation
    wanted = knowledge.split.held_out[:MOST_MEASURED]
    distillation.progress.stage("measuring", len(wanted))
    hashes, vectors, some = _encoded(
        student, pictures(wanted), heads, distillation.progress.advance
    )
    if len(hashes) < 2:
        raise TooFewPicturesError(
            f"{len(hashes)} of {len(wanted)} held-out pictures can still be read: leave the folder"
            " as it is while its student is made, and run the same command again"
        )
    teacher = knowledge.teacher_images(hashes).semantic
    features = knowledge.views(hashes)[0]
    _require_alike(vectors, heads.images.vectors(features))
    mean = knowledge.teacher_images(knowledge.split.training).semantic.mean(axis=0)
    said: dict[str, Any] = {
        "images": figures.fidelity(
            {"student": vectors, "linear": heads.linear.vectors(features)}, teacher, mean
        ),
        "images_per_second": {
            "student": figures.images_per_second(student, some),
            "teacher": figures.images_per_second(distillation.teacher, some),
        },
    }
    if heads.texts is not None:
        said |= _texts(knowledge, student, hashes, {"student": vectors, "teacher": teacher})
    return said


def _encoded(
    student: Encoder,
    decoded: Iterator[tuple[str, RgbImage]],
    heads: TaughtHeads,
    advance: Callable[[int], None],
) -> tuple[list[str], Float32[np.ndarray, "N S"], list[RgbImage]]:
    """Hashes, the taught block's vectors, and a few of the pictures themselves."""
    hashes: list[str] = []
    some: list[RgbImage] = []
    rows = [np.empty((0, heads.images.straight.out_features), dtype=np.float32)]
    batch: list[RgbImage] = []

    def encode() -> None:
        made = student.encode_images([student.prepare(image) for image in batch])
        rows.append(made.visual if heads.texts is None else made.semantic)
        advance(len(batch))
        batch.clear()

    for hash, image in decoded:
        hashes.append(hash)
        batch.append(image)
        some += [image] if len(some) < figures.TIMED else []
        if len(batch) == BATCH:
            encode()
    if batch:
        encode()
    return hashes, np.concatenate(rows), some


def _require_alike(
    vectors: Float32[np.ndarray, "N S"], trained: Float32[np.ndarray, "N S"]
) -> None:
    # The usual one: a single picture may differ, if a new decoder reads it otherwise than before.
    usual = float(np.median(figures.cosines(vectors, trained)))
    if usual < 0.98:
        raise ValueError(
            f"the written image tower gives other vectors than its head did in training (cosine"
            f" {usual:.3f}): remove the work folder, and run the same command again"
        )


def _texts(
    knowledge: Knowledge,
    student: Encoder,
    hashes: Sequence[str],
    image_unit: dict[str, Float32[np.ndarray, "N S"]],
) -> dict[str, Any]:
    """How near the text side is to the teacher's, and whether captions find their pictures."""
    theirs, _ = knowledge.said(knowledge.unseen_texts)
    ours = student.encode_texts(knowledge.unseen_texts)
    found: dict[str, Any] = {
        "texts": {"n": len(ours), "cosine": figures.interval(figures.cosines(ours, theirs))}
    }
    texts = knowledge.held_out_captions
    right: Bool[np.ndarray, "M N"] = np.array(
        [[text in knowledge.captions.get(hash, ()) for hash in hashes] for text in texts],
        dtype=bool,
    ).reshape(len(texts), len(hashes))
    shown, asked = np.any(right, axis=0), np.any(right, axis=1)
    if shown.any():
        said = [text for text, wanted in zip(texts, asked.tolist(), strict=True) if wanted]
        found["captions"] = figures.caption_figures(
            {name: vectors[shown] for name, vectors in image_unit.items()},
            {"student": student.encode_texts(said), "teacher": knowledge.said(said)[0]},
            right[np.ix_(asked, shown)],
        )
    return found
