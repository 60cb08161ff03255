"""Random textures that repeat without a seam: clouds, sand, grain."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32

SIDE = 512
"""Texels of a texture's side."""


@lru_cache(maxsize=32)
def fractal_noise(seed: int, roughness: float, stretch: float = 1.0) -> Float32[np.ndarray, "S S"]:
    """A square of periodic noise with mean 0 and variance 1, S = `SIDE`.

    White noise whose amplitude is divided by frequency ** `roughness` (0 is white, 2 is cloud).
    `stretch` > 1 draws it out along the first axis.
    """
    white = np.fft.rfft2(np.random.default_rng(seed).standard_normal((SIDE, SIDE)))
    down = np.fft.fftfreq(SIDE)[:, None] * stretch
    across = np.fft.rfftfreq(SIDE)[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(white / frequency**roughness, s=(SIDE, SIDE))
    result: Float32[np.ndarray, "S S"] = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    return result


@lru_cache(maxsize=32)
def detail_levels(
    seed: int, roughness: float, stretch: float = 1.0
) -> Float32[np.ndarray, "L S S"]:
    """The same noise, ever smoother: level l keeps what survives at one sample per 2**l texels."""
    spectrum = np.fft.rfft2(fractal_noise(seed, roughness, stretch))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    levels = [
        np.fft.irfft2(spectrum * np.exp(-((frequency * 1.2 * (2.0**level - 1)) ** 2) * 4))
        for level in range(7)
    ]
    return np.stack(levels).astype(np.float32)


def sampled(
    texture: Float32[np.ndarray, "S S"],
    down: Float32[np.ndarray, "*#points"],
    across: Float32[np.ndarray, "*#points"],
) -> Float32[np.ndarray, "..."]:
    """The texture at positions in texels, between texels linearly; it repeats."""
    row, column = np.floor(down), np.floor(across)
    f, g = down - row, across - column
    i, j = row.astype(np.int32) % SIDE, column.astype(np.int32) % SIDE
    i1, j1 = (i + 1) % SIDE, (j + 1) % SIDE
    upper = texture[i, j] * (1 - g) + texture[i, j1] * g
    lower = texture[i1, j] * (1 - g) + texture[i1, j1] * g
    result: Float32[np.ndarray, "*points"] = upper * (1 - f) + lower * f
    return result


def smoothstep(
    low: float, high: float, value: Float[np.ndarray, "*points"]
) -> Float[np.ndarray, "*points"]:
    """0 below `low`, 1 above `high`, and a soft S between; `low` > `high` turns it round."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
