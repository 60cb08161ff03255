"""Recall of ORACLE's boxes on photographs: which share of real boxes one of 8 covers by half.

python benchmarks/proposals.py [--shared ../shared] [--encoder embedded] [--limit N]

Beside them, in the same run: 8 equal tiles; the frame and seven fixed parts of it; and, where
its file is present, a detector trained on COCO's classes, its 8 best boxes. A real box counts as
found at an intersection over union of 0.5. Crowds are left out; a large box has more than a 25th
of the frame. 95 % intervals by bootstrap over photographs, since the boxes of one go together.
A few settings of the proposals were chosen on these photographs: their figure is optimistic.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from machine import machine_line
from PIL import Image

from spectrum.encoders import Encoder, load_encoder
from spectrum.oracle.proposals import proposals

MOST = 8
LARGE = 0.04
"""Share of the frame."""
DETECTOR_SIDE = 352
"""Pixels that the detector sees."""
HALVES = [
    [0, 0, 1, 1],
    [0.25, 0.25, 0.75, 0.75],
    [0, 0, 0.5, 1],
    [0.5, 0, 1, 1],
    [0, 0, 1, 0.5],
    [0, 0.5, 1, 1],
    [0.25, 0, 0.75, 1],
    [0, 0.25, 1, 0.75],
]

Finder = Callable[[np.ndarray], np.ndarray]
"""From a decoded photograph to at most 8 boxes: left, top, right, bottom, shares of the frame."""


class Scene(NamedTuple):
    """A photograph and its real boxes, shares of the frame."""

    path: Path
    boxes: np.ndarray


def scenes(folder: Path) -> Iterator[Scene]:
    """Photographs that have a box."""
    for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        things = [thing["bbox"] for thing in told["objects"] if not thing["iscrowd"]]
        if things:
            left, top, width, height = np.array(things, dtype=float).T
            corners = np.stack([left, top, left + width, top + height], axis=1)
            yield Scene(folder / told["image"], corners / np.array(told["box_wh"] * 2))


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of each two boxes."""
    starts = np.maximum(first[:, None, :2], second[None, :, :2])
    ends = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(ends - starts, 0, None).prod(axis=-1)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=-1) for each in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def by_tokens(encoder: Encoder) -> Finder:
    """ORACLE's proposals on the encoder's grid."""

    def find(pixels: np.ndarray) -> np.ndarray:
        grid = encoder.encode_images([encoder.prepare(pixels)], tokens=True).tokens
        assert grid is not None
        made = proposals(torch.tensor(grid))
        return made.boxes[0][made.mask[0]].numpy()

    return find


def by_detector(path: Path) -> Finder:
    """FastestDet's most certain boxes, of any class, those that overlap a better one left out."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)

    def find(pixels: np.ndarray) -> np.ndarray:
        shrunk = Image.fromarray(pixels).resize((DETECTOR_SIDE, DETECTOR_SIDE))
        entering = np.asarray(shrunk)[..., ::-1].transpose(2, 0, 1)[None] / np.float32(255)
        (made,) = session.run(None, {"input.1": np.ascontiguousarray(entering, dtype=np.float32)})
        told = made[0].reshape(made.shape[1], -1)
        certain = told[0] ** 0.6 * told[5:].max(axis=0) ** 0.4
        row, column = np.divmod(np.arange(told.shape[1]), made.shape[3])
        middles = np.stack(
            [(np.tanh(told[1]) + column), (np.tanh(told[2]) + row)], axis=1
        ) / np.array(made.shape[:1:-1])
        sides = 1 / (1 + np.exp(-told[3:5].T))
        boxes = np.concatenate([middles - sides / 2, middles + sides / 2], axis=1).clip(0, 1)
        return apart(boxes[np.argsort(-certain, kind="stable")])

    return find


def apart(boxes: np.ndarray) -> np.ndarray:
    """The first boxes that overlap none before them by more than a half, 8 at most."""
    kept: list[np.ndarray] = []
    for box in boxes:
        if not kept or overlaps(box[None], np.array(kept)).max() <= 0.5:
            kept.append(box)
        if len(kept) == MOST:
            break
    return np.array(kept)


def fixed(boxes: list[list[float]]) -> Finder:
    """The same boxes for every photograph."""
    return lambda _: np.array(boxes, dtype=float)


class Found(NamedTuple):
    """One photograph: real boxes and how many of them were found, of all and of the large."""

    counts: tuple[int, int, int, int]
    seconds: float


def measured(finder: Finder, scene: Scene) -> Found:
    pixels = np.asarray(Image.open(scene.path).convert("RGB"))
    start = time.process_time()
    boxes = finder(pixels)
    spent = time.process_time() - start
    hit = overlaps(scene.boxes, boxes).max(axis=1) >= 0.5
    large = (scene.boxes[:, 2:] - scene.boxes[:, :2]).prod(axis=1) > LARGE
    return Found((len(hit), int(hit.sum()), int(large.sum()), int((hit & large).sum())), spent)


def percentage(counts: np.ndarray) -> str:
    """Found of real, with the interval by bootstrap over photographs."""
    rng = np.random.default_rng(0)
    drawn = counts[rng.integers(0, len(counts), (2000, len(counts)))].sum(axis=1)
    low, high = np.percentile(100 * drawn[:, 1] / drawn[:, 0], [2.5, 97.5])
    real, found = counts.sum(axis=0)
    return f"{100 * found / real:.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall of ORACLE's boxes on photographs.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--encoder", default="embedded", help="embedded or embedded:FOLDER")
    parser.add_argument("--limit", type=int, help="only the first N photographs")
    said = parser.parse_args()
    torch.set_num_threads(1)
    known = list(scenes(said.shared / "data" / "coco_boxes"))[: said.limit]
    tiles = [[x / 4, y / 2, (x + 1) / 4, (y + 1) / 2] for y in range(2) for x in range(4)]
    finders = {
        "8 equal tiles": fixed(tiles),
        "the frame and 7 parts of it": fixed(HALVES),
        "ORACLE's proposals, encoder's tokens": by_tokens(load_encoder(said.encoder)),
    }
    detector = said.shared / "models" / "fastestdet" / "FastestDet.onnx"
    if detector.is_file():
        finders["FastestDet, trained on COCO's boxes"] = by_detector(detector)
    print("| boxes | recall, % | of large boxes, % | ms a photograph |\n| --- | --- | --- | --- |")
    for name, finder in finders.items():
        found = [measured(finder, scene) for scene in known]
        counts = np.array([each.counts for each in found])
        spent = 1000 * float(np.median([each.seconds for each in found]))
        print(
            f"| {name} | {percentage(counts[:, :2])} | {percentage(counts[:, 2:])} | {spent:.1f} |"
        )
    real, _, large, _ = counts.sum(axis=0)
    print(f"\n{len(known)} photographs, {real} boxes, {large} of them large; at most 8 boxes each.")
    print("Processor time; with the encoder's own, which is spent anyway.")
    print(machine_line("onnxruntime", "torch"))


if __name__ == "__main__":
    main()
