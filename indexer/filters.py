"""Which pictures to search: conditions on files and photographs, as plain values.

`retrieval.filters` makes them from what a user wrote; `indexer.filter_sql` asks the database. What
is not known of a picture fits no condition, and so it fits the condition's negation.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TextField = Literal["path", "folder", "name", "camera", "caption"]
NumberField = Literal["width", "height", "megapixels", "size"]
UnknownField = Literal["taken", "camera", "caption"]
Shape = Literal["landscape", "portrait", "square"]


@dataclass(frozen=True, kw_only=True)
class TextMatch:
    """A text that consists of these pieces, with anything between them."""

    field: TextField
    pieces: tuple[str, ...]
    """At least one, as `indexer.searchable_text` has them. (`a`,) is `a` itself, (`a`, ``) starts
    with it, (``, `a`, ``) contains it. A folder ends with a slash."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number between two limits."""

    field: NumberField
    """Width and height in pixels, megapixels, size in bytes."""
    low: float | int | None = None
    """None: no limit."""
    high: float | int | None = None
    """None: no limit."""
    low_included: bool = True
    high_included: bool = True


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Taken at or after `start` and before `end`, by the camera's clock."""

    start: datetime | None = None
    """None: no limit."""
    end: datetime | None = None
    """None: no limit."""


@dataclass(frozen=True, kw_only=True)
class HasFormat:
    """A file of one of these formats."""

    formats: tuple[str, ...]
    """As `DecodedImage.format` has them."""


@dataclass(frozen=True, kw_only=True)
class HasShape:
    """Wider than high, higher than wide, or neither; upright."""

    shape: Shape


@dataclass(frozen=True, kw_only=True)
class Known:
    """There is such a thing, whatever it is."""

    field: UnknownField


@dataclass(frozen=True, kw_only=True)
class Not:
    """Whatever does not fit."""

    condition: "Condition"


@dataclass(frozen=True, kw_only=True)
class AllOf:
    """Fits every one; at least one."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, kw_only=True)
class AnyOf:
    """Fits at least one; at least one."""

    conditions: "tuple[Condition, ...]"


Condition = TextMatch | Measured | Taken | HasFormat | HasShape | Known | Not | AllOf | AnyOf
