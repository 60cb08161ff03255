"""Which pictures fit a filter, and which of their files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from sqlalchemy import func, select

from indexer.catalogue import Catalogue, chunks
from indexer.filter_sql import fitting_sql, is_of_picture
from indexer.filters import Condition
from indexer.schema import Content, Location


def selected_ids(catalogue: Catalogue, condition: Condition) -> Int64[np.ndarray, "N"]:
    """The pictures that have at least one file which is present and fits; ascending."""
    query = select(Location.content_id).where(fitting_sql(condition))
    with catalogue.reading() as session:
        found = np.fromiter(session.scalars(query), dtype=np.int64)
    ids: Int64[np.ndarray, "N"] = np.unique(found)
    return ids


def selected_paths(
    catalogue: Catalogue, condition: Condition, ids: Sequence[int]
) -> dict[int, list[str]]:
    """Picture -> its files that are present and fit, in order of path."""
    if is_of_picture(condition):
        return catalogue.paths_of(ids)
    paths: dict[int, list[str]] = {id: [] for id in ids}
    with catalogue.reading() as session:
        for some in chunks(list(ids)):
            query = (
                select(Location.content_id, Location.path)
                .where(Location.content_id.in_(some), fitting_sql(condition))
                .order_by(Location.path)
            )
            for id, path in session.execute(query):
                paths[id].append(path)  # type: ignore[index]
    return paths


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A content, and the files that hold it and are present."""

    id: int
    width: int
    """Pixels, upright."""
    height: int
    format: str
    size_bytes: int
    paths: tuple[str, ...]
    """In order; empty if all are gone."""


def pictures(catalogue: Catalogue, ids: Sequence[int]) -> dict[int, Picture]:
    """Content -> what is known of it and its files."""
    paths = catalogue.paths_of(ids)
    found: dict[int, Picture] = {}
    with catalogue.reading() as session:
        for some in chunks(list(ids)):
            query = (
                select(Content, func.max(Location.size_bytes))
                .join(Location, Location.content_id == Content.id)
                .where(Content.id.in_(some))
                .group_by(Content.id)
            )
            for content, size in session.execute(query):
                found[content.id] = Picture(
                    id=content.id,
                    width=content.width,
                    height=content.height,
                    format=content.format,
                    size_bytes=size,
                    paths=tuple(paths[content.id]),
                )
    return found
