"""Light: where it comes from, its colour, and how a surface answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from retrieval.sample.noise import smoothstep
from retrieval.sample.scene import Background, Lighting, Scene
from retrieval.sample.solids import Axis, Points
from retrieval.sample.textures import Colours, Rgb

Vector = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Light:
    """One sun (or moon, or lamp) and the glow of everything around."""

    direction: Vector
    """Unit vector towards the sun."""
    sun: Rgb
    """Amounts of direct light."""
    sky: Rgb
    """Amounts of light from above."""
    bounce: Rgb
    """Amounts of light from the ground."""
    softness: float
    """Radius of the sun's disc in radians, exaggerated as a thin cloud would."""
    shadow: Rgb
    """Share of a ground's colour that is left in full shadow."""

    @property
    def side(self) -> float:
        """1 if the sun is on the right, -1 if it is on the left."""
        return 1.0 if self.direction[0] > 0 else -1.0


class _Mood(NamedTuple):
    aside: float
    height: float
    behind: float
    sun: Rgb
    sky: Rgb
    softness: float
    shadow: Rgb


_MOODS: Mapping[Lighting, _Mood] = {
    "day": _Mood(
        0.62, 0.95, -0.42, (1.02, 0.98, 0.90), (0.36, 0.41, 0.50), 0.10, (0.50, 0.54, 0.64)
    ),
    "sunset": _Mood(
        0.98, 0.50, -0.22, (1.22, 0.76, 0.42), (0.36, 0.31, 0.40), 0.12, (0.50, 0.44, 0.56)
    ),
    "night": _Mood(
        -0.66, 0.85, -0.34, (0.42, 0.49, 0.64), (0.15, 0.18, 0.28), 0.14, (0.46, 0.48, 0.58)
    ),
}

_LAMPLIGHT = _Mood(
    -0.60, 0.95, -0.20, (0.72, 0.56, 0.36), (0.17, 0.15, 0.15), 0.18, (0.40, 0.38, 0.42)
)

_GROUNDS: Mapping[Background, Rgb] = {
    "grass": (0.12, 0.22, 0.06),
    "beach": (0.42, 0.34, 0.22),
    "snow": (0.55, 0.60, 0.68),
    "desert": (0.42, 0.26, 0.13),
    "forest": (0.16, 0.14, 0.06),
    "table": (0.32, 0.19, 0.10),
    "city": (0.20, 0.20, 0.22),
    "starry sky": (0.10, 0.12, 0.18),
}


def light_of(scene: Scene) -> Light:
    """The light of a scene: from its lighting and background; its side and height from the seed."""
    mood = _MOODS[scene.lighting]
    if scene.background == "table" and scene.lighting == "night":
        mood = _LAMPLIGHT
    rng = np.random.default_rng((scene.seed, 1))
    side = 1.0 if rng.random() < 0.5 else -1.0
    towards = np.array((mood.aside * side, mood.height, mood.behind)) + rng.normal(0, 0.06, 3)
    x, y, z = (towards / np.linalg.norm(towards)).tolist()
    brightness = sum(mood.sun) / 3.0
    r, g, b = (share * brightness * 0.75 for share in _GROUNDS[scene.background])
    return Light(
        direction=(x, y, z),
        sun=mood.sun,
        sky=mood.sky,
        bounce=(r, g, b),
        softness=mood.softness,
        shadow=mood.shadow,
    )


def shaded(
    surface: Colours,
    normals: Points,
    rays: Points,
    *,
    light: Light,
    sunlit: Axis,
    openness: Axis,
    gloss: float,
) -> Colours:
    """Display colours of N surface points: diffuse light, light from around, and a highlight.

    `sunlit` is the share of the sun that reaches a point, `openness` the share of the surroundings;
    `gloss` is 0 for chalk and 1 for glass.
    """
    lx, ly, lz = light.direction
    facing = normals.x * lx + normals.y * ly + normals.z * lz
    # A little light wraps round the edge between day and night of the surface.
    diffuse = np.maximum((facing + 0.12) / 1.12, 0.0) * sunlit
    up = normals.y * 0.5 + 0.5
    sky, bounce, sun = (np.asarray(c, np.float32) for c in (light.sky, light.bounce, light.sun))
    around = up[:, None] * sky + (1.0 - up)[:, None] * bounce
    lit = surface * (diffuse[:, None] * sun + around * openness[:, None])

    cosine = -(normals.x * rays.x + normals.y * rays.y + normals.z * rays.z)
    mirrored_y = rays.y + 2.0 * cosine * normals.y
    towards_sun = (
        (rays.x + 2.0 * cosine * normals.x) * lx
        + mirrored_y * ly
        + (rays.z + 2.0 * cosine * normals.z) * lz
    )
    fresnel = 0.035 + 0.55 * np.clip(1.0 - cosine, 0.0, 1.0) ** 5
    mirror = smoothstep(-0.25, 0.45, mirrored_y)[:, None] * (sky - bounce) * 1.5 + bounce
    highlight = np.maximum(towards_sun, 0.0) ** (14 + 70 * gloss) * (0.10 + 0.55 * gloss) * sunlit
    lit = lit + (fresnel * gloss * openness)[:, None] * mirror + highlight[:, None] * sun
    return encoded(lit)


def encoded(light: Colours) -> Colours:
    """Amounts of light as display colours from 0 to 1; what is too bright saturates softly."""
    soft = np.where(light > 0.7, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.45), light)
    result: Colours = np.power(np.clip(soft, 0.0, 1.0), 1 / 2.2).astype(np.float32)
    return result
