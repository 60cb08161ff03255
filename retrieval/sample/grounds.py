"""What lies under the things: grass, sand, snow, leaves, planks and stones, in perspective."""

import numpy as np
from jaxtyping import Float32

from retrieval.sample.camera import Camera
from retrieval.sample.noise import SIDE, detail_levels, fractal_noise, sampled, smoothstep
from retrieval.sample.skies import Sheet, column, mixed

Field = Float32[np.ndarray, "H W"]
"""One number per pixel below the horizon."""


def patches(camera: Camera, rng: np.random.Generator, *, per_unit: float) -> Field:
    """Broad, smooth variation with mean 0: what a meadow's or a beach's unevenness looks like."""
    x, z = camera.ground()
    z = np.minimum(z, 60.0)
    drift = rng.uniform(0, SIDE, 2).astype(np.float32)
    return sampled(fractal_noise(41, 1.9), z * per_unit + drift[0] + 0 * x, x * per_unit + drift[1])


def grains(
    camera: Camera,
    rng: np.random.Generator,
    *,
    per_unit: float,
    roughness: float,
    stretch: float = 1.0,
) -> Field:
    """Fine variation with mean 0, fading where a pixel covers many grains.

    `per_unit` texels to a world unit; `stretch` draws the grains out away from the camera.
    """
    x, z = camera.ground()
    levels = detail_levels(43, roughness)
    # A pixel covers more ground away from the camera than across.
    covered = per_unit * (z[:, 0] / camera.focal) * np.sqrt(z[:, 0] / camera.eye / stretch + 1.0)
    level = np.clip(np.log2(np.maximum(covered, 1.0)), 0, len(levels) - 1)
    drift = rng.uniform(0, SIDE, 2)
    down = (z * (per_unit / stretch) + drift[0]).astype(np.int32) % SIDE
    across = (x * per_unit + drift[1]).astype(np.int32) % SIDE
    lower = np.floor(level).astype(np.int32)
    share = (level - lower).astype(np.float32)[:, None]
    upper = np.minimum(lower + 1, len(levels) - 1)
    fine, coarse = levels[lower[:, None], down, across], levels[upper[:, None], down, across]
    result: Field = fine * (1 - share) + coarse * share
    return result


def blades(camera: Camera, rng: np.random.Generator) -> Field:
    """Upright streaks, longer towards the camera: grass seen from the side."""
    x, z = camera.ground()
    levels = detail_levels(47, 0.55, 0.16)
    level = np.clip(np.log2(np.maximum(36.0 * z[:, 0] / camera.focal, 1.0)), 0, 6)
    drift = rng.uniform(0, SIDE, 2)
    down = (np.log(z) * -330.0 + drift[0]).astype(np.int32) % SIDE
    across = (x * 58.0 + drift[1]).astype(np.int32) % SIDE
    result: Field = levels[np.round(level).astype(np.int32)[:, None], down, across]
    return result


def lines(position: Field, *, width: float, pixel: Field) -> Field:
    """1 on thin lines at whole numbers of `position`, 0 elsewhere, smooth at any distance.

    `width` is a line's, `pixel` a pixel's extent, both in units of `position`.
    """
    distance = np.abs(position - np.round(position))
    coverage = np.clip((width / 2 + pixel / 2 - distance) / pixel, 0.0, 1.0)
    result: Field = coverage * np.minimum(width / pixel, 1.0)
    return result


def planks(camera: Camera, rng: np.random.Generator) -> Sheet:
    """Boards that run away from the camera, each with its own tone and grain."""
    x, z = camera.ground()
    board = x / 1.25 + np.float32(rng.uniform(0, 1))
    number = np.floor(board).astype(np.int32)
    tones = rng.normal(0, 0.075, 256).astype(np.float32)[number % 256]
    shift = rng.uniform(0, SIDE, 256).astype(np.float32)[number % 256]
    grain = sampled(fractal_noise(53, 1.15), z * 9 + shift, x * 62 + shift)
    wave = sampled(fractal_noise(59, 1.9), z * 8 + shift, x * 20 + shift)
    rings = np.sin(x * 16 + wave * 4.2 + shift)
    tone = 1.0 + tones + 0.055 * grain + 0.05 * rings * smoothstep(26.0, 8.0, z)
    gaps = lines(board, width=0.028, pixel=z / camera.focal / 1.25 + 0 * x)
    sheet = column(0.62, 0.42, 0.26) * tone[:, :, None]
    return mixed(sheet, column(0.16, 0.09, 0.05), gaps * 0.85)


def paving(camera: Camera, rng: np.random.Generator) -> Sheet:
    """Square stones in rows, each row shifted by half a stone."""
    x, z = camera.ground()
    row = z / 1.7 + np.float32(rng.uniform(0, 1)) + 0 * x
    number = np.floor(row).astype(np.int32)
    across = (
        x / 1.7 + np.float32(0.5) * (number % 2).astype(np.float32) + np.float32(rng.uniform(0, 1))
    )
    stone = number * 37 + np.floor(across).astype(np.int32) * 101
    fade = smoothstep(60.0, 14.0, z)
    tone = 1.0 + rng.normal(0, 0.07, 512).astype(np.float32)[stone % 512] * fade
    tone = tone + 0.06 * grains(camera, rng, per_unit=85.0, roughness=0.7)
    tone = tone + 0.04 * patches(camera, rng, per_unit=14.0)
    deep = z * z / (camera.eye * camera.focal) / 1.7 + 0 * x
    joints = np.maximum(
        lines(row, width=0.03, pixel=deep),
        lines(across, width=0.03, pixel=z / camera.focal / 1.7 + 0 * x) * fade,
    )
    sheet = column(0.44, 0.43, 0.45) * tone[:, :, None]
    return mixed(sheet, column(0.20, 0.20, 0.22), joints * 0.7)
