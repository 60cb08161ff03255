"""What intents speak of: attributes, the values that each has, and the words for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from retrieval.ranking.word_forms import word_forms


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """Something of which a picture has one value, so that another one replaces it."""

    names: tuple[str, ...]
    """Words for the attribute itself, the first its name here."""
    values: tuple[str, ...]
    """The values; each is told apart from the mean of all."""
    template: str
    """A value as a text that the encoder is asked about."""
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Other words, or several words, for a value."""

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]

    @property
    def texts(self) -> list[str]:
        """The values as texts."""
        return [self.template.format(value) for value in self.values]


_COLOURS = "red orange yellow green blue purple pink white black brown grey turquoise"
_SHAPES = "ball cube cone pyramid cylinder ring star circle square triangle box cross heart tube"
_TEXTURES = "plain striped dotted checkered marble wooden metal glass floral brick leather furry"

COLOUR = Attribute(
    names=("colour", "color", "hue"),
    values=tuple(_COLOURS.split()),
    template="a {} thing",
    synonyms={"gray": "grey", "violet": "purple", "crimson": "red", "cyan": "turquoise"},
)
SHAPE = Attribute(
    names=("shape", "form", "outline"),
    values=tuple(_SHAPES.split()),
    template="a {}",
    synonyms={"sphere": "ball", "round": "circle", "triangular": "triangle"},
)
TEXTURE = Attribute(
    names=("pattern", "texture", "material", "surface"),
    values=tuple(_TEXTURES.split()),
    template="a {} thing",
    synonyms={
        "spotted": "dotted",
        "polka": "dotted",
        "chequered": "checkered",
        "checked": "checkered",
        "plaid": "checkered",
        "metallic": "metal",
        "flowery": "floral",
    },
)
COUNT = Attribute(
    names=("number", "count"),
    values=("one", "two", "three", "four", "five", "several", "many"),
    template="{} things",
    synonyms={"single": "one", "2": "two", "3": "three", "4": "four", "5": "five", "pair": "two"},
)
SIZE = Attribute(
    names=("size",),
    values=("small", "large", "tiny", "huge"),
    template="a {} thing",
    synonyms={"big": "large", "bigger": "large", "little": "small", "smaller": "small"},
)
LIGHT = Attribute(
    names=("light", "lighting", "time of day"),
    values=("daylight", "sunset", "night", "dawn"),
    template="a picture taken at {}",
    synonyms={"dusk": "sunset", "sunrise": "dawn", "evening": "sunset", "day": "daylight"},
)
ATTRIBUTES = (COLOUR, SHAPE, TEXTURE, COUNT, SIZE, LIGHT)

_COUNTED_ONE = re.compile(r"\b(only|just) one\b|\bone of\b")
"""Elsewhere `one` stands for a thing: the red one, this one."""


class Spoken(NamedTuple):
    """What an intent speaks of."""

    asked: tuple[tuple[Attribute, str], ...]
    """Attributes with the values that are asked for."""
    kept: tuple[Attribute, ...]
    """Attributes that are named without a value: they are to be the image's."""


def spoken_of(intent: str) -> Spoken:
    """Attributes and values that an intent names, in the order of `ATTRIBUTES`.

    `the same shape, but red`: the colour red is asked for, the shape is kept.
    """
    plain = " ".join(re.findall(r"[^\W_]+", intent.casefold()))
    if not _COUNTED_ONE.search(plain):
        plain = re.sub(r"\bones?\b", "", plain)
    forms = [word_forms(word) for word in plain.split()]
    asked, kept = [], []
    for attribute in ATTRIBUTES:
        value = _value(attribute, forms)
        if value is not None:
            asked.append((attribute, value))
        elif any(f" {name} " in f" {plain} " for name in attribute.names):
            kept.append(attribute)
    return Spoken(tuple(asked), tuple(kept))


def _value(attribute: Attribute, forms: list[frozenset[str]]) -> str | None:
    """The first value in the text, by itself or by a synonym."""
    known = {**{value: value for value in attribute.values}, **attribute.synonyms}
    for word in forms:
        for said, value in known.items():
            if not word_forms(said).isdisjoint(word):
                return value
    return None
