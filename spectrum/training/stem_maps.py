"""What the frozen, quantised stems make of photographs: where the training of the tails starts."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float16

from spectrum.training.backbone import Stems
from spectrum.training.export import exported
from spectrum.training.photographs import Photograph, View, seen
from spectrum.training.quantisation import opened, quantise

logger = logging.getLogger(__name__)

CALIBRATING = 100
"""Photographs that the ranges of activations are taken from."""


class Maps(NamedTuple):
    """Both stems' maps of N photographs."""

    extractor: Float16[np.ndarray, "N 512 h w"]
    classifier: Float16[np.ndarray, "N 320 h w"]


def calibration(photographs: Sequence[Photograph]) -> list[np.ndarray]:
    """Photographs to calibrate on, evenly drawn from training ones."""
    step = max(1, len(photographs) // CALIBRATING)
    return [seen(photograph.path, "whole") for photograph in photographs[::step][:CALIBRATING]]


def write_stems(stems: Stems, photographs: Sequence[Photograph], path: Path) -> None:
    """Writes the stems in eight bits to `path`, unless they are there."""
    if path.exists():
        return
    whole = path.with_suffix(".float32.onnx")
    example = torch.zeros((2, 224, 224, 3), dtype=torch.uint8)
    axes = {0: "batch", 1: "rows", 2: "columns"}
    exported(stems, example, axes, ["extractor", "classifier"], whole, storage="float32")
    quantise(whole, calibration(photographs), path)


def cached_maps(stems: Path, photographs: Sequence[Photograph], view: View, path: Path) -> Maps:
    """The maps of one view of all photographs, read from `path`_*.npy if they are there.

    The training then sees what the shipped stems give, errors of eight bits included.
    """
    files = [path.with_name(f"{path.name}_{part}.npy") for part in Maps._fields]
    if not all(file.exists() for file in files):
        session = opened(stems)

        def maps(photograph: Photograph) -> list[np.ndarray]:
            pixels = seen(photograph.path, view)[None]
            return [made.astype(np.float16) for made in session.run(None, {"input": pixels})]

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            rows = list(pool.map(maps, photographs))
        for number, file in enumerate(files):
            part = file.with_suffix(".part.npy")
            np.save(part, np.concatenate([row[number] for row in rows]))
            part.replace(file)
        logger.info("%s: maps of %d photographs", path, len(photographs))
    return Maps(*(np.load(file, mmap_mode="r") for file in files))
