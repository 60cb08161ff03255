"""THE STORY of a picture: background, shadows on the ground, things, and the exact pixels of each.

Things are marched at `SAMPLES` x `SAMPLES` rays per pixel and averaged, so their edges are smooth;
which things a pixel shows any of is known exactly, and so are the boxes.
"""

from dataclasses import replace
from itertools import product
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int8, UInt8

from retrieval.sample.backgrounds import background
from retrieval.sample.camera import Camera, camera_of
from retrieval.sample.lighting import Light, light_of, shaded
from retrieval.sample.scene import Box, Scene, Texture
from retrieval.sample.solids import Axis, Body, Points
from retrieval.sample.textures import surface

SAMPLES = 2
"""Rays per pixel along each axis."""

_GLOSS: dict[Texture, float] = {
    "plain": 0.75,
    "striped": 0.65,
    "dotted": 0.65,
    "checkered": 0.55,
    "marble": 1.0,
    "wooden": 0.20,
}


class Picture(NamedTuple):
    """A painted scene."""

    pixels: UInt8[np.ndarray, "H W 3"]
    """The picture, sRGB."""
    masks: Bool[np.ndarray, "T H W"]
    """For each of T things, the pixels in which any of it is visible."""
    scene: Scene
    """The scene, each thing with the box of its mask."""


class _Canvas(NamedTuple):
    """What is seen along each of S x S rays per pixel."""

    depth: Float32[np.ndarray, "RH RW"]
    """Distance of the nearest thing; infinity where there is none."""
    owner: Int8[np.ndarray, "RH RW"]
    """Index of that thing, or -1."""
    colour: Float32[np.ndarray, "RH RW 3"]
    """Its display colour, or 0."""


def paint(scene: Scene) -> Picture:
    """The picture of a scene. The same scene always gives the same pixels.

    Raises ValueError if a thing is out of sight: a caption that names it would be untrue.
    """
    camera, light = camera_of(scene), light_of(scene)
    bodies = [Body(thing) for thing in scene.things]
    canvas = _empty_canvas(camera)
    for index in range(len(bodies)):
        _march(canvas, index, bodies, camera=camera, light=light, seed=scene.seed)

    ground = background(scene, camera)
    _darken(ground, bodies, camera=camera, light=light)
    offsets = list(product(range(SAMPLES), repeat=2))
    owners = [canvas.owner[i::SAMPLES, j::SAMPLES] for i, j in offsets]
    masks = np.stack([np.any([o == t for o in owners], axis=0) for t in range(len(bodies))])
    covered = np.stack([o >= 0 for o in owners]).sum(axis=0, dtype=np.float32) / len(offsets)
    things = np.zeros_like(ground)
    for i, j in offsets:
        things += canvas.colour[i::SAMPLES, j::SAMPLES]
    display = ground * (1.0 - covered[:, :, None]) + things / len(offsets)
    pixels = np.clip(display * 255.0 + 0.5, 0, 255).astype(np.uint8)

    boxed = tuple(
        replace(thing, box=extent(mask)) for thing, mask in zip(scene.things, masks, strict=True)
    )
    return Picture(pixels, masks, replace(scene, things=boxed))


def extent(mask: Bool[np.ndarray, "H W"]) -> Box:
    """The smallest box around the true pixels; ValueError if there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        raise ValueError("a thing of the scene is out of sight: move it, or what hides it")
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _empty_canvas(camera: Camera) -> _Canvas:
    shape = (camera.height * SAMPLES, camera.width * SAMPLES)
    return _Canvas(
        np.full(shape, np.inf, np.float32),
        np.full(shape, -1, np.int8),
        np.zeros((*shape, 3), np.float32),
    )


def _march(
    canvas: _Canvas, index: int, bodies: list[Body], *, camera: Camera, light: Light, seed: int
) -> None:
    """Draw one body on the canvas wherever it is nearer than what is there."""
    body, others = bodies[index], bodies[:index] + bodies[index + 1 :]
    top, bottom, left, right = _window(body, camera)
    window = (slice(top, bottom), slice(left, right))
    rays = _rays(camera, window)
    origin = (0.0, camera.eye, 0.0)
    depth = body.hits(origin, rays)
    seen = np.flatnonzero(depth < canvas.depth[window].ravel())
    if seen.size == 0:
        return
    t, rays = depth[seen], Points(*(axis[seen] for axis in rays))
    points = Points(*(o + t * d for o, d in zip(origin, rays, strict=True)))
    normals = body.normals(points)
    sunlit, openness = _surroundings(points, normals, others, light)
    colours = shaded(
        surface(body, body.local(points), body.turned(normals), seed),
        normals,
        rays,
        light=light,
        sunlit=sunlit,
        openness=openness,
        gloss=_GLOSS[body.thing.kind.texture],
    )
    place = np.unravel_index(seen, (bottom - top, right - left))
    canvas.depth[window][place] = t
    canvas.owner[window][place] = index
    canvas.colour[window][place] = colours


def _window(body: Body, camera: Camera) -> tuple[int, int, int, int]:
    """Rows and columns of the canvas that the enclosing sphere can be seen in."""
    x, y, z = body.centre
    column, row = camera.projected(x, y, z)
    # A sphere off the axis is seen as an ellipse a little wider than radius * focal / z.
    reach = 1.12 * body.radius * camera.focal / (z - body.radius * 0.5)
    top, bottom = floor((row - reach) * SAMPLES), ceil((row + reach) * SAMPLES)
    left, right = floor((column - reach) * SAMPLES), ceil((column + reach) * SAMPLES)
    return (
        max(top, 0),
        min(bottom, camera.height * SAMPLES),
        max(left, 0),
        min(right, camera.width * SAMPLES),
    )


def _rays(camera: Camera, window: tuple[slice, slice]) -> Points:
    """Unit directions of the window's rays, row by row."""
    rows = (np.arange(window[0].start, window[0].stop, dtype=np.float32) + 0.5) / SAMPLES
    columns = (np.arange(window[1].start, window[1].stop, dtype=np.float32) + 0.5) / SAMPLES
    y, x = np.meshgrid(
        (camera.horizon - rows) / np.float32(camera.focal),
        (columns - camera.width / 2) / np.float32(camera.focal),
        indexing="ij",
    )
    z = 1.0 / np.sqrt(x * x + y * y + 1.0)
    return Points((x * z).ravel(), (y * z).ravel(), z.ravel())


def _surroundings(
    points: Points, normals: Points, others: list[Body], light: Light
) -> tuple[Axis, Axis]:
    """How much of the sun, and of the rest of the world, each surface point sees."""
    sunlit = np.ones_like(points.x)
    # Near the ground half of the world is ground, and dark from the thing's own shadow.
    openness = 1.0 - 0.55 * np.exp(-points.y / 0.22) * (0.65 - 0.35 * normals.y)
    for other in others:
        sunlit *= other.light(points, light.direction, light.softness)
        gap = np.maximum(other.distance(points), 0.0)
        openness *= 1.0 - 0.5 * np.exp(-gap / 0.16)
    return sunlit, openness


def _darken(
    picture: Float32[np.ndarray, "H W 3"], bodies: list[Body], *, camera: Camera, light: Light
) -> None:
    """Lay the soft shadows of the bodies, and the dark where they touch, on the ground."""
    x, z = camera.ground()
    nearest, farthest = min(b.centre[2] for b in bodies), max(b.centre[2] for b in bodies)
    rows = (z[:, 0] > nearest - 3.5) & (z[:, 0] < farthest + 4.5)
    first, last = np.flatnonzero(rows)[[0, -1]]
    block = (slice(first, last + 1), slice(None))
    x, z = x[block], np.broadcast_to(z[block], x[block].shape)
    # Shadows are smooth: every second pixel is enough, the rest lies between.
    points = Points(
        x[::2, ::2].ravel(), np.zeros(x[::2, ::2].size, np.float32), z[::2, ::2].ravel()
    )
    sunlit, openness = np.ones_like(points.x), np.ones_like(points.x)
    for body in bodies:
        sunlit *= body.light(points, light.direction, light.softness)
        gap = np.maximum(body.distance(points), 0.0)
        openness *= 1.0 - 0.62 * np.exp(-gap / (0.20 * body.scale))
    left = np.asarray(light.shadow, np.float32)
    share = (left + (1.0 - left) * sunlit[:, None]) * openness[:, None]
    full = _doubled(share.reshape(*x[::2, ::2].shape, 3), x.shape)
    picture[camera.horizon + first : camera.horizon + last + 1] *= full


def _doubled(
    half: Float32[np.ndarray, "h w 3"], shape: tuple[int, ...]
) -> Float32[np.ndarray, "H W 3"]:
    """A picture at every second pixel, filled in linearly between."""
    full = np.empty((*shape, 3), np.float32)
    full[::2, ::2] = half
    full[1::2, ::2] = half[: shape[0] // 2]
    full[1 : shape[0] - 1 : 2, ::2] = 0.5 * (half[:-1] + half[1:])[: (shape[0] - 1) // 2]
    full[:, 1::2] = full[:, 0 : shape[1] - 1 : 2]
    full[:, 1 : shape[1] - 1 : 2] = 0.5 * (full[:, 0 : shape[1] - 2 : 2] + full[:, 2::2])
    return full
