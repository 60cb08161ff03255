"""The story of `spectrum duplicates`: copies by hash, near duplicates by vector and light."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from indexer.build import Progress
from indexer.catalogue import Catalogue
from indexer.difference_hash import differing_bits
from indexer.file_content import Limits
from indexer.near_duplicates import (
    are_near,
    copied_ids,
    cosines_of,
    difference_hashes,
    near_hash_pairs,
    stars,
)
from indexer.records import SpaceRow
from indexer.refresh import fill_hashes
from indexer.selection import Picture, pictures

PAIRS_PER_BLOCK = 4_096
"""Whose vectors are in memory at the same time."""


@dataclass(frozen=True, kw_only=True)
class DuplicateFile:
    """A file, and how it compares with the best one of its group."""

    path: str
    kind: str
    """best | copy (the same bytes as the best) | near"""
    similarity: float
    """Cosine with the best one's vector."""
    image_id: int
    width: int
    """Pixels, upright."""
    height: int
    size_bytes: int
    format: str


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup:
    """Files that hold the same picture; at least two."""

    files: tuple[DuplicateFile, ...]
    """The best one first: most pixels, then most bytes, then the shortest path. Then copies of it,
    then the others, most alike first."""


def duplicate_groups(
    catalogue: Catalogue, space: SpaceRow, *, exact: bool, progress: Progress | None
) -> list[DuplicateGroup]:
    """All groups, in order of their best file's path. See `Library.duplicates`."""
    ids = catalogue.searchable_ids(space.id)
    members = [[id] for id in copied_ids(catalogue)]
    if not exact:
        listener = progress or Progress()
        fill_hashes(
            catalogue,
            limits=Limits(),
            workers=max(2, os.cpu_count() or 2),
            stop_requested=listener.stop_requested,
        )
        near = near_groups(catalogue, space, ids)
        taken = {id for group in near for id in group}
        members = near + [[id] for (id,) in members if id not in taken]
    known = pictures(catalogue, [id for group in members for id in group])
    groups = [
        _group(catalogue, space, [known[id] for id in group if id in known]) for group in members
    ]
    return sorted((g for g in groups if len(g.files) > 1), key=lambda g: g.files[0].path)


def near_groups(
    catalogue: Catalogue, space: SpaceRow, ids: Int64[np.ndarray, "N"]
) -> list[list[int]]:
    """Pictures of which all are near to one of them, at least two; nothing chains."""
    hashes = difference_hashes(catalogue, ids.tolist())
    pairs = near_hash_pairs(hashes)
    near = [np.empty((0, 2), dtype=np.int64)]
    for block in _blocks(pairs):
        rows = np.unique(block)
        held, vectors = catalogue.held_vectors(ids[rows], space)
        if len(held) < len(rows):  # another process has pruned some meanwhile
            block = block[np.isin(ids[block], held).all(axis=1)]
        first, second = np.searchsorted(held, ids[block]).T
        bits = differing_bits(hashes[block[:, 0]], hashes[block[:, 1]])
        near.append(block[are_near(bits, cosines_of(vectors[first], vectors[second]))])
    return [[int(ids[row]) for row in star] for star in stars(len(ids), np.concatenate(near))]


def _blocks(pairs: Int64[np.ndarray, "P 2"]) -> Iterator[Int64[np.ndarray, "B 2"]]:
    for start in range(0, len(pairs), PAIRS_PER_BLOCK):
        yield pairs[start : start + PAIRS_PER_BLOCK]


def _group(catalogue: Catalogue, space: SpaceRow, some: list[Picture]) -> DuplicateGroup:
    present = [picture for picture in some if picture.paths]
    if not present:
        return DuplicateGroup(files=())
    best = min(present, key=_rank)
    similarity = _similarities(catalogue, space, best, present)
    others = sorted(
        (picture for picture in present if picture.id != best.id),
        key=lambda picture: (-similarity[picture.id], picture.paths[0]),
    )
    files = [
        DuplicateFile(
            path=path,
            kind="near" if picture.id != best.id else "best" if place == 0 else "copy",
            similarity=similarity[picture.id],
            image_id=picture.id,
            width=picture.width,
            height=picture.height,
            size_bytes=picture.size_bytes,
            format=picture.format,
        )
        for picture in [best, *others]
        for place, path in enumerate(sorted(picture.paths, key=lambda path: (len(path), path)))
    ]
    return DuplicateGroup(files=tuple(files))


def _rank(picture: Picture) -> tuple[int, int, int, str]:
    path = min(picture.paths, key=lambda path: (len(path), path))
    return -picture.width * picture.height, -picture.size_bytes, len(path), path


def _similarities(
    catalogue: Catalogue, space: SpaceRow, best: Picture, some: list[Picture]
) -> dict[int, float]:
    if len(some) == 1:
        return {best.id: 1.0}
    held, vectors = catalogue.held_vectors(np.array([picture.id for picture in some]), space)
    found = dict(zip(held.tolist(), vectors, strict=True))
    return {
        picture.id: 1.0 if picture.id == best.id else _cosine(found, best.id, picture.id)
        for picture in some
    }


def _cosine(vectors: dict[int, Float32[np.ndarray, "D"]], first: int, second: int) -> float:
    if first not in vectors or second not in vectors:
        return 0.0
    return float(cosines_of(vectors[first][None], vectors[second][None])[0])
