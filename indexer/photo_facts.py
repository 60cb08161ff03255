"""What a photograph says of itself: when it was taken, with which camera, and how it was held."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from indexer.searchable_text import searchable_text

FACTS_VERSION = 1
"""Grows when another fact is read, or the same ones better; older ones are then read again."""

MAKER, MODEL, ORIENTATION, CHANGED = 271, 272, 274, 306
TAKEN, DIGITISED = 36867, 36868
"""Numbers of EXIF tags; the last two stand in the directory of its own that EXIF has."""

_TIME = re.compile(r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?")
_LONGEST = 100
"""Letters of a camera's name."""


@dataclass(frozen=True, kw_only=True)
class PhotoFacts:
    """None where the file does not say, or says nonsense."""

    taken_at: datetime | None = None
    """By the camera's clock, which knows no time zone."""
    camera_maker: str | None = None
    camera_model: str | None = None
    exif_orientation: int | None = None
    """From 1 to 8."""

    @property
    def camera(self) -> str | None:
        """Maker and model as filters compare them; the maker once, if the model names it too."""
        maker, model = self.camera_maker or "", self.camera_model or ""
        first = maker.split(" ")[0]
        named = model if searchable_text(model).startswith(searchable_text(first)) else ""
        return searchable_text(named or f"{maker} {model}".strip()) or None


def photo_facts(tags: Mapping[int, object], exif: Mapping[int, object]) -> PhotoFacts:
    """The facts in EXIF's first directory, `tags`, and in its own, `exif`.

    The time is the first that makes sense of: when it was taken, when it was digitised, when the
    file was changed, which is all that some cameras write.
    """
    times = (_time(exif.get(TAKEN)), _time(exif.get(DIGITISED)), _time(tags.get(CHANGED)))
    orientation = tags.get(ORIENTATION)
    known = isinstance(orientation, int) and 1 <= orientation <= 8
    return PhotoFacts(
        taken_at=next((time for time in times if time is not None), None),
        camera_maker=_words(tags.get(MAKER)),
        camera_model=_words(tags.get(MODEL)),
        exif_orientation=orientation if known and isinstance(orientation, int) else None,
    )


def _words(value: object) -> str | None:
    """One line of printable letters; makers pad with spaces and NULs."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    printable = "".join(letter if letter.isprintable() else " " for letter in value.split("\0")[0])
    return " ".join(printable.split())[:_LONGEST] or None


def _time(value: object) -> datetime | None:
    """A camera whose clock was never set writes zeros or blanks."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    found = _TIME.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        return datetime(*(int(part) for part in found.groups("0")))  # type: ignore[arg-type]
    except ValueError:
        return None
