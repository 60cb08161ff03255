"""What phase 1 of refinement adds to the encoding of a picture: the encoder alone, and with it.

python benchmarks/phase_one.py [--pictures 128] [--rounds 7] [--threads 1]

Pictures are the demo's scenes, prepared beforehand, in batches of 32 as indexing takes them. Rounds
go in turn: the embedded encoder alone, the encoder giving its grid of tokens too, and that with
phase 1 behind it (`evidence` of the shipped stack, all modules). The least of a way's times is its
figure, by the clock and of the processor. Phase 1 computes on one thread and the encoder, by
default, too; with `--threads 2` it encodes two pictures at once and then waits for phase 1, which
`spectrum index` does not: there the next pictures are decoded meanwhile.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import machine_line
from PIL import Image

from retrieval.sample.collection import write_collection
from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.encoders.protocol import Pixels
from spectrum.stack.loading import load_refiner

BATCH = 32


def prepared(encoder: EmbeddedEncoder, n: int) -> list[Pixels]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_collection(Path(temporary) / "scenes", n_scenes=n).parent
        files = sorted((folder / "images").iterdir())
        return [encoder.prepare(np.asarray(Image.open(file).convert("RGB"))) for file in files]


def timed(run: Callable[[list[Pixels]], object], pixels: list[Pixels]) -> tuple[float, float]:
    """Milliseconds a picture by the clock, and of the processor."""
    begun, used = time.perf_counter(), time.process_time()
    for first in range(0, len(pixels), BATCH):
        run(pixels[first : first + BATCH])
    spent = time.perf_counter() - begun, time.process_time() - used
    return 1000 * spent[0] / len(pixels), 1000 * spent[1] / len(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description="What phase 1 adds to encoding.")
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="the encoder's")
    said = parser.parse_args()
    encoder = EmbeddedEncoder(threads=said.threads)
    refiner = load_refiner(encoder.identity, "best")
    assert refiner is not None
    pixels = prepared(encoder, said.pictures)
    ways: dict[str, Callable[[list[Pixels]], object]] = {
        "encoder": encoder.encode_images,
        "encoder, tokens too": lambda some: encoder.encode_images(some, tokens=True),
        "encoder and phase 1": lambda some: refiner.evidence(
            encoder.encode_images(some, tokens=True)
        ),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(said.rounds + 1):
        for name, run in ways.items():
            times[name].append(timed(run, pixels))
    print("| | ms a picture | min to max | processor ms | added | of the processor |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    for name, spent in times.items():
        clock, processor = (list(each) for each in zip(*spent[1:], strict=True))
        first = [min(column) for column in zip(*times["encoder"][1:], strict=True)]
        shares = [
            f"{100 * (min(a) / b - 1):+.0f} %"
            for a, b in zip((clock, processor), first, strict=True)
        ]
        span = f"{statistics.median(clock):.2f}, {min(clock):.2f} to {max(clock):.2f}"
        print(f"| {name} | {span.replace(', ', ' | ')} | {min(processor):.2f} |", end="")
        print(f" {' | '.join(shares)} |")
    print(f"\n{said.pictures} pictures, {said.rounds} rounds, encoder on {said.threads} threads;")
    print("medians of the clock, the least of the processor, and the least of both compared.")
    print(machine_line("onnxruntime", "torch"))


if __name__ == "__main__":
    main()
