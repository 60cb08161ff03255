"""Queries made from exact labels: a scene with an intent, and words without other words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool

from benchmarks.intent.collection import ATTRIBUTES, Collection

N_CHANGES = 140
"""Queries that change one attribute, for each of the five."""
N_FOCUSES = 60
"""Queries that ask for one attribute of the reference, for each of the five."""
N_NEGATIONS = 500

WORDS = {
    "ball": "a ball",
    "cube": "a cube",
    "cone": "a cone",
    "pyramid": "a pyramid",
    "cylinder": "a cylinder",
    "ring": "a ring",
    "star": "a star",
    "plain": "plain",
    "striped": "with stripes",
    "dotted": "with dots",
    "checkered": "checkered",
    "marble": "made of marble",
    "wooden": "made of wood",
    "1": "only one of them",
    "2": "with two of them",
    "3": "with three of them",
    "4": "with four of them",
}
"""How a value is asked for; colours and sizes are words already."""
CHANGES = ("but {value}", "the same {kept}, but {value}", "{value} instead")
FOCUSES = ("the same {asked}", "of the same {asked}", "only the {asked} counts")
NAMES = {"colour": "colour", "shape": "shape", "texture": "pattern", "count": "number"}
PLACES = {
    "grass": "grass",
    "beach": "a beach",
    "snow": "snow",
    "desert": "a desert",
    "forest": "a forest",
    "table": "a wooden table",
    "city": "a city skyline",
    "starry sky": "a starry sky",
}


@dataclass(frozen=True, kw_only=True)
class IntentQuery:
    """A reference scene and what is said of it."""

    reference: int
    """Its row; it is never among the results."""
    words: str
    asked: str
    """The attribute that the words are about."""
    kind: Literal["change", "focus"]
    targets: Bool[np.ndarray, "N"]
    """Change: the reference's shape (its colour, where the shape is asked for) with the value that
    is asked for. Focus: the reference's value of the attribute."""


@dataclass(frozen=True, kw_only=True)
class NegationQuery:
    """Words, and words that are not wanted."""

    wanted: str
    unwanted: str
    kind: str
    """The attributes of both, such as `background - shape`."""
    relevant: Bool[np.ndarray, "N"]
    """Scenes with the one and without the other, in any of their things."""


def intent_queries(scenes: Collection, *, seed: int = 1) -> list[IntentQuery]:
    """1,000 queries, each with at least one target; the same for the same seed."""
    rng = np.random.default_rng(seed)
    columns = {name: scenes.values(name) for name in ATTRIBUTES}
    made: list[IntentQuery] = []
    for asked in ATTRIBUTES:
        made += _drawn(_changes(rng, columns, asked), N_CHANGES)
        made += _drawn(_focuses(rng, columns, asked), N_FOCUSES)
    return made


def _drawn(candidates: Iterator[IntentQuery], n: int) -> list[IntentQuery]:
    """The first `n` that have a target and were not asked before."""
    seen: set[tuple[int, str]] = set()
    made: list[IntentQuery] = []
    while len(made) < n:
        query = next(candidates)
        if query.targets.any() and (query.reference, query.words) not in seen:
            seen.add((query.reference, query.words))
            made.append(query)
    return made


def _changes(
    rng: np.random.Generator, columns: dict[str, np.ndarray], asked: str
) -> Iterator[IntentQuery]:
    kept = "colour" if asked == "shape" else "shape"
    values = np.unique(columns[asked])
    while True:
        reference = int(rng.integers(len(columns[asked])))
        value = str(rng.choice(values[values != columns[asked][reference]]))
        words = str(rng.choice(CHANGES)).format(kept=kept, value=WORDS.get(value, value))
        targets = (columns[kept] == columns[kept][reference]) & (columns[asked] == value)
        yield IntentQuery(
            reference=reference, words=words, asked=asked, kind="change", targets=targets
        )


def _focuses(
    rng: np.random.Generator, columns: dict[str, np.ndarray], asked: str
) -> Iterator[IntentQuery]:
    while True:
        reference = int(rng.integers(len(columns[asked])))
        words = str(rng.choice(FOCUSES)).format(asked=NAMES.get(asked, asked))
        targets = columns[asked] == columns[asked][reference]
        targets[reference] = False
        yield IntentQuery(
            reference=reference, words=words, asked=asked, kind="focus", targets=targets
        )


def leaks(query: IntentQuery, scenes: Collection, shown: np.ndarray) -> float:
    """How much of the first results comes from what the reference is, and not from what was said.

    Change: the share of the rows `shown` with the reference's old value of the asked attribute.
    Focus: the share of the other four attributes, over all rows shown, that are the reference's.
    """
    about = [query.asked] if query.kind == "change" else set(ATTRIBUTES) - {query.asked}
    same = [scenes.values(name)[shown] == scenes.values(name)[query.reference] for name in about]
    return float(np.mean(same))


def negation_queries(scenes: Collection, *, seed: int = 2) -> list[NegationQuery]:
    """500 of all pairs with at least ten relevant scenes and three that hold both."""
    rng = np.random.default_rng(seed)
    named = _named(scenes.attributes)
    made = []
    for wanted, (kind, has) in named.items():
        for unwanted, (other, lacks) in named.items():
            relevant = has & ~lacks
            if kind == other or relevant.sum() < 10 or (has & lacks).sum() < 3:
                continue
            made.append(
                NegationQuery(
                    wanted=wanted, unwanted=unwanted, kind=f"{kind} - {other}", relevant=relevant
                )
            )
    order = rng.permutation(len(made))[:N_NEGATIONS]
    return [made[place] for place in sorted(order.tolist())]


def _named(attributes: list[dict[str, Any]]) -> dict[str, tuple[str, np.ndarray]]:
    """Words -> what kind they are, and which scenes they are true of."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    for place, words in PLACES.items():
        found[words] = "background", np.array([one["background"] == place for one in attributes])
    for attribute in ("shape", "colour", "texture"):
        values = {str(one[attribute]) for one in attributes}
        # Stripes, dots and checks are white too, and nobody says that a thing is plain.
        for value in sorted(values - {"white", "plain"}):
            true = [value in (one[attribute], one[f"other_{attribute}"]) for one in attributes]
            found[value] = attribute, np.array(true)
    return found
