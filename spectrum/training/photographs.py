"""Photographs with their captions or classes, and the views of them that are learned from."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageEnhance

from spectrum.training.mobilenet import SIDE_PIXELS

View = Literal["whole", "whole_flipped", "wide", "crop_1", "crop_2"]
VIEWS: tuple[View, ...] = get_args(View)
SIZES: dict[View, tuple[int, int]] = {"wide": (256, 192)}
"""Width and height of the view that is not square."""


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
    """One view of a photograph: the whole frame, its mirror image, or a random crop.

    224 x 224, but for the whole frame stretched to 256 x 192 (`wide`): the photographs of Flickr8k
    were squashed to squares, and the tower must know unsquashed ones too.
    The random crops (area 45 to 100 %, brightness and contrast within 30 %, mirrored or not) are
    drawn from the file's name, so a view of a photograph is always the same one.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    flipped = view == "whole_flipped"
    if view.startswith("crop"):
        random = np.random.default_rng([*path.name.encode(), 4 + int(view[-1])])
        across, down = np.sqrt(random.uniform(0.45, 1.0)) * np.exp(random.uniform(-0.1, 0.1, 2))
        across, down = min(across, 1.0) * width, min(down, 1.0) * height
        left, top = random.uniform(0, width - across), random.uniform(0, height - down)
        box = (left, top, left + across, top + down)
        flipped = bool(random.integers(2))
        image = ImageEnhance.Brightness(image).enhance(random.uniform(0.7, 1.3))
        image = ImageEnhance.Contrast(image).enhance(random.uniform(0.7, 1.3))
    size = SIZES.get(view, (SIDE_PIXELS, SIDE_PIXELS))
    image = image.resize(size, Image.Resampling.BILINEAR, box=box)
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[:, ::-1] if flipped else pixels)
