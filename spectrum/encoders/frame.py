"""Sizes that an image is shrunk to, so that its aspect ratio stays and the cost does too."""

from functools import cache, lru_cache

import numpy as np
from jaxtyping import Float, Float32

WIDEST = 4.0
"""The longer side over the shorter, of what is shown to a tower; a longer strip is squashed."""


@lru_cache(maxsize=4096)
def fitted_sides(width: int, height: int, side: int, step: int) -> tuple[int, int]:
    """Width and height near `side` x `side` pixels in all, multiples of `step`, aspect kept.

    Of all pairs whose area differs from side^2 by no more than an eighth, the one whose aspect
    ratio comes closest to the image's; of equals, the one whose area does. All sizes are pixels.
    """
    aspect = min(max(width / height, 1.0 / WIDEST), WIDEST)
    area = side * side
    longest = int(2 * side / step) + 1
    pairs = [
        (columns * step, rows * step)
        for columns in range(1, longest)
        for rows in range(1, longest)
        if abs(columns * rows * step * step / area - 1.0) <= 0.125
    ]

    def distance(pair: tuple[int, int]) -> tuple[float, float]:
        columns, rows = pair
        off = abs(np.log(columns / rows / aspect))
        return round(float(off), 9), abs(columns * rows / area - 1.0)

    return min(pairs, key=distance)


@cache
def interpolation(entering: int, leaving: int) -> Float[np.ndarray, "leaving entering"]:
    """Weights of linear interpolation from `entering` places in a row to `leaving` ones.

    Places are centres of equal parts of the row; beyond the outermost centres nothing changes.
    Rows sum to one.
    """
    centres = (np.arange(leaving) + 0.5) * entering / leaving - 0.5
    below = np.clip(np.floor(centres), 0, entering - 1).astype(int)
    above = np.minimum(below + 1, entering - 1)
    part = np.clip(centres - below, 0.0, 1.0)
    weights = np.zeros((leaving, entering))
    np.add.at(weights, (np.arange(leaving), below), 1.0 - part)
    np.add.at(weights, (np.arange(leaving), above), part)
    return weights


def resampled(
    grid: Float32[np.ndarray, "C h w"], rows: int, columns: int
) -> Float32[np.ndarray, "rows columns C"]:
    """A grid of features brought to `rows` x `columns` places, channels last."""
    if grid.shape[1:] == (rows, columns):
        return grid.transpose(1, 2, 0)
    down, across = interpolation(grid.shape[1], rows), interpolation(grid.shape[2], columns)
    made = np.einsum("rh,chw,kw->rkc", down, grid, across, optimize=True)
    return np.asarray(made, dtype=np.float32)
