"""Runs of an indexer that end before their time, each in a process of its own.

A process is forked from a server that has everything imported and no thread started, so that a
run costs a fraction of a second. It dies by SIGKILL: nothing of Python gets to tidy up.
"""

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

import indexer.build
import indexer.catalogue
import indexer.vectors.faiss_store
import retrieval.cli.main
import retrieval.library
from indexer.build import BuildOptions, build
from indexer.catalogue import Catalogue
from indexer.database import CATALOGUE_FILE
from indexer.pipeline import Flow
from retrieval import Library
from spectrum.encoders import EncodedImages
from tests.stand_ins import ColourEncoder

BATCH_SIZE = 4

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload([__name__, "alembic.command", "alembic.config"])


class CountingEncoder(ColourEncoder):
    """Writes a line for every image it encodes, since a killed process can tell no tales."""

    def __init__(self, tally: Path, seconds_per_batch: float = 0.0) -> None:
        super().__init__()
        self.tally = tally
        self.seconds_per_batch = seconds_per_batch

    def encode_images(self, pixels: Sequence[np.ndarray], *, tokens: bool = False) -> EncodedImages:
        with self.tally.open("a") as file:
            file.write("image\n" * len(pixels))
        time.sleep(self.seconds_per_batch)
        return super().encode_images(pixels, tokens=tokens)


def options(*, prune: bool = False) -> BuildOptions:
    return BuildOptions(prune=prune, flow=Flow(batch_size=BATCH_SIZE, workers=2))


def started(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that runs `target`, started."""
    process = server.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def exit_code(process: BaseProcess) -> int:
    """Waits for the process; -9 if it was killed."""
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def doomed_run(library: Path, pictures: Path, tally: Path, moment: str, nth: int) -> None:
    """Indexes, and kills itself at the n-th time that `moment` comes."""
    owner, name, is_after = _MOMENTS[moment]
    before = getattr(owner, name)
    count = 0

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = before(*arguments, **named)
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)
    run(library, pictures, tally)


def run(library: Path, pictures: Path, tally: Path, seconds_per_batch: float = 0.0) -> None:
    """Indexes to the end."""
    encoder = CountingEncoder(tally, seconds_per_batch)
    library.mkdir(exist_ok=True)
    catalogue = Catalogue.open(library / CATALOGUE_FILE)
    progress = indexer.build.Progress()
    build(library, catalogue, [str(pictures)], encoder, options(prune=True), progress)


def command_line(
    arguments: list[str],
    said: Path,
    tally: Path,
    seconds_per_batch: float = 0.0,
    largest_file_bytes: int | None = None,
) -> None:
    """`spectrum ARGUMENTS` with the stand-in; everything it says goes to the file `said`."""
    retrieval.library.load_encoder = lambda name: CountingEncoder(tally, seconds_per_batch)
    # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if largest_file_bytes is not None:
        # Writing past it fails as on a full disk: Python ignores the signal that would come first.
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))
    sys.argv = ["spectrum", *arguments]
    retrieval.cli.main.main()


def n_lines(tally: Path) -> int:
    return len(tally.read_text().splitlines()) if tally.exists() else 0


def contents_of(library: Library) -> dict[str, tuple[str, int, int, str]]:
    """Path -> state, size, time of change, hash: what the catalogue is to hold of every file."""
    catalogue = library.catalogue
    known = catalogue.known_under("/", library.space.id)
    ids = [file.content_id for file in known.values() if file.content_id is not None]
    hashes = catalogue.hashes(ids)
    return {
        path: (file.state, file.size_bytes, file.mtime_ns, hashes.get(file.content_id or -1, ""))
        for path, file in known.items()
    }


def vectors_of(library: Library) -> dict[str, np.ndarray]:
    """Path -> vector, of all that are present."""
    ids = library.catalogue.searchable_ids(library.space.id)
    paths = library.catalogue.paths_of(ids.tolist())
    vectors = library.catalogue.vectors(ids, library.space)
    return {
        path: vector for id, vector in zip(ids.tolist(), vectors, strict=True) for path in paths[id]
    }


_MOMENTS: dict[str, tuple[Any, str, bool]] = {
    "migrating": (indexer.catalogue, "connect", True),
    "before a batch is encoded": (CountingEncoder, "encode_images", False),
    "after a batch is encoded": (CountingEncoder, "encode_images", True),
    "inside a transaction": (indexer.catalogue, "grow", True),
    "between vector and rows": (indexer.catalogue, "store_vector", True),
    "after a commit": (Catalogue, "record", True),
    "before files are missing": (Catalogue, "set_missing", False),
    "after files are missing": (Catalogue, "set_missing", True),
    "after files are deleted": (Catalogue, "delete_missing", True),
    "before the folder is remembered": (Catalogue, "set_root", False),
    "before a cache file is in place": (indexer.vectors.faiss_store.os, "replace", False),
    "after a cache file is in place": (indexer.vectors.faiss_store.os, "replace", True),
    "before the cache is swept": (indexer.vectors.faiss_store.FaissStore, "_sweep", False),
}
"""Where it is, what is called there, and whether the end comes after that call or before it."""
