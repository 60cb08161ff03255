"""Pictures of two colours and what is said of them: a small library to calibrate."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from retrieval.rejection.fitting import Sizes
from tests.stand_ins import COLOURS

QUICK = Sizes(company_epochs=2, company_examples=400, voids=300)
SEEN = ("wall", "carpet", "blanket", "field", "poster")


def paint_many(folder: Path, count: int, seed: int = 0) -> list[str]:
    """Paints pictures, writes captions.jsonl beside them, and gives all captions."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    names = list(COLOURS)
    said: list[str] = []
    with (folder / "captions.jsonl").open("w") as lines:
        for number in range(count):
            left, right = (names[i] for i in rng.integers(len(names), size=2))
            image = np.empty((16, 16, 3), dtype=np.uint8)
            image[:, :8], image[:, 8:] = COLOURS[left], COLOURS[right]
            image[0, 0] = (number % 256, number // 256, 7 + seed)
            Image.fromarray(image).save(folder / f"{number}.png")
            thing, other = (SEEN[i] for i in rng.integers(len(SEEN), size=2))
            captions = [
                f"a {left} {thing} beside a {right} {other}",
                f"the {thing} is {left} and the {other} is {right}",
            ]
            said += captions
            lines.write(json.dumps({"image": f"{number}.png", "captions": captions}) + "\n")
    return said
