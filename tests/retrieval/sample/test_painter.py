"""Pictures: exact boxes, visible relations, and colours that stay where they belong."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from retrieval.sample.backgrounds import background as painted_background
from retrieval.sample.camera import camera_of
from retrieval.sample.composition import scenes
from retrieval.sample.painter import Picture, extent, paint
from retrieval.sample.scene import (
    BACKGROUNDS,
    LIGHTINGS,
    TEXTURES,
    Background,
    Box,
    Kind,
    Lighting,
    Scene,
    Shape,
    Thing,
)
from retrieval.sample.solids import SOLIDS, Points


def single(shape: Shape = "ball", *, x: float = 0.0, z: float = 7.0, **kind: str) -> Scene:
    said = {"colour": "red", "texture": "plain", "size": "small", **kind}
    thing = Thing(kind=Kind(shape=shape, **said), x=x, z=z)
    return Scene(
        things=(thing,), count=1, relation=None, background="grass", lighting="day", seed=3
    )


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [paint(scene) for scene in scenes(6, 7)]


def test_boxes_are_the_extents_of_the_masks(pictures: list[Picture]) -> None:
    for picture in pictures:
        for thing, mask in zip(picture.scene.things, picture.masks, strict=True):
            assert thing.box is not None
            left, top, right, bottom = thing.box
            assert mask[top:bottom, left:right].sum() == mask.sum() > 0
            for edge in (mask[top], mask[bottom - 1], mask[:, left], mask[:, right - 1]):
                assert edge.any()


def test_relations_are_seen(pictures: list[Picture]) -> None:
    seen = set()
    for picture in pictures:
        *mine, other = (thing.box for thing in picture.scene.things)
        assert other is not None
        match picture.scene.relation:
            case "left of":
                assert all(box is not None and box.right <= other.left + 3 for box in mine)
            case "right of":
                assert all(box is not None and box.left >= other.right - 3 for box in mine)
            case "on top of":
                assert all(box is not None and box.top < other.top for box in mine)
            case "in front of":
                assert all(box is not None and box.bottom > other.bottom for box in mine)
            case None:
                continue
        seen.add(picture.scene.relation)
    assert len(seen) >= 3


def test_everything_named_is_plain_to_see(pictures: list[Picture]) -> None:
    for picture in pictures:
        assert all(mask.sum() > 400 for mask in picture.masks)


def test_a_colour_changes_no_pixel_outside_its_thing() -> None:
    scene = next(scene for scene in scenes(6, 7) if scene.relation == "in front of")
    before = paint(scene)
    other = scene.things[-1]
    colour = "orange" if other.kind.colour != "orange" else "green"
    repainted = replace(other, kind=replace(other.kind, colour=colour))
    after = paint(replace(scene, things=(*scene.things[:-1], repainted)))
    changed = (before.pixels != after.pixels).any(axis=2)
    assert changed.sum() > 0.5 * before.masks[-1].sum()
    assert not (changed & ~before.masks[-1]).any()


def test_the_same_scene_gives_the_same_pixels() -> None:
    scene = single("star", texture="marble")
    np.testing.assert_array_equal(paint(scene).pixels, paint(scene).pixels)


def test_a_ball_is_where_the_camera_projects_it() -> None:
    """f / z = 460 / 6.9 pixels a unit: a ball of radius 0.46 is 61 pixels wide and ends below.

    The horizon is row 107, the eye 1.9 units high: the foot is at 107 + 1.9 * 460 / 6.9 = 233.7.
    """
    box = paint(single(z=6.9)).scene.things[0].box
    assert box is not None
    assert box.right - box.left == pytest.approx(2 * 0.46 * 460 / 6.9, abs=2.5)
    assert (box.left + box.right) / 2 == pytest.approx(192, abs=1)
    assert box.bottom == pytest.approx(233.7, abs=3)


def test_a_thing_has_its_colour() -> None:
    for colour, channel in (("red", 0), ("green", 1), ("blue", 2)):
        picture = paint(single(colour=colour))
        mean = picture.pixels[picture.masks[0]].mean(axis=0)
        assert mean.argmax() == channel
        assert mean[channel] > 1.5 * np.delete(mean, channel).max()


def test_a_thing_darkens_the_ground_on_the_side_away_from_the_sun() -> None:
    near, away = paint(single()), paint(single(x=-2.0))
    beside = near.pixels.astype(int) - away.pixels.astype(int)
    row = near.scene.things[0].box.bottom - 3
    shadow = beside[row - 8 : row + 2, 192 - 60 : 192 + 60].sum(axis=2).min(axis=0)
    assert shadow.min() < -40


def test_night_is_darker_than_day() -> None:
    day = single()
    night = replace(day, lighting="night")
    assert paint(night).pixels.mean() < 0.6 * paint(day).pixels.mean()


@pytest.mark.parametrize(
    ("background", "lighting"), [(b, lighting) for b in BACKGROUNDS for lighting in LIGHTINGS[b]]
)
def test_every_background_fills_the_picture_with_varied_colour(
    background: Background, lighting: Lighting
) -> None:
    scene = replace(single(), background=background, lighting=lighting)
    sheet = painted_background(scene, camera_of(scene))
    assert sheet.shape == (288, 384, 3)
    assert 0.0 <= sheet.min() <= sheet.max() <= 1.0
    assert sheet.std() > 0.03
    assert not np.array_equal(sheet, painted_background(replace(scene, seed=4), camera_of(scene)))


def test_textures_differ_from_each_other() -> None:
    painted = {texture: paint(single("cylinder", texture=texture)) for texture in TEXTURES}
    mask = painted["plain"].masks[0]
    for first, second in combinations(TEXTURES, 2):
        a, b = (painted[texture].pixels[mask].astype(int) for texture in (first, second))
        assert np.abs(a - b).mean() > 6, (first, second)


def test_a_thing_out_of_sight_is_refused() -> None:
    with pytest.raises(ValueError, match="out of sight"):
        paint(single(x=30.0))


def test_extent_of_one_pixel() -> None:
    mask = np.zeros((4, 5), bool)
    mask[2, 3] = True
    assert extent(mask) == Box(3, 2, 4, 3)


@pytest.mark.parametrize("shape", list(SOLIDS))
def test_no_solid_overstates_a_distance(shape: Shape) -> None:
    """Marching is exact only if the distance never changes faster than the way gone."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-2, 2, (4000, 3)).astype(np.float32)
    b = a + rng.normal(0, 0.2, a.shape).astype(np.float32)
    distance = SOLIDS[shape].distance
    change = np.abs(distance(*Points(*a.T)) - distance(*Points(*b.T)))
    assert (change <= np.linalg.norm(a - b, axis=1) * 1.02 + 1e-5).all()


@pytest.mark.parametrize("shape", list(SOLIDS))
def test_solids_stand_on_the_ground_inside_their_sphere(shape: Shape) -> None:
    rng = np.random.default_rng(1)
    solid = SOLIDS[shape]
    points = rng.uniform((-1.6, -0.4, -1.6), (1.6, 2.6, 1.6), (60000, 3)).astype(np.float32)
    inside = points[solid.distance(*points.T) < 0]
    reach = np.linalg.norm(inside - np.array([0, solid.middle, 0], np.float32), axis=1)
    assert reach.max() <= solid.radius
    assert inside[:, 1].min() == pytest.approx(0.0, abs=0.12)
    assert inside[:, 1].max() == pytest.approx(solid.height, abs=0.2)
    assert np.abs(inside[:, 0]).max() <= solid.half_width + 0.01
