"""Conditions as SQL, built of SQLAlchemy's expressions only: a value never becomes a statement.

Two truth values only: whatever may be NULL is asked about first. What is asked of pictures is put
together into one question to `contents`, whose indexes can answer it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from indexer.filters import (
    AllOf,
    AnyOf,
    Condition,
    HasFormat,
    HasShape,
    Known,
    Measured,
    Not,
    Taken,
    TextMatch,
)
from indexer.schema import Caption, CaptionWord, CaptionWordUse, Content, Location

ESCAPE = "\\"
"""Of LIKE's wildcards in text that is meant as it stands."""

FEWEST_LETTERS = 3
"""Of a piece of a word that is looked for among words: fewer letters are in most captions, and
these are read sooner than put together from their words."""


def fitting_sql(condition: Condition) -> ColumnElement[bool]:
    """The rows of `locations` that are present and fit; may bring in their `contents` too."""
    parts = condition.conditions if isinstance(condition, AllOf) else (condition,)
    files, pictures = _parted(parts)
    present = Location.state == "present"
    if not files or not pictures:
        return and_(present, condition_sql(condition))
    # Both at once: whichever is rarer, the database may begin with it.
    joined = Content.id == Location.content_id
    return and_(present, joined, *map(condition_sql, files), *map(_picture_sql, pictures))


def condition_sql(condition: Condition) -> ColumnElement[bool]:
    """The condition over a row of `locations` that is present; never NULL."""
    if isinstance(condition, TextMatch) and condition.field == "caption":
        return Location.content_id.in_(_captioned(condition.pieces))  # spares a look-up each
    if is_of_picture(condition):
        return Location.content_id.in_(select(Content.id).where(_picture_sql(condition)))
    match condition:
        case TextMatch(field="folder", pieces=pieces):
            return _folder_sql(pieces)
        case TextMatch(field="name", pieces=pieces):
            return _like(Location.name, pieces)
        case TextMatch(pieces=pieces):
            return _path_sql(pieces)
        case Measured():
            return _between(Location.size_bytes, condition, 1)
        case Not(condition=inner):
            return not_(condition_sql(inner))
        case AllOf(conditions=parts):
            return and_(true(), *_grouped(parts, AllOf))
        case AnyOf(conditions=parts):
            return or_(false(), *_grouped(parts, AnyOf))
    raise TypeError(f"no condition on files: {condition}")


def _grouped(
    parts: Sequence[Condition], kind: type[AllOf] | type[AnyOf]
) -> list[ColumnElement[bool]]:
    files, pictures = _parted(parts)
    found = [condition_sql(part) for part in files]
    return [*found, condition_sql(kind(conditions=tuple(pictures)))] if pictures else found


def _parted(parts: Sequence[Condition]) -> tuple[list[Condition], list[Condition]]:
    """Conditions on files, and those on pictures."""
    files = [part for part in parts if not is_of_picture(part)]
    return files, [part for part in parts if is_of_picture(part)]


def is_of_picture(condition: Condition) -> bool:
    """Whether all files of a picture are alike in this."""
    match condition:
        case TextMatch(field=field):
            return field in ("camera", "caption")
        case Measured(field=field):
            return field != "size"
        case Not(condition=inner):
            return is_of_picture(inner)
        case AllOf(conditions=parts) | AnyOf(conditions=parts):
            return all(map(is_of_picture, parts))
    return True


def _picture_sql(condition: Condition) -> ColumnElement[bool]:
    """The condition over a row of `contents`; never NULL."""
    match condition:
        case TextMatch(field="camera", pieces=pieces):
            return and_(Content.camera.is_not(None), _camera_sql(pieces))
        case TextMatch(pieces=pieces):
            return Content.id.in_(_captioned(pieces))
        case Measured():
            return _measured_sql(condition)
        case Taken():
            return _taken_sql(condition)
        case HasFormat(formats=formats):
            return Content.format.in_(formats)
        case HasShape(shape="landscape"):
            return Content.width > Content.height
        case HasShape(shape="portrait"):
            return Content.width < Content.height
        case HasShape():
            return Content.width == Content.height
        case Known(field="taken"):
            return Content.taken_at.is_not(None)
        case Known(field="camera"):
            return Content.camera.is_not(None)
        case Known():
            return Content.id.in_(select(Caption.content_id))
        case Not(condition=inner):
            return not_(_picture_sql(inner))
        case AllOf(conditions=parts):
            return and_(true(), *map(_picture_sql, parts))
        case AnyOf(conditions=parts):
            return or_(false(), *map(_picture_sql, parts))


def _captioned(pieces: tuple[str, ...]) -> Select[Any]:
    """The pictures with such a caption: by the longest word that it must hold, then by the text."""
    text = select(Caption.content_id).where(_like(Caption.searchable, pieces))
    words = sorted(_pieces_of_words(pieces), key=lambda word: len("".join(word)), reverse=True)
    if not words or len("".join(words[0])) < FEWEST_LETTERS:
        return text
    # A join would let the database begin with all uses of all words.
    fitting = select(CaptionWord.id).where(_like(CaptionWord.word, words[0]))
    holding = select(CaptionWordUse.content_id).where(CaptionWordUse.word_id.in_(fitting))
    if pieces == words[0] and len(pieces) == 3:
        return holding  # letters without a blank are in the caption if they are in a word of it
    return text.where(Caption.content_id.in_(holding))


def _pieces_of_words(pieces: tuple[str, ...]) -> list[tuple[str, ...]]:
    """What words of the text must hold: whole words, and their beginnings, ends and middles.

    Blanks part words, so what stands between two blanks of a piece is a whole word; at the ends of
    a piece the word may go on.
    """
    found: list[tuple[str, ...]] = []
    for piece in pieces:
        parts = piece.split(" ")
        for number, part in enumerate(parts):
            before = ("",) if number == 0 else ()
            after = ("",) if number + 1 == len(parts) else ()
            if part:
                found.append((*before, part, *after))
    return found


def _camera_sql(pieces: tuple[str, ...]) -> ColumnElement[bool]:
    if len(pieces) == 1:
        return _like(Content.camera, pieces)
    return Content.camera.in_(_distinct(aliased(Content).camera, pieces))


def _measured_sql(condition: Measured) -> ColumnElement[bool]:
    match condition.field:
        case "width":
            return _between(Content.width, condition, 1)
        case "height":
            return _between(Content.height, condition, 1)
        case _:
            return _between(Content.width * Content.height, condition, 1e6)


def _folder_sql(pieces: tuple[str, ...]) -> ColumnElement[bool]:
    if _is_range(pieces) or len(pieces) == 1:
        return _like(Location.folder, pieces)
    return Location.folder.in_(_distinct(aliased(Location).folder, pieces))


def _path_sql(pieces: tuple[str, ...]) -> ColumnElement[bool]:
    """A path is a folder, ending in the last slash, and a name, which has none."""
    if len(pieces) == 1:
        folder, slash, name = pieces[0].rpartition("/")
        return and_(Location.folder == folder + slash, Location.name == name)
    *before, last = pieces
    if len(pieces) == 3 and not pieces[0] and not last:
        folder, slash, name = pieces[1].rpartition("/")
        across = _like(Location.name, (name, ""))
        if slash:
            across = and_(_folder_sql(("", folder + slash)), across)
        else:
            across = _like(Location.name, pieces)
        return or_(_folder_sql(pieces), across)
    if last and "/" in last:
        folder, slash, name = last.rpartition("/")
        return and_(_folder_sql((*before, folder + slash)), Location.name == name)
    return _like(Location.folder + Location.name, pieces)


def _distinct(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], pieces: tuple[str, ...]
) -> Select[Any]:
    """The values of an indexed column that match, each once.

    Many files share a folder, and many pictures a camera: from each value the index leads to the
    next greater one, and only these few are compared.
    """
    values = select(func.min(column).label("value")).cte(recursive=True)
    greater = select(func.min(column)).where(column > values.c.value).scalar_subquery()
    values = values.union_all(select(greater).where(values.c.value.is_not(None)))
    return select(values.c.value).where(values.c.value.is_not(None), _like(values.c.value, pieces))


def _is_range(pieces: tuple[str, ...]) -> bool:
    """Whether the index serves it as a range: a folder, and whatever lies below."""
    return len(pieces) == 2 and pieces[0].endswith("/") and not pieces[1]


def _like(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None] | ColumnElement[str],
    pieces: tuple[str, ...],
) -> ColumnElement[bool]:
    if len(pieces) == 1:
        return column == pieces[0]
    if _is_range(pieces):
        # "0" is the character after "/".
        return and_(column >= pieces[0], column < pieces[0][:-1] + "0")
    return column.like("%".join(_literal(piece) for piece in pieces), escape=ESCAPE)


def _literal(piece: str) -> str:
    for special in (ESCAPE, "%", "_"):
        piece = piece.replace(special, ESCAPE + special)
    return piece


def _between(
    measure: ColumnElement[int] | InstrumentedAttribute[int], limits: Measured, scale: float | int
) -> ColumnElement[bool]:
    found: list[ColumnElement[bool]] = [true()]
    if limits.low is not None:
        low = limits.low * scale
        found.append(measure >= low if limits.low_included else measure > low)
    if limits.high is not None:
        high = limits.high * scale
        found.append(measure <= high if limits.high_included else measure < high)
    return and_(*found)


def _taken_sql(condition: Taken) -> ColumnElement[bool]:
    limits: list[ColumnElement[bool]] = [Content.taken_at.is_not(None)]
    if condition.start is not None:
        limits.append(Content.taken_at >= condition.start)
    if condition.end is not None:
        limits.append(Content.taken_at < condition.end)
    return and_(*limits)
