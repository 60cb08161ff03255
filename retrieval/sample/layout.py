"""Where the things of a scene stand: inside the picture, apart, visible, and truly related."""

from dataclasses import dataclass
from math import inf

import numpy as np

from retrieval.sample.camera import camera_of
from retrieval.sample.scene import SCALES, Background, Kind, Lighting, Relation, Scene, Shape, Thing
from retrieval.sample.solids import SOLIDS


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The attributes of a scene that has no places yet."""

    subject: Kind
    """What the picture is about."""
    count: int
    """How many of it; 1 to 4."""
    other: Kind | None
    """What it is related to; None exactly if `relation` is None."""
    relation: Relation | None
    """Where the subject is, seen from the camera."""
    background: Background
    """What is around."""
    lighting: Lighting
    """Time of day, one that the background has."""
    portrait: bool
    """Whether the picture is higher than wide."""


def laid_out(rng: np.random.Generator, draft: Draft) -> Scene | None:
    """The scene, its things in their places; None if they do not fit into the picture."""
    width, height = (288, 384) if draft.portrait else (384, 288)
    seed = int(rng.integers(2**31))
    for _ in range(16):
        scene = Scene(
            things=_placed(rng, draft),
            count=draft.count,
            relation=draft.relation,
            background=draft.background,
            lighting=draft.lighting,
            width=width,
            height=height,
            seed=seed,
        )
        if _fits(scene):
            return scene
    return None


_PATTERNS: dict[int, tuple[tuple[tuple[float, float], ...], ...]] = {
    1: (((0.0, 0.0),),),
    2: (((-0.5, 0.0), (0.5, 0.0)), ((-0.45, 0.35), (0.45, -0.35)), ((-0.45, -0.35), (0.45, 0.35))),
    3: (
        ((-0.62, 0.4), (0.62, 0.4), (0.0, -0.55)),
        ((-1.0, 0.1), (0.0, -0.1), (1.0, 0.1)),
        ((-0.6, -0.4), (0.6, -0.4), (0.0, 0.6)),
    ),
    4: (
        ((-1.0, 0.45), (-0.35, -0.5), (0.4, 0.5), (1.05, -0.45)),
        ((-1.5, 0.15), (-0.5, -0.1), (0.5, 0.1), (1.5, -0.15)),
        ((-0.62, 0.9), (0.55, 0.9), (-0.5, -0.85), (0.68, -0.85)),
    ),
}
"""Offsets to the right and away of a group's members, in spacings."""


def _placed(rng: np.random.Generator, draft: Draft) -> tuple[Thing, ...]:
    """Things in places drawn to suit the relation; whether they fit is for `_fits` to say."""
    subject, count, other, relation = draft.subject, draft.count, draft.other, draft.relation
    z, x, aside = rng.uniform(6.3, 7.8), rng.uniform(-0.5, 0.5), rng.uniform(1.0, 1.9)
    if count == 4:
        z, x, aside = rng.uniform(7.2, 8.2), x * 0.4, rng.uniform(1.3, 1.8)
    if relation in ("left of", "right of"):
        x = -aside if relation == "left of" else aside
    if relation == "in front of":
        z = rng.uniform(5.6, 6.3)
    lift = 0.0
    if relation == "on top of" and other is not None:
        lift = SOLIDS[other.shape].height * SCALES[other.size]
    # A row leaves no room for another thing beside it.
    patterns = _PATTERNS[count][::2] if other is not None and count > 2 else _PATTERNS[count]
    pattern = patterns[int(rng.integers(len(patterns)))]
    spacing = SCALES[subject.size] * rng.uniform(2.25, 2.7)
    things = [
        Thing(
            kind=subject,
            x=x + (dx + rng.normal(0, 0.05)) * spacing,
            z=z + (dz + rng.normal(0, 0.05)) * spacing * 1.15,
            y=lift,
            yaw=_yaw(rng, subject.shape),
        )
        for dx, dz in pattern
    ]
    if other is not None:
        other_x, other_z = -x * rng.uniform(0.8, 1.1), z + rng.uniform(-0.5, 0.5)
        if relation == "on top of":
            other_x, other_z = things[0].x, things[0].z
        if relation == "in front of":
            other_x, other_z = x + rng.uniform(-0.7, 0.7), z + rng.uniform(2.1, 3.0)
        yaw = _yaw(rng, other.shape)
        things.append(Thing(kind=other, x=other_x, z=other_z, yaw=yaw))
    return tuple(things)


def _yaw(rng: np.random.Generator, shape: Shape) -> float:
    """Turned so far that the shape is still plain to see."""
    flat = shape in ("ring", "star")
    side = 1.0 if rng.random() < 0.5 else -1.0
    return float(side * (rng.uniform(0.0, 0.55) if flat else rng.uniform(0.25, 0.65)))


def _fits(scene: Scene) -> bool:
    """Whether all things are in the picture, apart, well visible, and related as the scene says."""
    rectangles = [_rectangle(scene, thing) for thing in scene.things]
    margin = 5
    for left, top, right, bottom in rectangles:
        if left < margin or top < margin:
            return False
        if right > scene.width - margin or bottom > scene.height - margin:
            return False
    for first, a in enumerate(scene.things):
        for b in scene.things[first + 1 :]:
            gap = 1.02 * (_footprint(a.kind) + _footprint(b.kind))
            stacked = a.y != b.y
            if not stacked and (a.x - b.x) ** 2 + (a.z - b.z) ** 2 < gap**2:
                return False
    return _visible(scene, rectangles) and _related(scene, rectangles)


Rectangle = tuple[float, float, float, float]


def _footprint(kind: Kind) -> float:
    return max(SOLIDS[kind.shape].half_width, 0.85) * SCALES[kind.size]


def _rectangle(scene: Scene, thing: Thing) -> Rectangle:
    """About where a thing will be seen, in pixels, a little too large rather than too small."""
    camera, solid, scale = camera_of(scene), SOLIDS[thing.kind.shape], SCALES[thing.kind.size]
    half, deep = solid.half_width * scale, solid.half_depth * scale
    left, top = camera.projected(thing.x - half, thing.y + solid.height * scale, thing.z - deep / 2)
    right, bottom = camera.projected(thing.x + half, thing.y, thing.z - deep * 0.8)
    return left, top, right, bottom


def _visible(scene: Scene, rectangles: list[Rectangle]) -> bool:
    """Whether no thing has more than two fifths of its rectangle behind nearer ones."""
    if scene.relation == "on top of":
        return True
    for mine, (left, top, right, bottom) in zip(scene.things, rectangles, strict=True):
        hidden = 0.0
        for theirs, (a, b, c, d) in zip(scene.things, rectangles, strict=True):
            if theirs.z < mine.z:
                across, down = min(right, c) - max(left, a), min(bottom, d) - max(top, b)
                hidden += max(across, 0.0) * max(down, 0.0)
        if hidden > 0.40 * (right - left) * (bottom - top):
            return False
    return True


def _related(scene: Scene, rectangles: list[Rectangle]) -> bool:
    """Whether the picture shows the relation beyond doubt."""
    mine, theirs = rectangles[: scene.count], rectangles[-1]
    lefts, rights = [r[0] for r in mine], [r[2] for r in mine]
    match scene.relation:
        case "left of":
            return max(rights) < theirs[0] + 2
        case "right of":
            return min(lefts) > theirs[2] - 2
        case "in front of":
            overlap = min(max(rights), theirs[2]) - max(min(lefts, default=-inf), theirs[0])
            return overlap > 0.35 * (theirs[2] - theirs[0])
        case _:
            return True
