"""Images a second: the embedded encoder against ViT-B/32 (random weights; speed is the same).

python benchmarks/encoder_speed.py [N_IMAGES] [ROUNDS]

Rounds alternate between the two, so a drift of the machine's speed meets both. Pixels are random
and prepared beforehand: decoding is left out. ViT-B/32 runs in batches of 32 in torch, all cores.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import torch
from machine import machine_line

from spectrum.encoders import Encoder, load_encoder

BATCH = 32


def rate(encoder: Encoder, pixels: list[np.ndarray]) -> float:
    """Images a second."""
    start = time.perf_counter()
    for first in range(0, len(pixels), BATCH):
        encoder.encode_images(pixels[first : first + BATCH])
    return len(pixels) / (time.perf_counter() - start)


def main() -> None:
    n_images = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "vit_b_32.pt"
        torch.save(open_clip.create_model("ViT-B-32", pretrained=None).state_dict(), weights)
        encoders = {
            "embedded": load_encoder("embedded"),
            "open_clip ViT-B/32": load_encoder(f"open_clip:ViT-B-32/{weights}"),
        }
        rng = np.random.default_rng(0)
        images = [rng.integers(0, 256, (256, 320, 3), dtype=np.uint8) for _ in range(n_images)]
        runs: dict[str, Callable[[], float]] = {}
        for name, encoder in encoders.items():
            pixels = [encoder.prepare(image) for image in images]
            runs[name] = lambda encoder=encoder, pixels=pixels: rate(encoder, pixels)  # type: ignore[misc]
            encoder.encode_images(pixels[:BATCH])  # loads the weights
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                rates[name].append(run())
    print("| encoder | images/s, median | min | max |\n| --- | --- | --- | --- |")
    for name, found in rates.items():
        print(f"| {name} | {statistics.median(found):.0f} | {min(found):.0f} | {max(found):.0f} |")
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    print(f"\nRatio, round by round: median {statistics.median(ratios):.1f},")
    print(f"{min(ratios):.1f} to {max(ratios):.1f}; {n_images} images, {rounds} rounds.")
    print(machine_line("onnxruntime", "torch", "open_clip_torch"))


if __name__ == "__main__":
    main()
