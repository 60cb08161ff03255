"""Backgrounds under the open sky, and the choice among all backgrounds."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32

from retrieval.sample.camera import Camera
from retrieval.sample.grounds import blades, grains, patches
from retrieval.sample.lighting import Light, light_of
from retrieval.sample.noise import fractal_noise, smoothstep
from retrieval.sample.places import city, forest, table
from retrieval.sample.scene import Background, Lighting, Scene
from retrieval.sample.skies import Sheet, column, mixed, moon, sky, stars
from retrieval.sample.textures import Rgb

Profile = Float32[np.ndarray, "W"]

_GROUND_TINTS: Mapping[Lighting, Rgb] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (0.98, 0.75, 0.62),
    "night": (0.40, 0.46, 0.62),
}


def background(scene: Scene, camera: Camera) -> Sheet:
    """The picture without its things, in display colours."""
    painters: Mapping[Background, Callable[[_Surroundings], Sheet]] = {
        "grass": _grass,
        "beach": _beach,
        "snow": _snow,
        "desert": _desert,
        "starry sky": _starry,
    }
    rng, light = np.random.default_rng((scene.seed, 2)), light_of(scene)
    match scene.background:
        case "forest":
            sheet = forest(camera, scene.lighting, light, rng)
        case "table":
            sheet = table(camera, scene.lighting, light, rng)
        case "city":
            sheet = city(camera, scene.lighting, light, rng)
        case open_air:
            sheet = painters[open_air](_Surroundings(camera, scene.lighting, light, rng))
    result: Sheet = np.clip(sheet * _vignette(camera), 0.0, 1.0).astype(np.float32)
    return result


class _Surroundings:
    """What every painter of a landscape needs."""

    def __init__(
        self, camera: Camera, lighting: Lighting, light: Light, rng: np.random.Generator
    ) -> None:
        self.camera, self.lighting, self.light, self.rng = camera, lighting, light, rng
        self.tint = column(*_GROUND_TINTS[lighting])
        rows = np.arange(camera.height, dtype=np.float32)[:, None] + 0.5
        self.above = camera.horizon - rows
        """Pixels above the horizon, per row; negative below it."""

    def sky(self, *, clouds: float) -> Sheet:
        return sky(self.camera, self.lighting, self.light, self.rng, clouds=clouds)

    def lay(self, sheet: Sheet, ground: Sheet, *, haze: float) -> None:
        """Put the ground below the horizon, the sky's colour creeping in towards it."""
        horizon = self.camera.horizon
        z = self.camera.ground().z
        far = (1.0 - np.exp(-z * haze / 100.0)).astype(np.float32) + np.zeros_like(ground[:, :, 0])
        sheet[horizon:] = mixed(ground * self.tint, sheet[horizon - 1], far)

    def ridge(self, *, low: float, high: float, roughness: float) -> Profile:
        """Heights above the horizon, in pixels, of a line of hills."""
        row = fractal_noise(61, roughness)[self.rng.integers(0, 512)]
        start, zoom = self.rng.integers(0, 512), 384 / self.camera.width
        at = (start + np.arange(self.camera.width) * 0.55 * zoom).astype(np.float32)
        line = np.interp(at, np.arange(1024), np.tile(row, 2))
        line = (line - line.min()) / (line.max() - line.min() + 1e-6)
        result: Profile = (low + (high - low) * line).astype(np.float32)
        return result

    def hills(self, sheet: Sheet, profile: Profile, colour: Rgb, *, fade: float = 0.0) -> None:
        """Fill the sky below a ridge; `fade` lets mist rise from the foot."""
        cover = np.clip(profile - self.above + 0.5, 0.0, 1.0) * (self.above > -0.5)
        depth = np.clip((profile - self.above) / np.maximum(profile, 1.0), 0.0, 1.0)
        mist = sheet[self.camera.horizon - 1]
        shade = mixed(column(*colour) * self.tint, mist, (fade * depth).astype(np.float32))
        sheet[:] = mixed(sheet, shade, cover.astype(np.float32))


def _grass(s: _Surroundings) -> Sheet:
    sheet = s.sky(clouds=s.rng.uniform(0.25, 0.6))
    s.hills(sheet, s.ridge(low=8.0, high=26.0, roughness=1.9), (0.45, 0.60, 0.58), fade=0.5)
    s.hills(sheet, s.ridge(low=3.0, high=13.0, roughness=1.1), (0.20, 0.38, 0.20), fade=0.15)
    tone = 0.5 + 0.22 * patches(s.camera, s.rng, per_unit=15.0)
    ground = mixed(column(0.23, 0.41, 0.14), column(0.50, 0.61, 0.25), np.clip(tone, 0, 1))
    streaks = 1.0 + 0.17 * blades(s.camera, s.rng)
    streaks = streaks + 0.09 * grains(s.camera, s.rng, per_unit=70.0, roughness=0.6)
    s.lay(sheet, ground * np.clip(streaks, 0.45, 1.7)[:, :, None], haze=0.9)
    return sheet


def _beach(s: _Surroundings) -> Sheet:
    camera = s.camera
    sheet = s.sky(clouds=s.rng.uniform(0.15, 0.5))
    x, z = camera.ground()
    tone = 1.0 + 0.045 * patches(camera, s.rng, per_unit=22.0)
    tone = tone + 0.075 * grains(camera, s.rng, per_unit=95.0, roughness=0.45)
    ground = column(0.88, 0.78, 0.59) * tone[:, :, None]
    s.lay(sheet, ground, haze=0.2)
    rows = np.arange(camera.height - camera.horizon, dtype=np.float32)[:, None] + 0.5
    phase, bend = s.rng.uniform(0, 6.28), s.rng.uniform(0.010, 0.018)
    columns = np.arange(camera.width, dtype=np.float32)[None, :]
    shore = 34.0 + 5.0 * np.sin(columns * bend + phase) + 1.2 * np.sin(columns * 0.07 + phase)
    into = shore - rows
    wet = smoothstep(-17.0, 0.0, into)
    below = sheet[camera.horizon :]
    below *= 1.0 - 0.28 * wet[:, :, None]
    depth = np.clip(into / 30.0, 0.0, 1.0)
    swell = np.sin(rows * 2.2 / (1 + rows * 0.055) + 0.9 * patches(camera, s.rng, per_unit=4.0))
    water = mixed(column(0.33, 0.66, 0.70), column(0.10, 0.36, 0.56), depth**0.7)
    water = water * (1.0 + 0.09 * swell[:, :, None]) * s.tint
    if s.lighting == "sunset":
        water = mixed(water, sheet[camera.horizon - 1], 0.45 + 0.1 * swell)
    below[:] = mixed(below, water, smoothstep(-0.8, 0.8, into))
    noise = patches(camera, s.rng, per_unit=30.0)
    foam = np.exp(-(((into - 1.0) / 2.1) ** 2)) + 0.55 * np.exp(
        -(((into - 11.0 - 2 * noise) / 1.0) ** 2)
    ) * smoothstep(-0.4, 0.5, noise)
    below[:] = mixed(below, column(0.97, 0.98, 0.98) * s.tint, np.clip(foam, 0, 0.9))
    return sheet


def _snow(s: _Surroundings) -> Sheet:
    sheet = s.sky(clouds=s.rng.uniform(0.3, 0.6))
    s.hills(sheet, s.ridge(low=22.0, high=60.0, roughness=1.7), (0.72, 0.79, 0.89), fade=0.35)
    s.hills(sheet, s.ridge(low=4.0, high=26.0, roughness=2.1), (0.86, 0.90, 0.96), fade=0.10)
    _pines(s, sheet)
    near = smoothstep(40.0, 8.0, s.camera.ground().z)
    drift = patches(s.camera, s.rng, per_unit=16.0) * near
    tone = 0.94 + 0.028 * drift
    tone = tone + 0.03 * grains(s.camera, s.rng, per_unit=34.0, roughness=1.3) * near
    tone = tone + 0.014 * grains(s.camera, s.rng, per_unit=90.0, roughness=0.3)
    cool = mixed(column(0.82, 0.90, 1.02), column(1.0, 1.0, 1.0), np.clip(tone * 1.4 - 0.7, 0, 1))
    if s.lighting == "sunset":
        s.tint = column(0.98, 0.84, 0.80)
    s.lay(sheet, cool * tone[:, :, None], haze=0.3)
    return sheet


def _pines(s: _Surroundings, sheet: Sheet) -> None:
    """A loose row of firs at the foot of the hills."""
    columns = np.arange(s.camera.width, dtype=np.float32)
    profile = np.full(s.camera.width, -9.0, np.float32)
    for _ in range(int(s.rng.integers(16, 34))):
        middle, tall = s.rng.uniform(0, s.camera.width), s.rng.uniform(9, 22)
        aside = np.abs(columns - middle)
        ragged = 1.6 * np.abs(((aside * 0.9) % 2.0) - 1.0)
        profile = np.maximum(profile, np.where(aside < tall * 0.3, tall - aside * 3.1 - ragged, -9))
    s.hills(sheet, profile.astype(np.float32), (0.22, 0.33, 0.34), fade=0.15)


def _desert(s: _Surroundings) -> Sheet:
    sheet = s.sky(clouds=s.rng.uniform(0.0, 0.22))
    s.hills(sheet, s.ridge(low=14.0, high=44.0, roughness=2.6), (0.86, 0.62, 0.42), fade=0.45)
    s.hills(sheet, s.ridge(low=2.0, high=24.0, roughness=2.8), (0.84, 0.55, 0.31), fade=0.15)
    x, z = s.camera.ground()
    warp = patches(s.camera, s.rng, per_unit=16.0)
    ripples = np.sin(z * 9.5 + x * s.rng.uniform(-1.6, 1.6) + warp * 2.6) * smoothstep(17.0, 5.5, z)
    tone = 1.0 + 0.055 * ripples + 0.05 * warp
    tone = tone + 0.04 * grains(s.camera, s.rng, per_unit=90.0, roughness=0.5)
    s.lay(sheet, column(0.87, 0.60, 0.35) * tone[:, :, None], haze=0.5)
    return sheet


def _starry(s: _Surroundings) -> Sheet:
    sheet = s.sky(clouds=0.0)
    stars(sheet, s.camera, s.rng, n_stars=330 * s.camera.width // 384)
    moon(sheet, s.camera, s.light, s.rng)
    s.hills(sheet, s.ridge(low=8.0, high=30.0, roughness=2.0), (0.26, 0.30, 0.42))
    s.hills(sheet, s.ridge(low=2.0, high=13.0, roughness=1.7), (0.17, 0.20, 0.30))
    tone = 1.0 + 0.10 * patches(s.camera, s.rng, per_unit=15.0)
    tone = tone + 0.10 * grains(s.camera, s.rng, per_unit=80.0, roughness=0.8)
    s.lay(sheet, column(0.62, 0.64, 0.74) * tone[:, :, None], haze=0.7)
    return sheet


def _vignette(camera: Camera) -> Float32[np.ndarray, "H W 1"]:
    rows = (np.arange(camera.height, dtype=np.float32) / camera.height - 0.5)[:, None]
    columns = (np.arange(camera.width, dtype=np.float32) / camera.width - 0.5)[None, :]
    return (1.03 - 0.30 * (rows * rows + columns * columns))[:, :, None]
