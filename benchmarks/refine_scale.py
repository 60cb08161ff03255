"""`spectrum refine` on a large library: pictures a second, the parts of them, and peak memory.

python benchmarks/refine_scale.py [PICTURES] [--stack mean] [--vectors isotropic] [--folder FOLDER]

Makes a library in FOLDER (a temporary one unless named) that the stack has seen, of vectors like a
real collection's (see `filled_library.py`), and refines it over a bank of all its pictures. Then
1,000 pictures are added over that bank, and a search is timed. Each part runs in a process of its
own, whose peak of resident memory is told. The stack is the embedded encoder's with all its
modules; `mean` takes the mean of 16 neighbours, which leaves the plumbing: reading, neighbours,
gathering, storing, and the swap. "refining" is phase 2 by itself, from loading the bank to the last
stored vector.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from filled_library import SEMANTIC, Photographs, RandomEncoder, fill, isotropic
from machine import machine_line

from indexer.progress import Progress
from indexer.refine import refine_added
from retrieval import Library
from spectrum.encoders import load_encoder
from spectrum.encoders.protocol import EncodedImages, Encoder
from spectrum.stack.loading import load_refiner
from spectrum.stack.protocol import Explanation, ImageEvidence, Refined, Refiner, StackIdentity

ADDED = 1_000
PARTS = ("refine", "add", "search")


class Mean:
    """Every picture becomes the mean of its neighbourhood."""

    identity = StackIdentity(
        encoder=RandomEncoder.identity.fingerprint,
        weights_hash="0" * 32,
        modules=("mean",),
        neighbours=16,
    )

    lexicon = None

    def evidence(self, encoded: EncodedImages) -> ImageEvidence:
        raise NotImplementedError

    def likeness(self, local: np.ndarray) -> np.ndarray:
        return local * np.float32(0.5**0.5)

    def refine(self, local: np.ndarray, prompts: np.ndarray, member_mask: np.ndarray) -> Refined:
        mean = local.mean(axis=1)
        for block in (mean[:, :SEMANTIC], mean[:, SEMANTIC:]):
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        return Refined(mean, np.zeros((len(local), 2), dtype=np.float32))

    def explain(
        self, local: np.ndarray, prompts: np.ndarray, member_mask: np.ndarray
    ) -> Explanation:
        raise NotImplementedError


class Stopwatch(Progress):
    """When refining began, and when its last picture was stored."""

    begun = last = 0.0

    def enter(self, stage: str, total: int) -> None:
        self.begun = time.perf_counter()

    def advance(self, n: int, n_failed: int) -> None:
        self.last = time.perf_counter()


def chosen(stack: str) -> tuple[Encoder, Refiner]:
    """The stack of that name, and the encoder that it refines."""
    if stack == "mean":
        return RandomEncoder(), Mean()
    encoder = load_encoder("embedded")
    refiner = load_refiner(encoder.identity, "best")
    assert refiner is not None
    return encoder, refiner


def measured(part: str, folder: Path, stack: str) -> str:
    """Does one part in this process; returns its row of the table."""
    encoder, refiner = chosen(stack)
    begun, used, watch = time.perf_counter(), time.process_time(), Stopwatch()
    with Library.open(folder, encoder=encoder, refiner=refiner) as library:
        if part == "refine":
            n = library.refine(progress=watch).refined
        elif part == "add":
            n = refine_added(
                library.catalogue, library.space, refiner, budget="best", progress=watch
            ).refined
        else:
            n = len(library.search("1", top=100).hits)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    refining = watch.last - watch.begun
    rate = f"{refining:.1f} | {n / refining:,.0f}" if refining else "– | –"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # kibibytes
    return f"| {part} | {n:,} | {seconds:.1f} | {cpu:.1f} | {rate} | {peak:.2f} |"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What refining a large library costs.")
    parser.add_argument("pictures", type=int, nargs="?", default=100_000)
    parser.add_argument("--stack", choices=("shipped", "mean"), default="shipped")
    parser.add_argument("--vectors", choices=("photographs", "isotropic"), default="photographs")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--part", choices=PARTS, help="only this one, of a library that is there")
    return parser.parse_args()


def main() -> None:
    said = arguments()
    if said.part:
        print(measured(said.part, said.folder, said.stack), flush=True)
        return
    n = said.pictures
    with tempfile.TemporaryDirectory() as temporary:
        folder = (said.folder or Path(temporary)) / "refine.library"
        vectors = isotropic if said.vectors == "isotropic" else Photographs(n)
        encoder, refiner = chosen(said.stack)
        print(
            "| part | pictures | seconds | CPU seconds | refining, s | pictures/s | peak GB |\n"
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            flush=True,
        )
        for part, first, count in (("refine", 0, n), ("add", n, ADDED), ("search", 0, 0)):
            with Library.open(folder, encoder=encoder, refiner=refiner) as library:
                stack = refiner.identity.fingerprint
                fill(library, encoder.identity, first, count, vectors, stack=stack)
            command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
            subprocess.run([*command, "--stack", said.stack], check=True)
    print(
        f"\n{n:,} vectors, {said.vectors}; k = {refiner.identity.neighbours},"
        f" modules: {', '.join(refiner.identity.modules)}."
    )
    print(machine_line("numpy", "faiss-cpu", "sqlalchemy", "torch"))


if __name__ == "__main__":
    main()
