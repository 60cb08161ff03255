"""The colour of a thing's surface: plain, striped, dotted, checkered, marble or wooden."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from retrieval.sample.noise import fractal_noise, sampled, smoothstep
from retrieval.sample.scene import Colour, Shape
from retrieval.sample.solids import SOLIDS, Axis, Body, Points

Rgb = tuple[float, float, float]
Colours = Float32[np.ndarray, "N 3"]

PIGMENTS: Mapping[Colour | str, Rgb] = {
    "red": (0.82, 0.07, 0.08),
    "orange": (0.98, 0.47, 0.04),
    "yellow": (0.98, 0.82, 0.08),
    "green": (0.10, 0.60, 0.20),
    "blue": (0.08, 0.30, 0.84),
    "purple": (0.46, 0.15, 0.68),
    "pink": (0.98, 0.48, 0.68),
    "white": (0.93, 0.93, 0.92),
    "black": (0.06, 0.06, 0.07),
}
"""Display colours (sRGB, 0 to 1) that people call by these names."""


def linear(colour: Rgb) -> Float32[np.ndarray, "3"]:
    """A display colour as amounts of light."""
    return np.power(np.asarray(colour, dtype=np.float32), 2.2)


def surface(body: Body, points: Points, normals: Points, seed: int) -> Colours:
    """What share of red, green and blue light the surface returns, at N points in local units."""
    kind = body.thing.kind
    first = linear(PIGMENTS[kind.colour])
    match kind.texture:
        case "marble":
            return _marble(points, first, seed)
        case "wooden":
            return _wood(points, first, seed)
        case "plain":
            share = np.zeros_like(points.x)
        case "striped":
            share = _stripes(kind.shape, points)
        case "dotted":
            share = _dots(kind.shape, points)
        case "checkered":
            share = _checks(kind.shape, points, normals)
    second = linear(PIGMENTS[kind.second_colour or kind.colour])
    result: Colours = first + share[:, None] * (second - first)
    return result


def _square_wave(phase: Axis, softness: float) -> Axis:
    """0 and 1 in turn, each half a turn of `phase` long, with soft edges."""
    return smoothstep(-softness, softness, np.sin(phase * np.float32(2 * np.pi)))


def _stripes(shape: Shape, points: Points) -> Axis:
    """Bands across the shape; along the tube of a ring, as on a lifebuoy."""
    x, y, z = points
    if shape == "ring":
        return _square_wave(np.arctan2(y - 1.0, x) * np.float32(8 / (2 * np.pi)), 0.12)
    if shape == "star":
        return _square_wave((x * 0.6 + y * 0.8) * 2.1, 0.12)
    tilt = 0.30 if shape in ("ball", "cylinder") else 0.0
    return _square_wave((y + tilt * x + 0.12 * z * tilt) * 2.0 + 0.12, 0.12)


def _checks(shape: Shape, points: Points, normals: Points) -> Axis:
    """Two families of bands, multiplied: a chessboard that follows the surface."""
    x, y, z = points
    turn = np.float32(1 / (2 * np.pi))
    if shape == "ring":
        around = np.arctan2(y - 1.0, x)
        tube = np.arctan2(z, np.hypot(x, y - 1.0) - 0.70)
        across, down = around * (8 * turn), tube * (2 * turn)
    elif shape in ("ball", "cone", "cylinder"):
        flat = normals.y > 0.9 if shape == "cylinder" else np.zeros_like(x, dtype=bool)
        across = np.where(flat, x * 1.6 + 0.25, np.arctan2(x, z) * (7 * turn))
        height = np.arcsin(np.clip(y - 1.0, -1, 1)) * (7 * turn) if shape == "ball" else y * 1.63
        down = np.where(flat, z * 1.6 + 0.25, height)
    else:
        side = np.abs(normals.x) > np.abs(normals.z)
        top = np.abs(normals.y) > 0.9
        across = np.where(side & ~top, z, x) * 1.25
        down = np.where(top, z, y) * 1.25
    waves = np.sin(across * (2 * np.pi)) * np.sin(down * (2 * np.pi))
    return smoothstep(-0.05, 0.05, waves.astype(np.float32))


def _dots(shape: Shape, points: Points) -> Axis:
    centres = _dot_centres(shape)
    nearest = np.full_like(points.x, np.inf)
    for cx, cy, cz in centres:
        square = (points.x - cx) ** 2 + (points.y - cy) ** 2 + (points.z - cz) ** 2
        nearest = np.minimum(nearest, square)
    return smoothstep(0.205, 0.175, np.sqrt(nearest))


@lru_cache(maxsize=len(SOLIDS))
def _dot_centres(shape: Shape) -> Float32[np.ndarray, "P 3"]:
    """Points spread evenly over the surface: each is the one farthest from those before it."""
    rng = np.random.default_rng(11)
    cloud = rng.uniform((-1.2, 0.0, -1.2), (1.2, 2.2, 1.2), (20000, 3)).astype(np.float32)
    near = np.abs(SOLIDS[shape].distance(*cloud.T)) < 0.02
    cloud = cloud[near]
    chosen = [int(np.argmax(cloud[:, 1] - cloud[:, 2]))]
    distance = np.linalg.norm(cloud - cloud[chosen[0]], axis=1)
    while distance.max() > 0.52:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(cloud - cloud[chosen[-1]], axis=1))
    return cloud[chosen]


def _marble(points: Points, colour: Float32[np.ndarray, "3"], seed: int) -> Colours:
    """Thin pale and dark veins through the colour."""
    x, y, z = points
    warp = sampled(fractal_noise(3, 2.1), x * 60 + z * 47 + seed % 97 * 5, y * 60 - z * 31 + 40)
    vein = np.abs(np.sin((x * 0.9 + y * 1.1 + z * 0.7) * 2.1 + warp * 1.5 + seed % 13))
    fine = np.abs(np.sin((y * 0.8 - x * 1.3 + z) * 2.9 - warp * 2.3))
    pale = smoothstep(0.26, 0.0, vein)[:, None] * 0.75
    dark = smoothstep(0.16, 0.0, fine)[:, None] * 0.5
    cloudy = (1.0 + 0.14 * warp)[:, None]
    light = np.float32(0.82) if colour.min() < 0.6 else np.float32(0.30)
    return np.clip((colour * cloudy * (1 - pale) + light * pale) * (1 - dark * 0.8), 0.0, 1.0)


def _wood(points: Points, colour: Float32[np.ndarray, "3"], seed: int) -> Colours:
    """Growth rings of a log, stained with the colour, and a fine grain."""
    x, y, z = points
    offset = seed % 7 * 0.13
    # Cut across a wide log, so that the rings run as wavering flames rather than as straight bars.
    warp = sampled(fractal_noise(5, 1.9), y * 22 + 17 + seed % 50, (x + z * 0.8) * 52 + seed % 50)
    rings = (x * 0.75 + z * 0.55) * 2.4 + warp * 0.75 + (y - 0.9 - offset) ** 2 * 0.9
    phase = rings * 1.9 - np.floor(rings * 1.9)
    dark = smoothstep(0.10, 0.90, phase) * smoothstep(1.0, 0.92, phase)
    grain = sampled(fractal_noise(9, 0.6), y * 24 + 5, (x - z * 0.8) * 150)
    shade = (1.0 - 0.40 * dark) * (1.0 + 0.08 * grain)
    # A stain never hides the wood altogether.
    timber = np.array((0.50, 0.30, 0.13), dtype=np.float32)
    result: Colours = np.clip(
        (colour * 0.80 + timber * 0.26 * colour.max()) * shade[:, None], 0.0, 1.0
    )
    return result
