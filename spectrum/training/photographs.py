"""Photographs with their captions or classes, and the teacher's features of several views."""

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float16, UInt8
from PIL import Image, ImageEnhance

from spectrum.training.mobilenet import SIDE_PIXELS, Teacher

logger = logging.getLogger(__name__)

View = Literal["whole", "whole_flipped", "centre", "centre_flipped", "crop_1", "crop_2"]
VIEWS: tuple[View, ...] = get_args(View)
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """One photograph and what is known of it."""

    path: Path
    """Where the file is."""
    captions: tuple[str, ...] = ()
    """Sentences by people; empty where the set has classes instead."""
    label: str = ""
    """Its class; empty where the set has captions instead."""


def captioned(folder: Path, split: str | None = None) -> list[Photograph]:
    """The captioned photographs listed in `folder`/captions.jsonl, of one split if it is named."""
    photographs = []
    for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get("captions") and split in (None, row.get("split")):
            photographs.append(
                Photograph(path=folder / row["image"], captions=tuple(row["captions"]))
            )
    return photographs


def classified(folder: Path) -> list[Photograph]:
    """The photographs below `folder`, whose subfolders are their classes; in sorted order."""
    return [
        Photograph(path=path, label=path.parent.name)
        for path in sorted(folder.glob("*/*"))
        if path.suffix.lower() in {".jpg", ".jpeg", ".png"}
    ]


def seen(path: Path, view: View) -> UInt8[np.ndarray, "H W 3"]:
    """One view of a photograph, 224 x 224: the whole frame squashed, its centre, or a random crop.

    The random crops (area 45 to 100 %, brightness and contrast within 30 %, flipped or not) are
    drawn from the file's name, so a view of a photograph is always the same one.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    flipped = view.endswith("flipped")
    random = np.random.default_rng([*path.name.encode(), VIEWS.index(view)])
    if view.startswith("centre"):
        box = (width / 16, height / 16, width * 15 / 16, height * 15 / 16)
    if view.startswith("crop"):
        across, down = np.sqrt(random.uniform(0.45, 1.0)) * np.exp(random.uniform(-0.1, 0.1, 2))
        across, down = min(across, 1.0) * width, min(down, 1.0) * height
        left, top = random.uniform(0, width - across), random.uniform(0, height - down)
        box = (left, top, left + across, top + down)
        flipped = bool(random.integers(2))
        image = ImageEnhance.Brightness(image).enhance(random.uniform(0.7, 1.3))
        image = ImageEnhance.Contrast(image).enhance(random.uniform(0.7, 1.3))
    image = image.resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BILINEAR, box=box)
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[:, ::-1] if flipped else pixels)


def pooled_features(
    teacher: Teacher, photographs: Sequence[Photograph], view: View
) -> Float16[np.ndarray, "N F"]:
    """The teacher's pooled features of one view of each photograph."""

    def batches() -> Iterator[UInt8[np.ndarray, "B H W 3"]]:
        with ThreadPoolExecutor(2) as pool:
            for start in range(0, len(photographs), BATCH):
                paths = [photograph.path for photograph in photographs[start : start + BATCH]]
                yield np.stack(list(pool.map(lambda path: seen(path, view), paths)))

    with torch.inference_mode():
        made = [teacher(torch.from_numpy(batch)).to(torch.float16).numpy() for batch in batches()]
    return np.concatenate(made)


def cached_features(
    teacher: Teacher, photographs: Sequence[Photograph], views: Sequence[View], stem: Path
) -> Float16[np.ndarray, "views N F"]:
    """Features of several views, kept beside each other as `stem`_VIEW.npy and read when there."""
    found = []
    for view in views:
        path = stem.with_name(f"{stem.name}_{view}.npy")
        if not path.exists():
            np.save(path, pooled_features(teacher, photographs, view))
            logger.info("features of %d photographs, view %s -> %s", len(photographs), view, path)
        found.append(np.load(path))
    return np.stack(found)
