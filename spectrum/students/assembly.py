"""Puts a student together: towers, identity and card in a folder, and all in one file."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from spectrum.encoders import EncodedImages
from spectrum.encoders.files import weights_hash
from spectrum.encoders.weight_files import write_archive
from spectrum.students.figures import best_visual_weight, ranking
from spectrum.students.head_training import TaughtHeads
from spectrum.students.knowledge import Distillation, Knowledge
from spectrum.students.teachers import public_name
from spectrum.students.towers import image_student, text_student

TOWERS = ("image_tower.onnx", "text_tower.onnx", "tokenizer.json")
CARD = "MODEL_CARD.md"


def write_student(knowledge: Knowledge, heads: TaughtHeads, folder: Path) -> None:
    """Writes the towers with their new heads, and the identity, into a folder.

    A teacher with words gives the student its semantic vector, one without its visual vector; the
    other block stays the embedded encoder's. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base = knowledge.distillation.base.files
    image_tower, text_tower = (base.content(name) for name in TOWERS[:2])
    block = "visual" if heads.texts is None else "semantic"
    (folder / TOWERS[0]).write_bytes(image_student(image_tower, heads.images, block))
    if heads.texts is not None:
        text_tower = text_student(text_tower, heads.texts)
    (folder / TOWERS[1]).write_bytes(text_tower)
    (folder / TOWERS[2]).write_bytes(base.content(TOWERS[2]))
    said = _identity(knowledge, heads, block)
    said["weights_hash"] = weights_hash([folder / name for name in TOWERS])
    text = json.dumps(said, indent=2) + "\n"
    (folder / "identity.json").write_text(text, encoding="utf-8")


def write_file(folder: Path, card: str, target: Path) -> None:
    """Writes the folder's files and the card into one `.spectrum` file. Raises OSError."""
    (folder / CARD).write_text(card, encoding="utf-8", errors="backslashreplace")
    write_archive(folder, [*TOWERS, "identity.json", CARD], target)


def _identity(knowledge: Knowledge, heads: TaughtHeads, block: str) -> dict[str, Any]:
    """The base's identity, with what is other now; the hash is for the caller to add."""
    distillation = knowledge.distillation
    said: dict[str, Any] = json.loads(distillation.base.files.content("identity.json"))
    teacher = distillation.teacher.identity
    return said | {
        f"{block}_dimension": heads.images.straight.out_features,
        "visual_weight": _visual_weight(knowledge, heads, block),
        "licence": f"the teacher's terms hold ({teacher.licence}), and the embedded encoder's"
        f" ({distillation.base.identity.licence})",
        "teacher": public_name(teacher.name),
        "teacher_fingerprint": teacher.fingerprint,
        "base_fingerprint": distillation.base.identity.fingerprint,
    }


def _visual_weight(knowledge: Knowledge, heads: TaughtHeads, block: str) -> float:
    """omega that ranks the validation pictures most as the teacher ranks them."""
    hashes = knowledge.split.validation
    teacher = knowledge.distillation.teacher
    theirs = knowledge.teacher_images(hashes)
    return best_visual_weight(
        student_images(knowledge.distillation, heads, knowledge.views(hashes)[0], block),
        ranking(theirs.semantic, theirs.visual, teacher.visual_weight),
        otherwise=knowledge.distillation.base.visual_weight,
    )


def student_images(
    distillation: Distillation,
    heads: TaughtHeads,
    features: "np.ndarray[Any, np.dtype[Any]]",
    block: str,
) -> EncodedImages:
    """The student's vectors of pictures whose features N F are known."""
    base = distillation.base.identity
    wide = features.astype(np.float32)
    blocks = {
        "semantic": wide[:, : base.semantic_dimension],
        "visual": wide[:, base.semantic_dimension : base.dimension],
        block: heads.images.vectors(features),
    }
    return EncodedImages(semantic=blocks["semantic"], visual=blocks["visual"], tokens=None)
