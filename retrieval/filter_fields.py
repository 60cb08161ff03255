"""The fields of `--where`: what each may be compared with, and what that means."""

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, get_args

from indexer.filters import (
    Condition,
    HasFormat,
    HasShape,
    Known,
    Measured,
    Not,
    NumberField,
    Shape,
    Taken,
    TextField,
    TextMatch,
    UnknownField,
)
from indexer.searchable_text import searchable_text

Operator = Literal[":", "=", "!=", "~", "!~", "<", "<=", ">", ">="]
Reader = Callable[[Operator, str, bool], Condition]
"""Operator, value, and whether the value was written without quotes."""

FORMATS: dict[str, tuple[str, ...]] = {
    "jpeg": ("JPEG", "MPO"),  # phones put two pictures in one file and call it .jpg
    "jpg": ("JPEG", "MPO"),
    "png": ("PNG",),
    "gif": ("GIF",),
    "webp": ("WEBP",),
    "tiff": ("TIFF",),
    "tif": ("TIFF",),
    "bmp": ("BMP", "DIB"),
    "avif": ("AVIF",),
    "heic": ("HEIF",),
    "heif": ("HEIF",),
    "jp2": ("JPEG2000",),
    "jpeg2000": ("JPEG2000",),
    "psd": ("PSD",),
    "qoi": ("QOI",),
    "tga": ("TGA",),
    "ppm": ("PPM",),
    "raw": ("RAW",),
}
"""What users write -> formats as the catalogue has them."""

UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
MOST_WILDCARDS = 8
"""`*` in one value; the time that a match takes grows with each."""

_NUMBER = re.compile(r"(\d+(?:\.(\d+))?|\.(\d+))\s*([a-z]*)", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:[T ](\d\d?):(\d\d)(?::(\d\d))?)?)?)?")
_ABSOLUTE = ("/", "~/", "./", "../")


class WrongValueError(ValueError):
    """This field cannot be compared so; the message says what can."""

    def __init__(self, message: str, *, of_value: bool = True) -> None:
        super().__init__(message)
        self.of_value = of_value
        """Whether the value is wrong; otherwise the operator is."""


def _text(field: TextField) -> Reader:
    def read(operator: Operator, value: str, bare: bool) -> Condition:
        _need(field, operator, ":", "=", "!=", "~", "!~")
        if bare and value.lower() == "none" and field in get_args(UnknownField):
            return _none(field, operator)  # type: ignore[arg-type]
        if operator in ("~", "!~") or (operator == ":" and field != "folder"):
            pieces: tuple[str, ...] = ("", _filled(value), "")
        elif field == "folder":
            pieces = _folder_pieces(_filled(value), below=operator == ":")
        else:
            pieces = _wildcards(_absolute(_filled(value)) if field == "path" else _filled(value))
            if field == "path" and not value.startswith(_ABSOLUTE) and not value.startswith("*"):
                pieces = ("", f"/{pieces[0]}", *pieces[1:])
        match = TextMatch(field=field, pieces=tuple(searchable_text(piece) for piece in pieces))
        return Not(condition=match) if operator in ("!=", "!~") else match

    return read


def _folder_pieces(value: str, *, below: bool) -> tuple[str, ...]:
    """A name, or several joined by slashes, anywhere in the path; or a path from its start."""
    absolute = value.startswith(_ABSOLUTE)
    pieces = _wildcards(f"{_absolute(value).strip('/')}/")
    if absolute:
        pieces = (f"/{pieces[0]}".replace("//", "/"), *pieces[1:])
    else:
        pieces = ("", f"/{pieces[0]}", *pieces[1:])
    return (*pieces, "") if below else pieces


def _number(field: NumberField, example: str) -> Reader:
    def read(operator: Operator, value: str, bare: bool) -> Condition:
        _need(field, operator, ":", "=", "!=", "<", "<=", ">", ">=")
        if ".." in value:
            _need(f"a range of {field}", operator, ":", "=", "!=")
            first, last = _ends(value)
            if first and last and first[-1].isdigit():
                first += last.lstrip("0123456789. ")  # 1..2MB
            span = Measured(
                field=field,
                low=_amount(first, field, example)[0] if first else None,
                high=_amount(last, field, example)[0] if last else None,
            )
            return Not(condition=span) if operator == "!=" else span
        number, half = _amount(value, field, example)
        match operator:
            case ">" | ">=":
                return Measured(field=field, low=number, low_included=operator == ">=")
            case "<" | "<=":
                return Measured(field=field, high=number, high_included=operator == "<=")
        # 12 megapixels are what rounds to 12: no camera has them to the pixel.
        low, high = number - half, number + half
        equal = Measured(field=field, low=low, high=high, high_included=half == 0)
        return Not(condition=equal) if operator == "!=" else equal

    return read


def _amount(value: str, field: NumberField, example: str) -> tuple[float, float]:
    """The number, and half the unit of its last digit; 0 where it is a whole number of things."""
    found = _NUMBER.fullmatch(value.strip())
    suffixes = {"size": UNITS, "megapixels": {"": 1, "mp": 1}}.get(field, {"": 1, "px": 1})
    if found is None or found[4].lower() not in suffixes:
        raise WrongValueError(f"{field} is a number: write {example}")
    unit = suffixes[found[4].lower()]
    digits = len(found[2] or found[3] or "")
    half = 0.0 if unit == 1 and field != "megapixels" else unit * 10.0**-digits / 2
    return float(found[1]) * unit, half


def _taken(operator: Operator, value: str, bare: bool) -> Condition:
    _need("taken", operator, ":", "=", "!=", "<", "<=", ">", ">=")
    if bare and value.lower() == "none":
        _need("none", operator, ":", "=", "!=")
        return _none("taken", operator)
    if ".." in value:
        _need("a range of taken", operator, ":", "=", "!=")
        first, last = (_period(end) if end else (None, None) for end in _ends(value))
        start, end = first[0], last[1]
    else:
        start, end = _period(value)
    match operator:
        case ">":
            return Taken(start=end)
        case ">=":
            return Taken(start=start)
        case "<":
            return Taken(end=start)
        case "<=":
            return Taken(end=end)
    within = Taken(start=start, end=end)
    return Not(condition=within) if operator == "!=" else within


def _period(value: str) -> tuple[datetime, datetime]:
    """The year, month, day, minute or second that is named: its start, and the next one's."""
    found = _DATE.fullmatch(value.strip())
    advice = "taken is a date: write 2019, 2019-06, 2019-06-30 or 2019-06-30T14:05"
    if found is None:
        raise WrongValueError(advice)
    year, month, day, hour, minute, second = (
        int(part) if part else None for part in found.groups()
    )
    try:
        start = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)
        if month is None:
            return start, start.replace(year=start.year + 1)
        if day is None:
            later = start.replace(day=28) + timedelta(days=4)
            return start, later.replace(day=1)
        if hour is None:
            return start, start + timedelta(days=1)
        return start, start + (timedelta(minutes=1) if second is None else timedelta(seconds=1))
    except (ValueError, OverflowError):
        raise WrongValueError(f"there is no such date as {value}; {advice}") from None


def _format(operator: Operator, value: str, bare: bool) -> Condition:
    _need("format", operator, ":", "=", "!=")
    formats = FORMATS.get(value.lower().lstrip("."))
    if formats is None:
        raise WrongValueError(f"no format is called {value}: write one of {', '.join(FORMATS)}")
    condition = HasFormat(formats=formats)
    return Not(condition=condition) if operator == "!=" else condition


def _orientation(operator: Operator, value: str, bare: bool) -> Condition:
    _need("orientation", operator, ":", "=", "!=")
    for shape in get_args(Shape):
        if value.lower() == shape:
            condition = HasShape(shape=shape)
            return Not(condition=condition) if operator == "!=" else condition
    raise WrongValueError(f"orientation is one of {', '.join(get_args(Shape))}")


FIELDS: dict[str, Reader] = {
    "path": _text("path"),
    "folder": _text("folder"),
    "name": _text("name"),
    "taken": _taken,
    "camera": _text("camera"),
    "size": _number("size", "size>2MB"),
    "width": _number("width", "width>2000"),
    "height": _number("height", "height=600..1200"),
    "megapixels": _number("megapixels", "megapixels>=12"),
    "orientation": _orientation,
    "format": _format,
    "caption": _text("caption"),
}
"""In the order in which errors and the documents name them."""


def _need(what: str, operator: Operator, *allowed: Operator) -> None:
    if operator not in allowed:
        said = f"{what} cannot be compared by {operator}: write one of {'  '.join(allowed)}"
        raise WrongValueError(said, of_value=False)


def _none(field: UnknownField, operator: Operator) -> Condition:
    if operator in ("!=", "!~"):
        return Known(field=field)
    return Not(condition=Known(field=field))


def _ends(value: str) -> tuple[str, str]:
    first, _, last = value.partition("..")
    if not first and not last:
        raise WrongValueError("a range needs an end: write 600..1200, 600.. or ..1200")
    return first, last


def _filled(value: str) -> str:
    if not value.strip():
        raise WrongValueError("the value is empty: write some text between the quotes")
    return value


def _absolute(value: str) -> str:
    if not value.startswith(_ABSOLUTE):
        return value
    return os.path.abspath(os.path.expanduser(value))


def _wildcards(value: str) -> tuple[str, ...]:
    pieces = tuple(value.split("*"))
    if len(pieces) > MOST_WILDCARDS + 1:
        raise WrongValueError(f"a value may hold {MOST_WILDCARDS} asterisks at most")
    return pieces
