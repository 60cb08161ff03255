"""Which changed copies pass for near duplicates, which other pictures do, and how time grows.

python benchmarks/near_duplicates.py PICTURES...

PICTURES are folders of photographs; 300 are changed, and up to 1,200 of each folder are compared
with one another.
"""

import io
import sys
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


def main() -> None:
    encoder = load_encoder("embedded")
    rng = np.random.default_rng(0)
    folders = []
    for folder in sys.argv[1:]:
        found = [file for file in Path(folder).rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES]
        order = rng.permutation(len(found))[:1200]
        folders.append([sorted(found)[i] for i in order])
    files = list(chain.from_iterable(folders))
    hashes, vectors = seen(encoder, [file.read_bytes() for file in files])
    pairs = near_hash_pairs(hashes)
    bits = differing_bits(hashes[pairs[:, 0]], hashes[pairs[:, 1]])
    near = are_near(bits, cosines_of(vectors[pairs[:, 0]], vectors[pairs[:, 1]]))
    print(f"{len(files):,} pictures, {len(files) * (len(files) - 1) // 2:,} pairs:")
    print(f"{len(pairs)} near by their hashes, {near.sum()} by both witnesses:\n")
    for first, second in pairs[near]:
        print(f"    {files[first]} {files[second]}")
    changed = [folders[i % len(folders)][i // len(folders)] for i in range(300)]
    before, stored = seen(encoder, [file.read_bytes() for file in changed])
    print("\n| change | found |\n| --- | ---: |")
    for name, change in CHANGES.items():
        copies = [change(Image.open(file).convert("RGB")) for file in changed]
        after, found_vectors = seen(encoder, copies)
        near = are_near(differing_bits(before, after), cosines_of(stored, found_vectors))
        print(f"| {name} | {100 * near.mean():.0f} % |", flush=True)
    print("\n| hashes | seconds of the processor |\n| ---: | ---: |")
    for n in (50_000, 100_000, 200_000, 400_000):
        random = rng.integers(-(2**63), 2**63 - 1, size=n)
        start = time.process_time()
        near_hash_pairs(random)
        print(f"| {n:,} | {time.process_time() - start:.1f} |", flush=True)
    print()
    print(machine_line("onnxruntime", "numpy", "pillow"))


if __name__ == "__main__":
    main()
