"""`spectrum refine` on a large library: pictures a second without the stack, and peak memory.

python benchmarks/refine_scale.py [PICTURES] [FOLDER]

Makes a library of random vectors of 904 dimensions in FOLDER (a temporary one unless named), all of
which a stand-in has seen, and refines them over a bank of all of them with k = 16. The stand-in
takes the mean of the members, so the figures are those of the plumbing: reading, exact neighbours,
gathering, storing, and the swap. Then 1,000 pictures are added over that bank, and a search is
timed. Each part runs in a process of its own, whose peak of resident memory is told.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filters import SEMANTIC, VISUAL, RandomEncoder
from machine import machine_line
from sqlalchemy import insert

from indexer.progress import Progress
from indexer.refine import refine_added
from indexer.rows import grow, now
from indexer.schema import Content, Evidence, Location, StoredVector
from retrieval import Library
from spectrum.encoders.protocol import EncodedImages
from spectrum.stack.protocol import Explanation, ImageEvidence, Refined, StackIdentity

PER_TRANSACTION = 2_000
ADDED = 1_000


class Mean:
    """Every picture becomes the mean of its neighbourhood."""

    identity = StackIdentity(
        encoder=RandomEncoder.identity.fingerprint,
        weights_hash="0" * 32,
        modules=("mean",),
        neighbours=16,
    )

    def evidence(self, encoded: EncodedImages) -> ImageEvidence:
        raise NotImplementedError

    def likeness(self, local: np.ndarray) -> np.ndarray:
        return local * np.float32(0.5**0.5)

    def refine(self, local: np.ndarray, prompts: np.ndarray, member_mask: np.ndarray) -> Refined:
        mean = local.mean(axis=1)
        for block in (mean[:, :SEMANTIC], mean[:, SEMANTIC:]):
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        return Refined(mean, np.zeros(len(local), dtype=np.float32))

    def explain(
        self, local: np.ndarray, prompts: np.ndarray, member_mask: np.ndarray
    ) -> Explanation:
        raise NotImplementedError


def opened(folder: Path) -> Library:
    return Library.open(folder, encoder=RandomEncoder(), refiner=Mean())


def fill(folder: Path, first: int, n: int) -> None:
    """Writes the rows, as `spectrum index` would have."""
    with opened(folder) as library:
        space = library.catalogue.space() or library.catalogue.add_space(RandomEncoder.identity)
        for start in range(first, first + n, PER_TRANSACTION):
            numbers = range(start, min(start + PER_TRANSACTION, first + n))
            with library.catalogue.writing() as session:
                session.execute(insert(Content), [_content(i) for i in numbers])
                session.execute(insert(Location), [_location(i) for i in numbers])
                vectors, evidence = _seen(space.id, numbers)
                session.execute(insert(StoredVector), vectors)
                session.execute(insert(Evidence), evidence)
                grow(session, space.id)


def _content(i: int) -> dict[str, object]:
    size = {"width": 640, "height": 480, "format": "JPEG"}
    return {"id": i + 1, "hash": f"{i:032x}", "added_at": now(), **size}


def _location(i: int) -> dict[str, object]:
    named = {"path": f"/photos/{i:08}.jpg", "folder": "/photos/", "name": f"{i:08}.jpg"}
    seen = {"size_bytes": 1, "mtime_ns": 1, "state": "present", "changed_at": now()}
    return {**named, **seen, "content_id": i + 1}


def _seen(
    space_id: int, numbers: Sequence[int]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    rng = np.random.default_rng(numbers[0])
    base = rng.normal(size=(len(numbers), SEMANTIC + VISUAL)).astype("<f4")
    for block in (base[:, :SEMANTIC], base[:, SEMANTIC:]):
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    prompts = base[:, :SEMANTIC].astype("<f2")
    shift = np.zeros(SEMANTIC, dtype="<f2").tobytes()
    keys = [{"space_id": space_id, "content_id": i + 1} for i in numbers]
    return (
        [{**key, "base": row.tobytes()} for key, row in zip(keys, base, strict=True)],
        [
            {**key, "stack": Mean.identity.fingerprint, "shift": shift, "prompt": row.tobytes()}
            for key, row in zip(keys, prompts, strict=True)
        ],
    )


def measured(part: str, folder: Path) -> str:
    """Does one part in this process; returns its row of the table."""
    begun, used = time.perf_counter(), time.process_time()
    with opened(folder) as library:
        if part == "refine":
            n = library.refine().refined
        elif part == "add":
            n = refine_added(
                library.catalogue, library.space, Mean(), budget="best", progress=Progress()
            ).refined
        else:
            n = len(library.search("1", top=100).hits)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return f"| {part} | {n:,} | {seconds:.1f} | {cpu:.1f} | {n / seconds:,.0f} | {peak:.2f} |"


def in_a_process(part: str, folder: Path) -> None:
    command = [sys.executable, __file__, part, str(folder)]
    subprocess.run(command, check=True)


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] in ("refine", "add", "search"):
        print(measured(sys.argv[1], Path(sys.argv[2])), flush=True)
        return
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else temporary) / "refine.library"
        fill(folder, 0, n)
        print("| part | pictures | seconds | CPU seconds | pictures/s | peak GB |", flush=True)
        print("| --- | --- | --- | --- | --- | --- |", flush=True)
        in_a_process("refine", folder)
        fill(folder, n, ADDED)
        in_a_process("add", folder)
        in_a_process("search", folder)
        print(f"\n{n:,} random vectors of {SEMANTIC + VISUAL} dimensions, k = 16.")
        print(machine_line("numpy", "faiss-cpu", "sqlalchemy"))


if __name__ == "__main__":
    main()
