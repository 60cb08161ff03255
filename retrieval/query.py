"""What is asked: parts, each words or an image, with a weight; and their command-line syntax.

two dogs playing     words; bare words that follow one another are one text
./image.jpg          an image: a path with a folder in it, or the name of an image that exists
+words  -words       more like this, less like this; also ./images, also `+ words`, `- words`
2:words  -0.5:words  a weight
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from PIL.Image import Image

# Digits on both sides are a time of day or a shape, such as 10:30 or 16:9.
WEIGHTED = re.compile(r"(?P<weight>\d+(\.\d*)?|\.\d+):(?!\d+(?:am|pm)?\b)(?P<body>.+)", re.DOTALL)
HEAVIEST = 1e6
"""Beyond it the other parts of a query drown in rounding."""
STRONGEST = 10.0
"""Of an intent; beyond it the image drowns."""

FOLDER_STARTS = ("./", "../", "/", "~/")


class QueryError(ValueError):
    """The query cannot be understood; one line that says why."""


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """Words."""

    text: str
    weight: float = 1.0
    """Negative for what is unwanted; never 0."""


@dataclass(frozen=True, kw_only=True)
class ImagePart:
    """An image to resemble."""

    image: "str | bytes | Image"
    """A path, a file's bytes, or an opened picture."""
    weight: float = 1.0
    """Negative for what is unwanted; never 0."""


Part = TextPart | ImagePart


@dataclass(frozen=True, kw_only=True)
class Query:
    """One or more parts, and what is said of the images among them."""

    parts: tuple[Part, ...]
    intent: str = ""
    """What of the images counts, or should differ: `the same shape, but red`. Empty: nothing."""
    intent_strength: float = 1.0
    """delta, in [0, 10]: 0 leaves the query as it is without an intent."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise QueryError("the query is empty: give words, or an image such as ./image.jpg")
        for part in self.parts:
            if part.weight == 0:
                raise QueryError("a weight of 0 says nothing: leave the part out")
            if not abs(part.weight) <= HEAVIEST:
                raise QueryError(f"a weight of {part.weight:g} is no weight: {HEAVIEST:g} at most")
            if isinstance(part, TextPart) and not part.text.strip():
                raise QueryError("a part of the query is empty: give it words")
        self._require_intended_image()

    @property
    def is_intended(self) -> bool:
        """Whether an intent changes anything."""
        return bool(self.intent.strip()) and self.intent_strength > 0

    def _require_intended_image(self) -> None:
        if not 0 <= self.intent_strength <= STRONGEST:
            raise QueryError(
                f"an intent's strength is from 0 to {STRONGEST:g}, not {self.intent_strength:g}"
            )
        images = [part for part in self.parts if isinstance(part, ImagePart) and part.weight > 0]
        if self.intent and not images:
            raise QueryError(f"the intent '{self.intent}' is about an image: name one to resemble")


def parse_terms(terms: Sequence[str]) -> Query:
    """Reads the terms of a command line, by the syntax in this file's first lines.

    Raises QueryError for an empty query, a weight without words, a web address, a missing image.
    """
    parts: list[Part] = []
    joinable = False
    for term in terms:
        part, is_bare_text = _parse_term(term)
        if joinable and is_bare_text and isinstance(part, TextPart):
            words = parts.pop()
            assert isinstance(words, TextPart)
            part = TextPart(text=f"{words.text} {part.text}")
        parts.append(part)
        joinable = is_bare_text
    return Query(parts=tuple(parts))


def _parse_term(term: str) -> tuple[Part, bool]:
    """The part, and whether it is words with neither sign nor weight."""
    sign = -1.0 if term.startswith("-") else 1.0
    body = term[1:].strip() if term[:1] in ("+", "-") else term
    weighted = WEIGHTED.fullmatch(body)
    weight = sign
    if weighted:
        weight, body = sign * float(weighted["weight"]), weighted["body"].strip()
    if not body:
        raise QueryError(f"'{term}' has no words: write {term}words, or {term}./image.jpg")
    if re.match(r"https?://", body):
        raise QueryError(f"{body} is a web address: download it, then search with the file")
    if is_image_path(body):
        path = os.path.expanduser(body)
        if not os.path.isfile(path):
            raise QueryError(f"{body} is no file: check the path, or drop the leading folder")
        return ImagePart(image=path, weight=weight), False
    return TextPart(text=body, weight=weight), body == term


def is_image_path(body: str) -> bool:
    """Whether a term means a file: it starts with a folder, or it is an image's existing name."""
    if body.startswith(FOLDER_STARTS):
        return True
    return os.path.splitext(body)[1].lower() in IMAGE_SUFFIXES and os.path.isfile(body)
