"""What callers of a library hand over, in any of the forms that they may, as what it means."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval.query import ImagePart, Part, Query, TextPart

if TYPE_CHECKING:
    from PIL.Image import Image

    from indexer.filters import Condition


def require_top(top: int) -> None:
    """Raises ValueError unless at least one hit is asked for."""
    if top < 1:
        raise ValueError(f"top must be at least 1, not {top}")


def path_of(path: str | os.PathLike[str]) -> str:
    """The path with a leading `~` replaced."""
    return os.path.expanduser(os.fspath(path))


def condition_of(where: "str | Condition | None") -> "Condition | None":
    """A filter, parsed if it is written out. FilterError if it cannot be."""
    if not isinstance(where, str):
        return where
    # Imported on demand: most searches have no filter, and the parser is slow to import.
    from retrieval.filters import parse_filter

    return parse_filter(where)


def query_of(
    query: "str | Query | Sequence[Part] | None",
    image: "str | os.PathLike[str] | bytes | Image | None",
) -> Query:
    """One query of all parts, the image last. QueryError if there are none."""
    if isinstance(query, Query):
        parts = query.parts
    elif isinstance(query, str):
        parts = (TextPart(text=query),)
    else:
        parts = tuple(query or ())
    if image is not None:
        source = path_of(image) if isinstance(image, str | os.PathLike) else image
        parts = (*parts, ImagePart(image=source))
    return replace(query, parts=parts) if isinstance(query, Query) else Query(parts=parts)
