"""The five image teachers: what each says of a photograph, and what all of them say together."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, UInt8
from PIL import Image

from spectrum.training.photographs import Photograph, View, seen

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One tensor of a teacher, and how its places become one vector."""

    tensor: int
    """Its number in the file."""
    places: tuple[str, ...] = ("mean",)
    """`mean`, `max` or both, over the places of a grid or the anchors of a detector."""


@dataclass(frozen=True, kw_only=True)
class ImageTeacher:
    """A quantised network of `../shared/models`, and the tensors of it that are listened to."""

    file: str
    """Its path below the folder of models."""
    side: int
    """Pixels of the square that it sees."""
    signals: dict[str, Signal]
    """By the name under which a signal is kept."""


TEACHERS = {
    # numbers of tensors: ../shared/models/README.md
    "classifier": ImageTeacher(
        file="mobilenet_v2/mobilenet_v2_1.0_224_quant.tflite",
        side=224,
        signals={"classifier": Signal(tensor=169)},
    ),
    "other_classifier": ImageTeacher(
        file="mobilenet_v2/tf2_mobilenet_v2_1.0_224_ptq.tflite",
        side=224,
        signals={"other_classifier": Signal(tensor=172)},
    ),
    "extractor": ImageTeacher(
        file="mobilenet_v1/mobilenet_v1_1.0_224_quant_embedding_extractor.tflite",
        side=224,
        signals={"extractor": Signal(tensor=-1)},
    ),
    "labeler": ImageTeacher(
        file="object_labeler/object_labeler.tflite",
        side=224,
        signals={
            "labeler": Signal(tensor=0),
            "labeler_last": Signal(tensor=5),
            "labeler_logits": Signal(tensor=173),
        },
    ),
    "detector": ImageTeacher(
        file="ssd_mobilenet_v1/ssd_mobilenet_v1.tflite",
        side=300,
        signals={
            "detector_fine": Signal(tensor=97, places=("mean", "max")),
            "detector_coarse": Signal(tensor=109),
            "detector_logits": Signal(tensor=173, places=("max",)),
        },
    ),
}
SIGNALS = tuple(name for teacher in TEACHERS.values() for name in teacher.signals)


@cache
def interpreter(path: Path) -> Any:
    """The network at `path`, ready to run on one thread. Kept, since loading takes long."""
    from ai_edge_litert.interpreter import Interpreter

    # A teacher's hidden layers are only there afterwards if the interpreter is told to keep them.
    loaded = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
    loaded.allocate_tensors()
    return loaded


def heard(network: Any, signal: Signal) -> Float32[np.ndarray, " F"]:
    """A signal of a network that has just run, as real numbers: scale * (q - zero point)."""
    output = network.get_output_details()[0]["index"]
    number = output if signal.tensor == -1 else signal.tensor
    detail = next(entry for entry in network.get_tensor_details() if entry["index"] == number)
    scale, zero = detail["quantization"]
    values = scale * (network.get_tensor(number).astype(np.float32) - zero)
    places = values.reshape(-1, values.shape[-1])
    parts = [getattr(places, kind)(axis=0) for kind in signal.places]
    return np.asarray(np.concatenate(parts), dtype=np.float32)


def signals(models: Path, pixels: UInt8[np.ndarray, "H W 3"]) -> dict[str, Float32[Any, " F"]]:
    """What each teacher says of one photograph, by the signal's name."""
    said = {}
    for teacher in TEACHERS.values():
        network = interpreter(models / teacher.file)
        size = (teacher.side, teacher.side)
        fitted = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        network.set_tensor(network.get_input_details()[0]["index"], np.asarray(fitted)[None])
        network.invoke()
        for name, signal in teacher.signals.items():
            said[name] = heard(network, signal)
    return said


def view_signals(task: tuple[Path, Path, View]) -> dict[str, Float32[Any, " F"]]:
    """The teachers' signals of one view; a process's task."""
    models, path, view = task
    return signals(models, seen(path, view))


def cached_signals(
    models: Path, photographs: Sequence[Photograph], view: View, path: Path
) -> dict[str, Float16[Any, "N F"]]:
    """The teachers' signals of one view of all photographs, read from `path` if they are there."""
    if not path.exists():
        tasks = [(models, photograph.path, view) for photograph in photographs]
        # Started anew and not forked: the interpreter's threads don't survive a fork.
        pool = ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
        with pool:
            rows = list(pool.map(view_signals, tasks, chunksize=32))
        whole = {name: np.stack([row[name] for row in rows]).astype(np.float16) for name in SIGNALS}
        written = path.with_suffix(".part.npz")
        np.savez(written, allow_pickle=False, **whole)
        written.replace(path)
        logger.info("%s: %d teachers on %d photographs", path, len(TEACHERS), len(photographs))
    with np.load(path) as read:
        return {name: read[name] for name in SIGNALS}
