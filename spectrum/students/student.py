"""THE STORY of a student: what a large encoder knows of some pictures, in one small file.

Split the pictures by content hash; ask the teacher and the embedded encoder about texts; fit and
train the heads; set them on the embedded towers; measure the result on pictures that nothing was
fitted to; write everything into one `.spectrum` file. What the teacher said is kept in the work
folder, so nothing is asked twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spectrum.encoders import EncoderIdentity
from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.students.assembly import TOWERS, write_file, write_student
from spectrum.students.card import model_card
from spectrum.students.head_training import HeadTrainer, TaughtHeads
from spectrum.students.held_out import Pictures, measured
from spectrum.students.knowledge import Distillation, Knowledge
from spectrum.students.lessons import split_of
from spectrum.students.teachers import size_bytes


def distilled(
    distillation: Distillation,
    hashes: Sequence[str],
    captions: Mapping[str, Sequence[str]],
    pictures: Pictures,
    target: Path,
) -> dict[str, Any]:
    """Makes the student of pictures that are in the cache, writes `target`, returns the report.

    `captions` holds texts by content hash, and may be empty. Raises TooFewPicturesError, and
    OSError if a file cannot be written.
    """
    knowledge = Knowledge(
        distillation=distillation, split=split_of(hashes), captions=dict(captions)
    )
    texts = knowledge.text_lessons()
    distillation.progress.stage("teaching", distillation.training.epochs)
    trainer = HeadTrainer(
        knowledge.image_lessons(), texts, knowledge.text_rows, distillation.training
    )
    heads = trainer.taught(lambda: distillation.progress.advance(1))
    folder = distillation.work / "student"
    write_student(knowledge, heads, folder)
    student = EmbeddedEncoder(str(folder))
    report = _facts(knowledge, heads, student, folder)
    report |= measured(knowledge, heads, student, pictures)
    write_file(folder, model_card(report), target)
    return report


def _facts(
    knowledge: Knowledge, heads: TaughtHeads, student: EmbeddedEncoder, folder: Path
) -> dict[str, Any]:
    """The part of the report that is known without measuring."""
    teacher = knowledge.distillation.teacher
    rows = knowledge.text_rows
    return {
        "teacher": _said(teacher.identity) | {"bytes": size_bytes(teacher.identity.name)},
        "student": _said(student.identity)
        | {
            "taught_block": "visual" if heads.texts is None else "semantic",
            "visual_weight": student.visual_weight,
            "bytes": sum((folder / name).stat().st_size for name in TOWERS),
        },
        "embedded_encoder": _said(knowledge.distillation.base.identity),
        "pictures": {name: len(part) for name, part in knowledge.split._asdict().items()},
        "training_texts": {
            "training": len(rows.training),
            "validation": len(rows.validation),
            "pictures_with_captions": len(rows.captions.images),
        },
        "settings": asdict(knowledge.distillation.training),
        "epochs": [epoch._asdict() for epoch in heads.epochs],
        "best_epoch": heads.best_epoch,
    }


def _said(identity: EncoderIdentity) -> dict[str, Any]:
    return {
        "name": identity.name,
        "fingerprint": identity.fingerprint,
        "semantic_dimension": identity.semantic_dimension,
        "visual_dimension": identity.visual_dimension,
        "licence": identity.licence,
    }
