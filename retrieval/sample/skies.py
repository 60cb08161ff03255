"""Skies: gradients, clouds, the low sun, stars and the moon."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from retrieval.sample.camera import Camera
from retrieval.sample.lighting import Light
from retrieval.sample.noise import fractal_noise, sampled, smoothstep
from retrieval.sample.scene import Lighting
from retrieval.sample.textures import Rgb

Sheet = Float32[np.ndarray, "_ _ 3"]
"""Display colours, 0 to 1, that painters lay over each other."""

_STOPS: Mapping[Lighting, tuple[Rgb, Rgb, Rgb]] = {
    "day": ((0.24, 0.48, 0.80), (0.50, 0.71, 0.91), (0.83, 0.91, 0.96)),
    "sunset": ((0.27, 0.28, 0.50), (0.80, 0.48, 0.46), (1.00, 0.80, 0.52)),
    "night": ((0.045, 0.07, 0.17), (0.09, 0.125, 0.26), (0.19, 0.235, 0.38)),
}
_CLOUDS: Mapping[Lighting, tuple[Rgb, float]] = {
    "day": ((1.0, 1.0, 1.0), 0.85),
    "sunset": ((1.0, 0.62, 0.50), 0.60),
    "night": ((0.20, 0.24, 0.36), 0.55),
}


def column(*values: float) -> Float32[np.ndarray, "3"]:
    """A colour that multiplies and mixes with sheets."""
    return np.asarray(values, dtype=np.float32)


def mixed(
    first: Float32[np.ndarray, "*#first"],
    second: Float32[np.ndarray, "*#second"],
    share: Float32[np.ndarray, "*#share"],
) -> Float32[np.ndarray, "..."]:
    """`first` where `share` is 0, `second` where it is 1. For H W shares of colours."""
    weight = share[..., None]
    result: Float32[np.ndarray, "..."] = first * (1.0 - weight) + second * weight
    return result


def sky(
    camera: Camera, lighting: Lighting, light: Light, rng: np.random.Generator, *, clouds: float
) -> Sheet:
    """The whole sheet as sky, down to the horizon's colour below the horizon.

    `clouds` from 0 to 1 is roughly how much of the sky they cover.
    """
    rows = np.arange(camera.height, dtype=np.float32)[:, None] + 0.5
    columns = np.arange(camera.width, dtype=np.float32)[None, :] + 0.5
    down = np.clip(rows / camera.horizon, 0.0, 1.0) + np.zeros_like(columns)
    top, middle, bottom = (column(*stop) for stop in _STOPS[lighting])
    sheet = mixed(mixed(top, middle, smoothstep(0.0, 0.62, down)), bottom, down**2.2)
    glow = _glow(camera, light, rows, columns)
    if lighting == "sunset":
        sheet = mixed(sheet, column(1.0, 0.83, 0.52), np.clip(glow * 0.85, 0, 1))
    if clouds > 0:
        colour, strength = _CLOUDS[lighting]
        cover = _clouds(camera, rows, columns, rng, clouds) * strength
        sheet = mixed(sheet, column(*colour), cover * (1.0 - 0.5 * glow))
    return sheet


def _glow(
    camera: Camera,
    light: Light,
    rows: Float32[np.ndarray, "H 1"],
    columns: Float32[np.ndarray, "1 W"],
) -> Float32[np.ndarray, "H W"]:
    """Brightness around the point of the horizon nearest to the sun."""
    middle = camera.width * (0.5 + 0.42 * light.side)
    x, y = (columns - middle) / camera.width, (rows - camera.horizon * 0.96) / camera.width
    result: Float32[np.ndarray, "H W"] = np.exp(
        -np.sqrt(x * x + (1.7 * y) ** 2 + 1e-4) * 5.5
    ).astype(np.float32)
    return result


def _clouds(
    camera: Camera,
    rows: Float32[np.ndarray, "H 1"],
    columns: Float32[np.ndarray, "1 W"],
    rng: np.random.Generator,
    amount: float,
) -> Float32[np.ndarray, "H W"]:
    """A layer of cloud in perspective: long and thin towards the horizon."""
    height = np.maximum(camera.horizon - rows, 0.0) + 16.0
    away = 9000.0 / height
    across = (columns - camera.width / 2) * away * 0.0085
    drift = rng.uniform(0, 512, 2).astype(np.float32)
    noise = sampled(fractal_noise(21, 1.75), away + drift[0] + 0 * across, across + drift[1])
    body = smoothstep(0.9 - 1.7 * amount, 2.3 - 1.6 * amount, noise)
    fade = smoothstep(0.0, 24.0, camera.horizon - rows + 6.0)
    result: Float32[np.ndarray, "H W"] = (body * fade).astype(np.float32)
    return result


def stars(sheet: Sheet, camera: Camera, rng: np.random.Generator, *, n_stars: int) -> None:
    """Scatter stars over the sky, a few of them bright, and a faint band of many."""
    depth = camera.horizon - 4
    rows, columns = np.mgrid[0:depth, 0 : camera.width].astype(np.float32)
    slope, start = rng.uniform(-0.35, 0.35), rng.uniform(0.25, 0.6) * depth
    across = (rows - start - slope * (columns - camera.width / 2)) / (0.24 * depth)
    cloud = sampled(fractal_noise(33, 1.5), rows * 1.5, columns * 1.5 + float(start))
    band = np.exp(-across * across) * np.clip(0.55 + 0.28 * cloud, 0.0, 1.2)
    sheet[:depth] += band[:, :, None].astype(np.float32) * column(0.13, 0.12, 0.20)
    y = rng.integers(1, depth - 1, n_stars)
    x = rng.integers(1, camera.width - 1, n_stars)
    brightness = (0.20 + 0.85 * rng.random(n_stars) ** 4).astype(np.float32)
    tint = mixed(column(0.80, 0.88, 1.0), column(1.0, 0.93, 0.80), rng.random(n_stars, np.float32))
    sheet[y, x] = np.maximum(sheet[y, x], brightness[:, None] * tint)
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        halo = np.maximum(brightness - 0.45, 0.0)[:, None] * tint * 0.8
        sheet[y + dy, x + dx] = np.maximum(sheet[y + dy, x + dx], halo)


def moon(sheet: Sheet, camera: Camera, light: Light, rng: np.random.Generator) -> None:
    """A full moon with its seas and a halo, on the side that the light comes from."""
    radius = 15.0 * camera.width / 384 + 2
    side = light.side
    x = camera.width * (0.5 + side * rng.uniform(0.20, 0.36))
    y = camera.horizon * rng.uniform(0.24, 0.38)
    rows = np.arange(camera.height, dtype=np.float32)[:, None] + np.float32(0.5 - y)
    columns = np.arange(camera.width, dtype=np.float32)[None, :] + np.float32(0.5 - x)
    distance = np.hypot(rows, columns)
    halo = np.exp(-distance / (radius * 2.2)) * (rows < camera.horizon - y)
    sheet += (halo * 0.38).astype(np.float32)[:, :, None] * column(0.75, 0.82, 1.0)
    seas = sampled(fractal_noise(17, 1.7), rows * 3.4 + 60, columns * 3.4 + 20)
    face = 0.97 - 0.13 * smoothstep(-0.2, 1.0, seas) - 0.10 * (distance / radius) ** 2
    disc = np.clip(radius - distance + 0.5, 0.0, 1.0).astype(np.float32)
    sheet[:] = mixed(sheet, face[:, :, None] * column(1.0, 0.98, 0.90), disc)
