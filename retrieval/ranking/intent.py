"""What an image is searched with when words say what of it counts, or what should differ.

The words that an intent speaks in are told apart from the other values of the same attribute, the
image is compared by what it looks like, and what the words leave as it is, is compared by itself.
Each of the three is linear in what is stored, so a query with an intent is still one vector.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from retrieval.query import ImagePart, Query
from retrieval.ranking.attributes import COLOUR, SHAPE, Attribute, Spoken, spoken_of
from retrieval.ranking.blocks import unit_blocks
from retrieval.ranking.composition import (
    composed_level,
    composed_query,
    image_query,
    similarity_moments,
    text_query,
)

ASKED_WEIGHT = 2.0
"""Of the values that are asked for, beside 1 for the image's looks. All four weights were chosen on
one collection of rendered scenes and are reported on another: see `docs/intent.md`."""
KEPT_WEIGHT = 0.8
"""Of what is kept."""
REPLACED_WEIGHT = -0.2
"""Of the image's own values of what is asked for: these are to go."""
FOCUS_WEIGHT = 0.7
"""Of what is kept where nothing else is asked: `the same colour`."""

TextEncoder = Callable[[Sequence[str]], Float32[np.ndarray, "B S"]]


class Intended(NamedTuple):
    """An image query as an intent would have it."""

    query: Float32[np.ndarray, "D"]
    level: float
    """Taken off every similarity, so that an average picture keeps the one that it had."""


def intended_query(
    features: Float32[np.ndarray, "D"], moved: Float32[np.ndarray, "D"], strength: float
) -> Float32[np.ndarray, "D"]:
    r"""The query's vector, moved as far as asked.

        paper                here       shape
        F                    features   D    the image's query
        FFN([F; E_T(q)])     moved      D    by `intended_image`
        delta                strength   >= 0; 0 gives F itself, 1 the composition of parts

    F^q = F + delta FFN([F; E_T(q)]), the query's side of SPECTRUM's intent-conditioned features.
    Reference loop: tests/references/intent.py
    """
    if strength == 0:
        return features
    return (features + np.float32(strength) * moved).astype(np.float32)


def value_contrast(values: Float32[np.ndarray, "K S"], chosen: int) -> Float32[np.ndarray, "S"]:
    """c = t_chosen - mean_j t_j: what tells one value of an attribute from the others.

    `a red thing` is near to all things, `red` less any colour is near to red ones.
    """
    contrast: Float32[np.ndarray, "S"] = values[chosen] - values.mean(axis=0)
    return contrast


def attribute_profile(
    values: Float32[np.ndarray, "K S"],
    semantic_unit: Float32[np.ndarray, "S"],
    mean: Float32[np.ndarray, "S"],
) -> Float32[np.ndarray, "S"]:
    r"""p = sum_j ((s - mu) . c_j) c_j, with c_j = t_j - mean_j t_j: an image, by one attribute.

        here            shape   meaning
        values          K S     t_j, texts of the attribute's values
        semantic_unit   S       s, the image's semantic block
        mean            S       mu, of the collection's semantic blocks

    p . s' is how alike two images answer the values: a bilinear form s^T (C^T C) s', folded onto
    the query.  Reference loop: tests/references/intent.py
    """
    contrasts = values - values.mean(axis=0)
    profile: Float32[np.ndarray, "S"] = ((semantic_unit - mean) @ contrasts.T) @ contrasts
    return profile


def intended_parts(
    query: Query,
    parts: Float32[np.ndarray, "P E"],
    sample: Float32[np.ndarray, "N E"],
    *,
    dimension: int,
    semantic: int,
    encode: TextEncoder,
) -> tuple[Float32[np.ndarray, "P E"], float]:
    """The parts, images that are wanted as the intent has them; and an only part's level.

    Vectors have the width `dimension`, whatever follows it: a hubness stays as it is.
    """
    made, level = parts.copy(), 0.0
    for row, part in enumerate(query.parts):
        if isinstance(part, ImagePart) and part.weight > 0:
            made[row, :dimension], level = intended_image(
                parts[row, :dimension],
                query.intent,
                query.intent_strength,
                sample=sample[:, :dimension],
                semantic=semantic,
                encode=encode,
            )
    # Composing several parts takes off what an average picture scores with each.
    return made, level if len(parts) == 1 else 0.0


class _Part(NamedTuple):
    vector: Float32[np.ndarray, "D"]
    weight: float


def intended_image(
    features: Float32[np.ndarray, "D"],
    intent: str,
    strength: float,
    *,
    sample: Float32[np.ndarray, "N D"],
    semantic: int,
    encode: TextEncoder,
) -> Intended:
    """F^q of an image's query F, whose semantic block has the width `semantic`.

    `sample` are stored vectors of the collection, from which standard scores are taken.
    """
    if strength == 0:
        return Intended(features, 0.0)
    parts = _parts(unit_blocks(features, semantic), intent, sample, semantic, encode)
    vectors = np.stack([part.vector for part in parts])
    weights = np.array([part.weight for part in parts])
    moments, own = similarity_moments(vectors, sample), similarity_moments(features[None], sample)
    # At the image's own spread, so that a strength between 0 and 1 is between the two rankings.
    composed = np.float32(own.spread[0]) * composed_query(vectors, weights, moments)
    level = float(own.spread[0]) * composed_level(weights, moments) - float(own.mean[0])
    return Intended(
        intended_query(features, composed - features, strength),
        strength * level,
    )


class _Collection(NamedTuple):
    """What the parts are made with."""

    sample: Float32[np.ndarray, "N D"]
    mean: Float32[np.ndarray, "S"]
    """Of the semantic blocks."""
    encode: TextEncoder


def _parts(
    blocks: Float32[np.ndarray, "D"],
    intent: str,
    sample: Float32[np.ndarray, "N D"],
    semantic: int,
    encode: TextEncoder,
) -> list[_Part]:
    """The image by its looks, what is asked for and replaced, and what is kept."""
    unit, visual = blocks[:semantic], blocks[semantic:]
    spoken = spoken_of(intent)
    mean = sample[:, :semantic].mean(axis=0) if len(sample) else np.zeros_like(unit)
    among = _Collection(sample, mean, encode)
    parts = [_Part(image_query(unit, visual, 1.0 if visual.any() else 0.0), 1.0)]
    for attribute, value in spoken.asked:
        share = 1 / len(spoken.asked)
        parts.append(_asked_part(attribute, value, share, len(visual), among))
        parts.append(_profile_part(attribute, unit, REPLACED_WEIGHT * share, len(visual), among))
    if not spoken.asked and not spoken.kept:
        parts.append(_Part(text_query(encode([intent])[0], len(visual)), 1.0))
    kept = kept_attributes(spoken)
    weight = KEPT_WEIGHT if spoken.asked else FOCUS_WEIGHT
    parts += [_profile_part(one, unit, weight / len(kept), len(visual), among) for one in kept]
    return parts


def _asked_part(
    attribute: Attribute, value: str, share: float, visual: int, among: _Collection
) -> _Part:
    """The value's contrast, the heavier the more of the value's own similarities it explains.

    Of `small` hardly anything but `a thing` is left: at its own spread it would be noise made loud.
    """
    values = among.encode(attribute.texts)
    chosen = attribute.values.index(value)
    contrast = text_query(value_contrast(values, chosen), visual)
    whole = text_query(values[chosen], visual)
    spread = similarity_moments(np.stack([contrast, whole]), among.sample).spread
    return _Part(contrast, ASKED_WEIGHT * share * float(spread[0] / spread[1]))


def _profile_part(
    attribute: Attribute,
    unit: Float32[np.ndarray, "S"],
    weight: float,
    visual: int,
    among: _Collection,
) -> _Part:
    """The image by one attribute."""
    profile = attribute_profile(among.encode(attribute.texts), unit, among.mean)
    return _Part(text_query(profile, visual), weight)


def kept_attributes(spoken: Spoken) -> tuple[Attribute, ...]:
    """What stays the image's: what is named; else its shape, or its colour if shapes are asked."""
    if spoken.kept or not spoken.asked:
        return spoken.kept
    asked = {attribute.name for attribute, _ in spoken.asked}
    return tuple(one for one in (SHAPE, COLOUR) if one.name not in asked)[:1]
