"""The shapes as signed distances, and everything that follows from a distance alone.

A shape is one function: how far a point is from its surface (negative inside). From it come the
outline (by marching along a ray), the normal (its gradient), soft shadows and the darkness of
creases, so every shape is shaded by the same code. Rounded edges catch highlights as real ones do.
The method is J. C. Hart, "Sphere tracing", The Visual Computer 12 (1996).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from retrieval.sample.scene import SCALES, Shape, Thing

Axis = Float32[np.ndarray, "N"]
Distance = Callable[[Axis, Axis, Axis], Axis]


class Points(NamedTuple):
    """N points, or N directions, one array per coordinate."""

    x: Axis
    y: Axis
    z: Axis


def _smooth_maximum(a: Axis, b: Axis, radius: float) -> Axis:
    """The larger of two distances, with the edge where they meet rounded off."""
    h = np.maximum(radius - np.abs(a - b), 0.0)
    result: Axis = np.maximum(a, b) + h * h * (0.25 / radius)
    return result


def _ball(x: Axis, y: Axis, z: Axis) -> Axis:
    result: Axis = np.sqrt(x * x + (y - 1.0) ** 2 + z * z) - 1.0
    return result


def _cube(x: Axis, y: Axis, z: Axis) -> Axis:
    half, rounding = 0.80, 0.10
    a, b, c = (np.abs(axis) - (half - rounding) for axis in (x, y - half, z))
    outside = np.sqrt(np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2 + np.maximum(c, 0) ** 2)
    result: Axis = outside + np.minimum(np.maximum(a, np.maximum(b, c)), 0.0) - rounding
    return result


def _cylinder(x: Axis, y: Axis, z: Axis) -> Axis:
    radius, half, rounding = 0.72, 0.92, 0.09
    a = np.sqrt(x * x + z * z) - (radius - rounding)
    b = np.abs(y - half) - (half - rounding)
    outside = np.sqrt(np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2)
    result: Axis = outside + np.minimum(np.maximum(a, b), 0.0) - rounding
    return result


def _cone(x: Axis, y: Axis, z: Axis) -> Axis:
    slope = np.hypot(0.95, 2.15)
    # The tip of a cone is rounded by measuring the radius from a little way off the axis.
    radius = np.sqrt(x * x + z * z + 0.004)
    side = (radius * 2.15 + y * 0.95 - 0.95 * 2.15) / slope
    return _smooth_maximum(side.astype(np.float32), -y, 0.12)


def _pyramid(x: Axis, y: Axis, z: Axis) -> Axis:
    half, height = 0.98, 1.75
    slope = float(np.hypot(half, height))
    a = (np.abs(x) * height + y * half - half * height) / slope
    b = (np.abs(z) * height + y * half - half * height) / slope
    return _smooth_maximum(_smooth_maximum(a, b, 0.12), -y, 0.10)


def _ring(x: Axis, y: Axis, z: Axis) -> Axis:
    result: Axis = np.hypot(np.hypot(x, y - 1.0) - 0.70, z) - 0.30
    return result


def _star(x: Axis, y: Axis, z: Axis) -> Axis:
    """Five points, each half bevelled towards the middle like a sheriff's badge."""
    tip, notch, fifth = 1.17, 0.50, 2.0 * pi / 5.0
    up = y - 0.90
    # All ten edges are one edge, turned and mirrored: from a tip, straight up, to a notch.
    angle = np.arctan2(x, up)
    angle = np.abs(angle - fifth * np.round(angle / fifth))
    radius = np.hypot(x, up)
    px, py = radius * np.sin(angle), radius * np.cos(angle) - tip
    ex, ey = notch * sin(fifth / 2), notch * cos(fifth / 2) - tip
    share = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0.0, 1.0)
    outline = np.hypot(px - ex * share, py - ey * share) * np.sign(py * ex - px * ey)
    result: Axis = (outline * 0.62 + np.abs(z) * 0.785).astype(np.float32) - 0.045
    return result


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A shape that stands on the origin, about one unit wide on each side."""

    distance: Distance
    """Signed distance to the surface, never more than the true one."""
    middle: float
    """Height of the centre of the sphere that encloses the shape."""
    radius: float
    """Radius of that sphere."""
    height: float
    """Height of the shape."""
    half_width: float
    """Half of its widest horizontal extent."""
    half_depth: float
    """Half of its extent along the line of sight, unturned."""


SOLIDS: Mapping[Shape, Solid] = {
    "ball": Solid(
        distance=_ball, middle=1.0, radius=1.02, height=2.0, half_width=1.0, half_depth=1.0
    ),
    "cube": Solid(
        distance=_cube, middle=0.80, radius=1.40, height=1.6, half_width=1.1, half_depth=1.1
    ),
    "cylinder": Solid(
        distance=_cylinder, middle=0.92, radius=1.18, height=1.84, half_width=0.72, half_depth=0.72
    ),
    "cone": Solid(
        distance=_cone, middle=0.82, radius=1.30, height=2.1, half_width=0.95, half_depth=0.95
    ),
    "pyramid": Solid(
        distance=_pyramid, middle=0.55, radius=1.50, height=1.7, half_width=1.2, half_depth=1.2
    ),
    "ring": Solid(
        distance=_ring, middle=1.0, radius=1.02, height=2.0, half_width=1.0, half_depth=0.3
    ),
    "star": Solid(
        distance=_star, middle=0.90, radius=1.30, height=2.1, half_width=1.16, half_depth=0.4
    ),
}


class Body:
    """A thing of a scene as a solid in the world: turned, scaled and put in its place."""

    def __init__(self, thing: Thing) -> None:
        self.thing = thing
        self.solid = SOLIDS[thing.kind.shape]
        self.scale = SCALES[thing.kind.size]
        self.centre = (thing.x, thing.y + self.solid.middle * self.scale, thing.z)
        self.radius = self.solid.radius * self.scale
        self._cos, self._sin = cos(thing.yaw), sin(thing.yaw)

    def local(self, points: Points) -> Points:
        """World points in the shape's own coordinates."""
        thing, s = self.thing, 1.0 / self.scale
        turned = self.turned(Points(points.x - thing.x, points.y - thing.y, points.z - thing.z))
        return Points(turned.x * s, turned.y * s, turned.z * s)

    def turned(self, directions: Points) -> Points:
        """World directions in the shape's own axes."""
        x, y, z = directions
        return Points(self._cos * x - self._sin * z, y, self._sin * x + self._cos * z)

    def distance(self, points: Points) -> Axis:
        """Signed distance, in world units, of world points from the surface."""
        return self.solid.distance(*self.local(points)) * self.scale

    def normals(self, points: Points) -> Points:
        """Unit outward normals at N points of the surface: the gradient of the distance."""
        step = 0.004 * self.scale
        gradient = [np.zeros_like(points.x) for _ in range(3)]
        for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
            moved = Points(*(p + c * step for p, c in zip(points, corner, strict=True)))
            distance = self.distance(moved)
            for axis, c in zip(gradient, corner, strict=True):
                axis += c * distance
        length = np.sqrt(sum(axis * axis for axis in gradient)) + 1e-9
        return Points(*(axis / length for axis in gradient))

    def hits(self, origin: tuple[float, float, float], rays: Points) -> Axis:
        """How far along N unit rays the surface is; infinity where a ray misses."""
        near, inside = self._enclosure(origin, rays)
        far = np.full_like(near, np.inf)
        index = np.flatnonzero(inside)
        t, direction = near[index], Points(*(axis[index] for axis in rays))
        end, close = t + 2.0 * self.radius, 0.0025 * self.scale
        for _ in range(48):
            distance = self.distance(
                Points(*(o + t * d for o, d in zip(origin, direction, strict=True)))
            )
            done = distance < close
            far[index[done]] = t[done] + distance[done]
            t = t + distance
            going = ~done & (t < end)
            if not going.any():
                break
            index, t, end = index[going], t[going], end[going]
            direction = Points(*(axis[going] for axis in direction))
        return far

    def _enclosure(
        self, origin: tuple[float, float, float], rays: Points
    ) -> tuple[Axis, Bool[np.ndarray, "N"]]:
        """Where rays enter the enclosing sphere, and which do."""
        ox, oy, oz = (c - o for c, o in zip(self.centre, origin, strict=True))
        along = rays.x * ox + rays.y * oy + rays.z * oz
        reach = self.radius**2 - (ox * ox + oy * oy + oz * oz - along * along)
        return along - np.sqrt(np.maximum(reach, 0.0)), reach > 0

    def light(self, points: Points, sun: tuple[float, float, float], softness: float) -> Axis:
        """Share of a soft sun, from 0 to 1, that this body lets through to N points.

        `softness` is the radius of the sun's disc in radians: how fast a shadow's edge widens with
        the distance from what casts it.
        """
        shares = np.ones_like(points.x)
        ox, oy, oz = (c - p for c, p in zip(self.centre, points, strict=True))
        along = ox * sun[0] + oy * sun[1] + oz * sun[2]
        aside = np.sqrt(np.maximum(ox * ox + oy * oy + oz * oz - along * along, 0.0))
        blocked = (along > 0) & (aside < self.radius + softness * (along + self.radius))
        index = np.flatnonzero(blocked)
        t = np.maximum(along[index] - self.radius * 1.3, 0.02)
        end, share = along[index] + self.radius * 1.3, shares[index]
        at = Points(*(axis[index] for axis in points))
        for _ in range(14):
            moved = Points(*(p + t * s for p, s in zip(at, sun, strict=True)))
            distance = self.distance(moved)
            share = np.minimum(share, 0.5 + 0.5 * distance / (softness * t + 1e-4))
            t = np.minimum(t + np.maximum(np.abs(distance), 0.05 * self.radius), end)
        share = np.clip(share, 0.0, 1.0)
        shares[index] = share * share * (3.0 - 2.0 * share)
        return shares
