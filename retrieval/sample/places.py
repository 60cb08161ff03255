"""Backgrounds with something built or grown behind the things: forest, table, city."""

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw, ImageFilter

from retrieval.sample.camera import Camera
from retrieval.sample.grounds import grains, patches, paving, planks
from retrieval.sample.lighting import Light
from retrieval.sample.noise import detail_levels, fractal_noise, sampled, smoothstep
from retrieval.sample.scene import Lighting
from retrieval.sample.skies import Sheet, column, mixed, sky
from retrieval.sample.textures import Rgb

_TABLE_EDGE = 13.5
"""World units from the camera to the far edge of the table."""


def _blurred(sheet: Sheet, radius: float) -> Sheet:
    """Out of focus."""
    image = Image.fromarray(np.clip(sheet * 255 + 0.5, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255.0


def _row_of(camera: Camera, z: float) -> int:
    return round(camera.horizon + camera.eye * camera.focal / z)


def forest(camera: Camera, lighting: Lighting, light: Light, rng: np.random.Generator) -> Sheet:
    """Trunks in three depths, leaves above and on the floor."""
    fog, leaf, tint = {
        "day": (column(0.80, 0.88, 0.70), column(0.34, 0.52, 0.20), column(1.0, 1.0, 1.0)),
        "sunset": (column(0.98, 0.72, 0.42), column(0.50, 0.38, 0.14), column(0.98, 0.72, 0.55)),
        "night": (column(0.15, 0.21, 0.33), column(0.07, 0.13, 0.16), column(0.30, 0.37, 0.52)),
    }[lighting]
    rows = np.arange(camera.height, dtype=np.float32)[:, None]
    columns = np.arange(camera.width, dtype=np.float32)[None, :]
    drift = rng.uniform(0, 512, 4).astype(np.float32)
    leaves = sampled(fractal_noise(67, 1.25), rows * 1.3 + drift[0], columns * 1.3 + drift[1])
    high = smoothstep(camera.horizon * 1.05, 0.0, rows)
    sheet = mixed(fog, leaf, np.clip(high * 0.95 + 0.16 * leaves, 0.0, 1.0))
    floor = _forest_floor(camera, rng) * tint
    far = 1.0 - np.exp(-camera.ground().z / 26.0) + 0 * columns
    sheet[camera.horizon :] = mixed(floor, fog, far.astype(np.float32))
    for z, n_trunks, clear in ((44.0, 15, 0.70), (25.0, 9, 0.42), (15.5, 5, 0.12)):
        _trunks(sheet, camera, light, rng, z=z, n_trunks=n_trunks, fog=fog * clear, keep=tint)
        sheet = _blurred(sheet, 0.55)
    canopy = sampled(fractal_noise(71, 1.1), rows * 2.2 + drift[2], columns * 2.2 + drift[3])
    cover = smoothstep(-0.1, 0.9, canopy + 2.3 * smoothstep(camera.horizon * 0.62, 0.0, rows) - 1.1)
    dark = leaf * (0.72 + 0.14 * leaves[:, :, None])
    sheet = mixed(sheet, dark, cover * 0.9)
    if lighting != "night":
        slant = columns + rows * 0.55 * light.side
        beams = sampled(fractal_noise(73, 1.5), 0 * slant + drift[0], slant * 0.8 + drift[1])
        shine = smoothstep(0.3, 1.8, beams) * smoothstep(camera.height * 0.75, 0.0, rows)
        sheet = sheet + (0.24 * shine)[:, :, None] * fog
    return np.asarray(sheet, np.float32)


def _forest_floor(camera: Camera, rng: np.random.Generator) -> Sheet:
    """Earth, moss and fallen leaves."""
    moss = smoothstep(-0.7, 1.1, patches(camera, rng, per_unit=18.0))
    litter = grains(camera, rng, per_unit=46.0, roughness=0.75)
    sheet = mixed(column(0.40, 0.29, 0.17), column(0.31, 0.41, 0.14), moss)
    sheet = sheet * np.clip(1.0 + 0.20 * litter, 0.5, 1.5)[:, :, None]
    leaves = smoothstep(1.1, 1.7, litter) * (1 - 0.6 * moss)
    return mixed(sheet, column(0.68, 0.45, 0.20), leaves * 0.7)


def _trunks(
    sheet: Sheet,
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
    *,
    z: float,
    n_trunks: int,
    fog: Float32[np.ndarray, "3"],
    keep: Float32[np.ndarray, "3"],
) -> None:
    """Round, barked trunks at about one distance, spread over the width."""
    bark = detail_levels(79, 0.9, 0.12)[1]
    places = (np.arange(n_trunks) + rng.uniform(-0.35, 0.35, n_trunks)) / (n_trunks - 1)
    for place in places:
        bottom = _row_of(camera, z * rng.uniform(0.94, 1.06))
        half = 0.34 * camera.focal / z * rng.uniform(0.7, 1.25)
        rows = np.arange(bottom, dtype=np.float32)[:, None]
        flare = 1.0 + 0.5 * np.exp((rows - bottom) / (half * 1.1))
        middle = place * camera.width + (rows - bottom) * rng.uniform(-0.03, 0.03)
        left = max(int(middle.min() - half * 2), 0)
        right = min(int(middle.max() + half * 2) + 1, camera.width)
        if right <= left:
            continue
        columns = np.arange(left, right, dtype=np.float32)[None, :] + 0.5
        across = (columns - middle) / (half * flare)
        round_off = np.sqrt(np.clip(1.0 - across * across, 0.0, 1.0))
        lit = 0.50 + 0.34 * round_off + 0.30 * across * light.side
        at = rng.integers(0, 512, 2)
        ridges = bark[
            (rows.astype(np.int32) * 2 + at[0]) % 512,
            ((across * half * 2.4).astype(np.int32) + at[1]) % 512,
        ]
        tone = np.clip(lit * (1.0 + 0.16 * ridges), 0.1, 1.3)[:, :, None]
        colour = column(0.42, 0.31, 0.22) * keep * tone * (1 - fog.mean()) + fog
        cover = np.clip((1.0 - np.abs(across)) * half * flare + 0.5, 0.0, 1.0)
        block = sheet[:bottom, left:right]
        block[:] = mixed(block, np.asarray(colour, np.float32), cover.astype(np.float32))


def table(camera: Camera, lighting: Lighting, light: Light, rng: np.random.Generator) -> Sheet:
    """Boards in the foreground, a wall out of focus behind."""
    wall = column(*_WALLS[int(rng.integers(len(_WALLS)))])
    tint = {
        "day": column(1.0, 1.0, 1.0),
        "sunset": column(1.0, 0.78, 0.60),
        "night": column(0.62, 0.50, 0.42),
    }[lighting]
    rows = np.arange(camera.height, dtype=np.float32)[:, None] / camera.height
    columns = np.arange(camera.width, dtype=np.float32)[None, :] / camera.width
    lamp = 0.5 + 0.45 * light.side
    falloff = np.exp(-np.hypot(columns - lamp, (rows - 0.1) * 0.8) * 1.5)
    sheet = wall * tint * (0.62 + 0.55 * falloff)[:, :, None]
    sheet = _blurred(_furniture(sheet, camera, lighting, rng), 5.5)
    edge = _row_of(camera, _TABLE_EDGE)
    boards = planks(camera, rng)[edge - camera.horizon :] * tint
    gleam = np.exp(-(np.arange(len(boards), dtype=np.float32)) / 42.0)[:, None]
    near = sheet[edge - 1] * 1.08
    boards = mixed(boards, near, 0.34 * gleam + 0 * columns)
    pool = 0.80 + 0.42 * falloff[edge:]
    sheet[edge:] = boards * pool[:, :, None]
    sheet[edge - 1] = 0.5 * (sheet[edge - 1] + sheet[edge])
    return np.asarray(sheet, np.float32)


_WALLS: tuple[Rgb, ...] = (
    (0.80, 0.77, 0.70),
    (0.62, 0.71, 0.72),
    (0.74, 0.68, 0.64),
    (0.60, 0.66, 0.58),
    (0.70, 0.70, 0.76),
)


def _furniture(sheet: Sheet, camera: Camera, lighting: Lighting, rng: np.random.Generator) -> Sheet:
    """A window or a lamp's lights, and a picture frame: shapes to be thrown out of focus."""
    image = Image.fromarray(np.clip(sheet * 255, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image, "RGBA")
    width, high = camera.width, _row_of(camera, _TABLE_EDGE)
    if lighting == "night":
        for _ in range(int(rng.integers(9, 15))):
            x, y = rng.uniform(0, width), rng.uniform(0, high * 0.75)
            r = rng.uniform(5, 12)
            glow = (255, int(rng.integers(170, 225)), int(rng.integers(90, 150)), 130)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=glow)
        return np.asarray(image, np.float32) / 255.0
    left = rng.uniform(0.04, 0.50) * width
    pane, tall = 0.17 * width, 0.62 * high
    glass = (255, 250, 235, 190) if lighting == "day" else (255, 214, 140, 190)
    for column_index in range(2):
        for row_index in range(2):
            x, y = left + column_index * (pane + 7), -12 + row_index * (tall / 2 + 7)
            draw.rectangle((x, y, x + pane, y + tall / 2), fill=glass)
    frame = (left + 0.55 * width) % (0.85 * width)
    draw.rectangle((frame, 0.18 * high, frame + 46, 0.18 * high + 58), fill=(90, 66, 50, 200))
    draw.rectangle(
        (frame + 6, 0.18 * high + 6, frame + 40, 0.18 * high + 52), fill=(222, 214, 196, 230)
    )
    return np.asarray(image, np.float32) / 255.0


def city(camera: Camera, lighting: Lighting, light: Light, rng: np.random.Generator) -> Sheet:
    """Towers with lit windows beyond a paved square."""
    sheet = sky(camera, lighting, light, rng, clouds=0.25)
    glow = np.zeros_like(sheet)
    near = column(0.16, 0.17, 0.26) if lighting == "sunset" else column(0.05, 0.06, 0.11)
    for distance, n_towers, tall in ((0.62, 13, 0.80), (0.30, 10, 0.62), (0.0, 8, 0.44)):
        mist = sheet[camera.horizon - 1].mean(axis=0)
        body = near * (1 - distance) + mist * distance
        _towers(
            sheet, glow, camera, rng, body=body, n_towers=n_towers, tall=tall, distance=distance
        )
    sheet = sheet + 0.9 * _blurred(np.clip(glow, 0, 1), 5.0)
    sheet = np.maximum(_blurred(np.clip(sheet, 0, 1), 0.6), 0.0)
    tint = column(0.80, 0.62, 0.58) if lighting == "sunset" else column(0.34, 0.38, 0.52)
    ground = paving(camera, rng) * tint
    lamps = glow[camera.horizon - 30 : camera.horizon].mean(axis=(0, 1))
    z = camera.ground().z
    gleam = np.exp(-((z - 40.0) ** 2) / 900.0) * 0.5 + 0.25 * np.exp(-z / 9.0)
    ground = ground * (0.86 + 0.5 * gleam)[:, :, None] + 0.6 * gleam[:, :, None] * lamps
    sheet[camera.horizon :] = ground
    return np.asarray(sheet, np.float32)


def _towers(
    sheet: Sheet,
    glow: Sheet,
    camera: Camera,
    rng: np.random.Generator,
    *,
    body: Float32[np.ndarray, "3"],
    n_towers: int,
    tall: float,
    distance: float,
) -> None:
    """One row of towers; windows go both on the sheet and on the glow."""
    width = camera.width / n_towers
    for index in range(n_towers + 1):
        left = int((index - 0.5 + rng.uniform(-0.15, 0.15)) * width)
        right = left + int(width * rng.uniform(0.85, 1.2))
        top = int(camera.horizon * (1 - tall * rng.uniform(0.45, 1.15)))
        block = (slice(max(top, 3), camera.horizon), slice(max(left, 0), max(right, 0)))
        if sheet[block].size == 0:
            continue
        rows, columns = sheet[block].shape[:2]
        shade = np.linspace(1.0, 0.86, columns, dtype=np.float32)[None, :, None]
        sheet[block] = body * shade * rng.uniform(0.88, 1.1)
        glow[block] *= 0.0
        step, pitch = (6, 5) if distance < 0.5 else (5, 4)
        lit = rng.random((rows // step + 1, columns // pitch + 1)) < rng.uniform(0.35, 0.65)
        warm = rng.random((*lit.shape, 1)).astype(np.float32)
        colour = column(1.0, 0.74, 0.36) * warm + column(1.0, 0.90, 0.66) * (1 - warm)
        colour = colour * lit[:, :, None] * np.float32(0.95 - 0.4 * distance)
        y, x = np.arange(rows), np.arange(columns)
        inside = ((y % step >= 2) & (y % step < 5))[:, None] & (
            (x % pitch >= 2) & (x < columns - 1)
        )
        panes = colour[y // step][:, x // pitch] * inside[:, :, None]
        sheet[block] = np.maximum(sheet[block], panes)
        glow[block] = panes * np.float32(0.9)
