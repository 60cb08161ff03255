"""A library's own pictures, so spoilt that they show nothing any more.

What tells them from the library's pictures tells other textures, drawings and scans from them too
(docs/rejection.md). NumPy alone; the same pictures for the same dice.

Shape letters: H rows and W columns of a picture, P of a square one's side.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, UInt8

SMOOTHED = 3
"""Means over a square, one of another, that look like a Gaussian's blur."""


def distorted(
    picture: UInt8[np.ndarray, "H W 3"], side: int, dice: np.random.Generator
) -> list[UInt8[np.ndarray, "P P 3"]]:
    """Each distortion of one picture, all `side` pixels wide and high."""
    seen = resized(picture.astype(np.float32), side)
    made = (distort(seen, dice) for distort in DISTORTIONS)
    return [np.clip(each, 0, 255).astype(np.uint8) for each in made]


def resized(picture: Float32[np.ndarray, "_ _ _"], side: int) -> Float32[np.ndarray, "P P _"]:
    """Linear between the nearest pixels; side by side where it grows and where it shrinks."""
    made = picture
    for axis in (0, 1):
        count = made.shape[axis]
        places = np.clip((np.arange(side) + 0.5) * count / side - 0.5, 0, count - 1)
        low = places.astype(np.int64)
        share = np.expand_dims((places - low).astype(np.float32), tuple({0, 1, 2} - {axis}))
        high = np.minimum(low + 1, count - 1)
        made = made.take(low, axis) * (1 - share) + made.take(high, axis) * share
    return made


def smoothed(picture: Float32[np.ndarray, "P P _"], radius: int) -> Float32[np.ndarray, "P P _"]:
    """Means over squares of 2 radius + 1 pixels, SMOOTHED times; the border's pixels go on."""
    width = 2 * radius + 1
    for _ in range(SMOOTHED):
        for axis in (0, 1):
            ends = [(0, 0)] * 3
            ends[axis] = (radius + 1, radius)
            sums = np.pad(picture, ends, mode="edge").cumsum(axis)
            count = picture.shape[axis]
            upper = sums.take(np.arange(width, width + count), axis)
            picture = (upper - sums.take(np.arange(count), axis)) / width
    return picture


def _piece(
    picture: Float32[np.ndarray, "P P 3"], share: float, dice: np.random.Generator
) -> Float32[np.ndarray, "_ _ 3"]:
    """A square somewhere in the picture, `share` of its side wide."""
    side = len(picture)
    width = max(1, round(share * side))
    top, left = dice.integers(side - width + 1, size=2)
    return picture[top : top + width, left : left + width]


def magnified(
    picture: Float32[np.ndarray, "P P 3"], dice: np.random.Generator
) -> Float32[np.ndarray, "P P 3"]:
    """A twelfth to a sixth of its side, over the whole picture."""
    return resized(_piece(picture, float(dice.uniform(1 / 12, 1 / 6)), dice), len(picture))


def repeated(
    picture: Float32[np.ndarray, "P P 3"], dice: np.random.Generator
) -> Float32[np.ndarray, "P P 3"]:
    """A piece of it, three to six times in a row and in as many rows."""
    count, side = int(dice.integers(3, 7)), len(picture)
    tile = resized(_piece(picture, 0.3, dice), -(-side // count))
    return np.tile(tile, (count, count, 1))[:side, :side]


def outlined(
    picture: Float32[np.ndarray, "P P 3"], dice: np.random.Generator
) -> Float32[np.ndarray, "P P 3"]:
    """Dark edges on white, as a drawing has them."""
    grey = picture.mean(axis=2)
    down, across = np.gradient(grey)
    edges = 255.0 - float(dice.uniform(2.0, 5.0)) * np.hypot(down, across)
    return np.repeat(edges[..., None], 3, axis=2)


def flattened(
    picture: Float32[np.ndarray, "P P 3"], dice: np.random.Generator
) -> Float32[np.ndarray, "P P 3"]:
    """Eight flat colours, as a poster has them."""
    levels = smoothed(picture, max(1, len(picture) // 100))
    return np.where(levels > float(dice.uniform(96, 160)), np.float32(255), np.float32(0))


DISTORTIONS: tuple[
    Callable[[Float32[np.ndarray, "P P 3"], np.random.Generator], Float32[np.ndarray, "P P 3"]],
    ...,
] = (magnified, repeated, outlined, flattened)
