"""Reads what an older version did not read of pictures that are indexed; encodes nothing."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select, update

from indexer.catalogue import Catalogue, at_or_below
from indexer.images import Limits, UnreadableImageError, content_hash, decode, read_facts, read_file
from indexer.photo_facts import FACTS_VERSION, PhotoFacts
from indexer.rows import fact_values
from indexer.schema import Content, Location

FILES_PER_TRANSACTION = 256

SIDE_PIXELS = 128
"""Of pictures that are decoded for their hash alone."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file as the catalogue has it."""

    content_id: int
    hash: str
    path: str
    size_bytes: int
    mtime_ns: int


def fill_facts(
    catalogue: Catalogue,
    root: str,
    *,
    limits: Limits,
    workers: int,
    stop_requested: Callable[[], bool] = lambda: False,
) -> int:
    """Reads the facts of photographs at or below `root` that were indexed before facts were.

    Only headers are read. A file that changed since is left for the next run, which sees it as
    new. Returns how many pictures were read.
    """
    unread = or_(Content.facts_version.is_(None), Content.facts_version < FACTS_VERSION)
    files = _one_file_each(catalogue, unread, at_or_below(root))

    def facts(file: StoredFile) -> dict[str, object] | None:
        try:
            seen = os.stat(file.path)
            if (seen.st_size, seen.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
                return None
            return fact_values(read_facts(file.path, limits))
        except OSError:
            return None
        except UnreadableImageError as error:
            # It was decoded once, so another reader knew it: there is nothing to read for us.
            return fact_values(PhotoFacts()) if error.stage == "decode" else None

    return _filled(catalogue, files, facts, workers, stop_requested)


def fill_hashes(
    catalogue: Catalogue,
    *,
    limits: Limits,
    workers: int,
    stop_requested: Callable[[], bool] = lambda: False,
) -> int:
    """Computes the difference hash of pictures that have none; returns of how many.

    These have to be decoded. One that cannot be any more, or whose bytes are others now, stays
    without.
    """
    files = _one_file_each(catalogue, Content.difference_hash.is_(None))

    def hash(file: StoredFile) -> dict[str, object] | None:
        try:
            data = read_file(file.path, limits)
            if content_hash(data) != file.hash:
                return None
            image = decode(data, limits=limits, side_pixels=SIDE_PIXELS)
            return {"difference_hash": image.difference_hash}
        except UnreadableImageError:
            return None

    return _filled(catalogue, files, hash, workers, stop_requested)


def _one_file_each(catalogue: Catalogue, *where: ColumnElement[bool]) -> list[StoredFile]:
    query = (
        select(Content.id, Content.hash, Location.path, Location.size_bytes, Location.mtime_ns)
        .join(Location, Location.content_id == Content.id)
        .where(Location.state == "present", *where)
        .order_by(Location.path.desc())
    )
    with catalogue.reading() as session:
        first = {row[0]: row for row in session.execute(query)}
    return [
        StoredFile(content_id=id, hash=hash, path=path, size_bytes=size, mtime_ns=mtime)
        for id, hash, path, size, mtime in reversed(first.values())
    ]


def _filled(
    catalogue: Catalogue,
    files: Sequence[StoredFile],
    values: Callable[[StoredFile], dict[str, object] | None],
    workers: int,
    stop_requested: Callable[[], bool],
) -> int:
    n_filled = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="refresh") as pool:
        for some in _runs(files):
            if stop_requested():
                break
            found = [(f, v) for f, v in zip(some, pool.map(values, some), strict=True) if v]
            with catalogue.writing() as session:
                for file, columns in found:
                    session.execute(
                        update(Content).where(Content.id == file.content_id).values(**columns)
                    )
            n_filled += len(found)
    return n_filled


def _runs(files: Sequence[StoredFile]) -> Iterator[Sequence[StoredFile]]:
    for start in range(0, len(files), FILES_PER_TRANSACTION):
        yield files[start : start + FILES_PER_TRANSACTION]
