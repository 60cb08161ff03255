"""What an image is searched with when words say what of it counts, or what should differ.

The words that an intent speaks in are told apart from the other values of the same attribute, the
image is compared by what it looks like, and what the words leave as it is, is compared by itself.
Each of the three is linear in what is stored, so a query with an intent is still one vector.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.attributes import COLOUR, SHAPE, Attribute, Spoken, spoken_of
from retrieval.ranking.blocks import unit_blocks
from retrieval.ranking.composition import (
    composed_level,
    composed_query,
    image_query,
    similarity_moments,
    text_query,
)

KEPT_WEIGHT = 0.6
"""Of what is kept, beside 1 for the image and 1 for what is asked. Chosen with `FOCUS_WEIGHT` on
half of the reference images of `benchmarks/intent`; see `docs/intent.md`."""
FOCUS_WEIGHT = 1.0
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


def _parts(
    blocks: Float32[np.ndarray, "D"],
    intent: str,
    sample: Float32[np.ndarray, "N D"],
    semantic: int,
    encode: TextEncoder,
) -> list[_Part]:
    """The image by its looks, what is asked, and what is kept."""
    visual = len(blocks) - semantic
    unit = blocks[:semantic]
    spoken = spoken_of(intent)
    looks = image_query(unit, blocks[semantic:], 1.0 if blocks[semantic:].any() else 0.0)
    parts = [_Part(looks, 1.0)]
    for attribute, value in spoken.asked:
        chosen = attribute.values.index(value)
        contrast = value_contrast(encode(attribute.texts), chosen)
        parts.append(_Part(text_query(contrast, visual), 1.0 / len(spoken.asked)))
    if not spoken.asked and not spoken.kept:
        parts.append(_Part(text_query(encode([intent])[0], visual), 1.0))
    kept = kept_attributes(spoken)
    mean = sample[:, :semantic].mean(axis=0) if len(sample) else np.zeros_like(unit)
    for attribute in kept:
        profile = attribute_profile(encode(attribute.texts), unit, mean)
        weight = KEPT_WEIGHT if spoken.asked else FOCUS_WEIGHT
        parts.append(_Part(text_query(profile, visual), weight / len(kept)))
    return parts


def kept_attributes(spoken: Spoken) -> tuple[Attribute, ...]:
    """What stays the image's: what is named; else its shape, or its colour if shapes are asked."""
    if spoken.kept or not spoken.asked:
        return spoken.kept
    asked = {attribute.name for attribute, _ in spoken.asked}
    return tuple(one for one in (SHAPE, COLOUR) if one.name not in asked)[:1]
