"""Which changed copies pass for near duplicates, which other pictures do, and how time grows.

python benchmarks/near_duplicates.py PICTURES... [--each 1200] [--changed 300] [--hashes N...]

PICTURES are folders of photographs, of which --each are compared with one another at most;
--changed of all are saved once more, in eight ways. Every picture is encoded once, every copy too.
"""

import argparse
import io
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
from machine import machine_line
from PIL import Image, ImageEnhance

from indexer.difference_hash import differing_bits
from indexer.images import IMAGE_SUFFIXES, Limits, decode
from indexer.near_duplicates import are_near, cosines_of, near_hash_pairs
from indexer.pipeline import stored_vectors
from spectrum.encoders import Encoder, load_encoder


def saved(image: Image.Image, kind: str = "JPEG", quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return buffer.getvalue()


def smaller(image: Image.Image, factor: int) -> Image.Image:
    size = (image.width // factor, image.height // factor)
    return image.resize(size, Image.Resampling.LANCZOS)


def cropped(image: Image.Image, share: float) -> Image.Image:
    left, top = image.width * share, image.height * share
    return image.crop((int(left), int(top), int(image.width - left), int(image.height - top)))


CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG of quality 30": lambda image: saved(image, quality=30),
    "brighter by a fifth": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.2)),
    "contrast up by a quarter": lambda image: saved(ImageEnhance.Contrast(image).enhance(1.25)),
    "1.5 % cropped on each side": lambda image: saved(cropped(image, 0.015)),
    "half as wide and high": lambda image: saved(smaller(image, 2), quality=85),
    "without colour": lambda image: saved(image.convert("L")),
    "5 % cropped on each side": lambda image: saved(cropped(image, 0.05)),
    "a quarter as wide and high, WebP": lambda image: saved(smaller(image, 4), "WEBP", 75),
}


def seen(encoder: Encoder, files: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes and vectors."""
    hashes, vectors = [], []
    for start in range(0, len(files), 16):
        some = [
            decode(data, limits=Limits(), side_pixels=encoder.side_pixels)
            for data in files[start : start + 16]
        ]
        hashes += [image.difference_hash for image in some]
        vectors.append(stored_vectors(encoder, [encoder.prepare(image.rgb) for image in some]))
    return np.array(hashes, dtype=np.int64), np.concatenate(vectors)


def chosen(folders: list[Path], each: int, rng: np.random.Generator) -> list[list[Path]]:
    """So many photographs of every folder, in an order that stays."""
    found = []
    for folder in folders:
        files = [file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES]
        order = rng.permutation(len(files))[:each]
        found.append([sorted(files)[i] for i in order])
    return found


def in_turn(folders: list[list[Path]], count: int) -> list[int]:
    """Places, in all folders one after another, of the first of each, the second of each, ..."""
    starts = np.cumsum([0, *map(len, folders)])
    longest = max(map(len, folders))
    places = [
        int(starts[number]) + row
        for row in range(longest)
        for number, folder in enumerate(folders)
        if row < len(folder)
    ]
    return places[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--each", type=int, default=1200, help="pictures of a folder, at most")
    parser.add_argument("--changed", type=int, default=300, help="pictures that are saved anew")
    parser.add_argument("--hashes", type=int, nargs="*", default=[50_000, 100_000, 200_000])
    arguments = parser.parse_args()
    encoder = load_encoder("embedded")
    rng = np.random.default_rng(0)
    folders = chosen(arguments.pictures, arguments.each, rng)
    files = list(chain.from_iterable(folders))
    started = time.process_time()
    hashes, vectors = seen(encoder, [file.read_bytes() for file in files])
    print(f"{len(files):,} pictures encoded: {time.process_time() - started:.0f} s of processor")
    pairs = near_hash_pairs(hashes)
    bits = differing_bits(hashes[pairs[:, 0]], hashes[pairs[:, 1]])
    near = are_near(bits, cosines_of(vectors[pairs[:, 0]], vectors[pairs[:, 1]]))
    print(f"{len(files) * (len(files) - 1) // 2:,} pairs:")
    print(f"{len(pairs)} near by their hashes, {near.sum()} by both witnesses:\n", flush=True)
    for first, second in pairs[near]:
        print(f"    {files[first]} {files[second]}")
    places = in_turn(folders, arguments.changed)
    before, stored = hashes[places], vectors[places]
    print(f"\n| change | found of {len(places)} |\n| --- | ---: |")
    for name, change in CHANGES.items():
        copies = [change(Image.open(files[place]).convert("RGB")) for place in places]
        after, found_vectors = seen(encoder, copies)
        near = are_near(differing_bits(before, after), cosines_of(stored, found_vectors))
        print(f"| {name} | {100 * near.mean():.0f} % |", flush=True)
    print("\n| hashes | seconds of the processor |\n| ---: | ---: |")
    for n in arguments.hashes:
        random = rng.integers(-(2**63), 2**63 - 1, size=n)
        start = time.process_time()
        near_hash_pairs(random)
        print(f"| {n:,} | {time.process_time() - start:.1f} |", flush=True)
    print()
    print(machine_line("onnxruntime", "numpy", "pillow"))


if __name__ == "__main__":
    main()
