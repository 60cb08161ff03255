"""The stages of the image tower: stems, ensemble, student. Each is kept in the work folder."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from spectrum.training.backbone import Stems, started
from spectrum.training.ensemble_head import EnsembleTeacher, EnsembleTrainer, EnsembleTraining
from spectrum.training.image_material import ASKED, ImageMaterial, gathered_images, lessons
from spectrum.training.student import Student, StudentTrainer, StudentTraining
from spectrum.training.student_measures import fitted, student_hits

logger = logging.getLogger(__name__)

FACTORING = 600
"""Photographs that the tails' narrow factors are fitted to."""


def kept(path: Path, settings: object, module: nn.Module, make: Callable[[], None]) -> None:
    """Loads the module from `path` if it was made with these settings; else makes and saves it."""
    if path.exists():
        saved = torch.load(path, weights_only=True)
        if saved["settings"] == repr(settings):
            module.load_state_dict(saved["state"])
            logger.info("%s: made before", path)
            return
    make()
    torch.save({"settings": repr(settings), "state": module.state_dict()}, path)
    logger.info("%s: made", path)


@dataclass(frozen=True, kw_only=True)
class ImageStages:
    """What the image tower is put together from."""

    stems: Stems
    """Frozen early layers."""
    student: Student
    """Trained late layers and heads."""
    classifier: nn.Linear
    """The pretrained classifier of 1,001 classes, 0 for the background."""
    material: ImageMaterial
    """What they were trained on."""


def trained_ensemble(
    training: EnsembleTraining,
    material: ImageMaterial,
    captions: Float32[np.ndarray, "N K S"],
    dev_captions: Float32[np.ndarray, "M K S"],
    work: Path,
) -> EnsembleTeacher:
    """The ensemble's heads, one for each fold."""
    signals = np.stack([material.joined("train", view) for view in ASKED])
    teacher = EnsembleTeacher(training, signals.shape[2], captions.shape[2])
    trainer = EnsembleTrainer(teacher, signals, captions)
    kept(work / "ensemble.pt", training, teacher, trainer.train)
    # Heads that were read from the file still drop features, and the figures would suffer.
    teacher.eval()
    hits = trainer.dev_hits(material.joined("dev", "whole"), dev_captions)
    logger.info("ensemble on dev: %s", hits)
    return teacher


def trained_student(
    training: StudentTraining,
    ensemble: EnsembleTraining,
    shared: Path,
    work: Path,
    captions: Float32[np.ndarray, "N K S"],
    dev_captions: Float32[np.ndarray, "M K S"],
    hear: Callable[[], Float32[np.ndarray, "N K S"]],
) -> ImageStages:
    """All stages of the image tower; `captions` are the sentence teacher's vectors.

    `hear` says what the text tower that ships makes of the same; it is asked only if the student
    is trained.
    """
    models = shared / "models"
    stems, _, _ = started(models)
    material = gathered_images(models, shared / "data", stems, work)
    entering = material.maps["train", "whole"].extractor[:FACTORING].astype(np.float32)
    stems, tails, classifier = started(models, torch.from_numpy(entering))
    torch.manual_seed(training.seed)
    student = Student(training, tails, captions.shape[2])

    def make() -> None:
        teacher = trained_ensemble(ensemble, material, captions, dev_captions, work)
        fitted(student, material.maps["train", "whole"])
        taught = lessons(material, captions, teacher, classifier, training, hear())

        def watch(student: Student) -> str:
            hits = student_hits(student, material.maps["dev", "whole"], dev_captions)
            return f"dev {hits['text_to_image']} ; {hits['image_to_text']}"

        StudentTrainer(training, student, taught).train(watch)

    kept(work / "student.pt", (training, ensemble), student, make)
    return ImageStages(
        stems=stems, student=student.eval(), classifier=classifier, material=material
    )
