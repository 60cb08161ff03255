"""Which scenes a collection has: every attribute balanced, no subject twice in one place."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrieval.sample.layout import Draft, laid_out
from retrieval.sample.scene import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    LIGHTINGS,
    RELATIONS,
    SHAPES,
    SIZES,
    SUPPORTS,
    TEXTURES,
    Background,
    Colour,
    Kind,
    Relation,
    Scene,
    Shape,
    Size,
)

MAX_SCENES = 500
"""One thing, its colour, shape and background have 448 combinations, and most scenes use one up."""


class _Balance:
    """Chooses, for each attribute, among the values that were chosen least so far."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._counts: Counter[tuple[str, Any]] = Counter()
        self._refused = 0

    def choose(self, attribute: str, values: Sequence[Any]) -> Any:
        """A value among the rarest of `values`; not counted before `accept`."""
        # The rarest values of all attributes may not go together: look further, little by little.
        limit = min(self._counts[attribute, value] for value in values) + self._refused // 4
        rarest = [value for value in values if self._counts[attribute, value] <= limit]
        return rarest[int(self._rng.integers(len(rarest)))]

    def refuse(self) -> None:
        """What was chosen last came to nothing."""
        self._refused += 1

    def accept(self, chosen: dict[str, Any]) -> None:
        """What was chosen last became a scene."""
        self._counts.update(chosen.items())
        self._refused = 0


def scenes(n_scenes: int, seed: int) -> Iterator[Scene]:
    """`n_scenes` scenes, the same for the same seed, and the first ones the same for any number.

    No two have subjects of the same number, colour, shape and background, nor does a subject equal
    another scene's other thing: a caption that names these four fits one scene. Raises ValueError
    beyond `MAX_SCENES`.
    """
    if not 1 <= n_scenes <= MAX_SCENES:
        raise ValueError(
            f"n_scenes is {n_scenes}; a sample collection has 1 to {MAX_SCENES} scenes"
        )
    rng = np.random.default_rng(seed)
    balance = _Balance(rng)
    taken: set[tuple[int, Colour, Shape, Background]] = set()
    made = 0
    while made < n_scenes:
        draft = _drawn(rng, balance)
        keys = set(_keys(draft))
        scene = None if keys & taken else laid_out(rng, draft)
        if scene is None:
            balance.refuse()
            continue
        taken |= keys
        balance.accept(_chosen(scene))
        made += 1
        yield scene


def _keys(draft: Draft) -> Iterator[tuple[int, Colour, Shape, Background]]:
    yield draft.count, draft.subject.colour, draft.subject.shape, draft.background
    if draft.other is not None:
        yield 1, draft.other.colour, draft.other.shape, draft.background


def _chosen(scene: Scene) -> dict[str, Any]:
    said = scene.attributes
    support = "other_shape" if scene.relation != "on top of" else "support"
    return {
        **{k: said[k] for k in ("shape", "colour", "texture", "size", "count", "relation")},
        **{k: said[k] for k in ("background", "lighting", "other_colour", "other_texture")},
        support: said["other_shape"],
        "time of " + scene.background: scene.lighting,
    }


def _drawn(rng: np.random.Generator, balance: _Balance) -> Draft:
    """Attributes that go together."""
    relation: Relation | None = balance.choose("relation", (None, *RELATIONS))
    count = 1
    if relation != "on top of":
        count = balance.choose("count", COUNTS[:3] if relation == "in front of" else COUNTS)
    subject = _subject(balance, relation, count)
    background = balance.choose("background", BACKGROUNDS)
    upright = count == 1 or (count == 2 and relation is None)
    return Draft(
        subject=subject,
        count=count,
        other=_other(balance, subject, relation, count) if relation is not None else None,
        relation=relation,
        background=background,
        lighting=balance.choose("lighting", LIGHTINGS[background]),
        portrait=bool(upright and rng.random() < 0.25),
    )


def _subject(balance: _Balance, relation: Relation | None, count: int) -> Kind:
    crowded = relation in ("left of", "right of") and count > 2
    small = crowded or (relation == "in front of" and count > 1)
    return Kind(
        shape=balance.choose("shape", SHAPES),
        colour=balance.choose("colour", COLOURS),
        texture=balance.choose("texture", TEXTURES),
        size="small" if small else balance.choose("size", SIZES),
    )


def _other(balance: _Balance, subject: Kind, relation: Relation | None, count: int) -> Kind:
    """The other thing: never of the subject's shape or colour, so that "the red one" is plain."""
    on_top = relation == "on top of"
    shapes = [s for s in (SUPPORTS if on_top else SHAPES) if s != subject.shape]
    return Kind(
        shape=balance.choose("support" if on_top else "other_shape", shapes),
        colour=balance.choose("other_colour", [c for c in COLOURS if c != subject.colour]),
        texture=balance.choose("other_texture", TEXTURES),
        size=_other_size(balance, relation, count),
    )


def _other_size(balance: _Balance, relation: Relation | None, count: int) -> Size:
    """Large where it carries or backs the subject, small where it must leave room for four."""
    if relation in ("on top of", "in front of"):
        return "large"
    size: Size = "small" if count == 4 else balance.choose("size", SIZES)
    return size
