"""The images of a dataset as a library holds them: which are there, and which are copies."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from jaxtyping import Int64

from indexer.file_content import UnreadableImageError
from retrieval.evaluation.blocks import unique_contents
from retrieval.library import Library
from retrieval.pictures import hash_of_source


@dataclass(frozen=True, kw_only=True)
class Located:
    """A dataset's images, one row per distinct picture; those the library has not come last."""

    ids: Int64[np.ndarray, "N"]
    """The library's picture in each row."""
    hashes: list[str]
    """Its content."""
    paths: list[str]
    """Of the pictures in `ids`, then of the missing ones."""
    owners: Int64[np.ndarray, "T"]
    """For each image of the dataset its row; -1, -2, ... for the first, second, ... missing one."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Images of the dataset that the library does not have."""
        return tuple(self.paths[len(self.ids) :])

    def rows(self) -> Int64[np.ndarray, "T"]:
        """For each image of the dataset its place in `paths`."""
        rows: Int64[np.ndarray, "T"] = np.where(
            self.owners >= 0, self.owners, len(self.ids) - 1 - self.owners
        )
        return rows

    def names(self) -> list[str]:
        """A name for each of `paths`: the path from their common folder, with no space in it."""
        root = os.path.commonpath([os.path.dirname(path) for path in self.paths])
        return [quote(os.fsencode(os.path.relpath(path, root))) for path in self.paths]


def locate(library: Library, paths: Sequence[str]) -> Located:
    """Looks a dataset's images up by path, and by content where the path is another."""
    catalogue, space = library.catalogue, library.space
    ids = catalogue.ids_of_paths(paths)
    for path in paths:
        # The same file may have been indexed under another name: a link, another mount.
        if path not in ids and (id := _id_by_content(library, path)) is not None:
            ids[path] = id
    searchable = set(catalogue.searchable_ids(space.id).tolist())
    found = [path for path in dict.fromkeys(paths) if ids.get(path) in searchable]
    missing = [path for path in dict.fromkeys(paths) if ids.get(path) not in searchable]
    hash_of = catalogue.hashes([ids[path] for path in found])
    hashes = [hash_of[ids[path]] for path in found]
    unique = unique_contents(hashes)
    first = [found[row] for row in unique.first_rows.tolist()]
    owner = dict(zip(found, unique.content_of_row.tolist(), strict=True))
    owner |= {path: -1 - place for place, path in enumerate(missing)}
    return Located(
        ids=np.array([ids[path] for path in first], dtype=np.int64),
        hashes=[hashes[row] for row in unique.first_rows.tolist()],
        paths=first + missing,
        owners=np.array([owner[path] for path in paths], dtype=np.int64),
    )


def _id_by_content(library: Library, path: str) -> int | None:
    try:
        return library.catalogue.id_of_hash(hash_of_source(path))
    except UnreadableImageError:
        return None
