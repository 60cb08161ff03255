"""Collections are balanced, unambiguous and the same every time."""

from collections import Counter
from itertools import combinations, pairwise

import pytest

from retrieval.sample.captions import captions
from retrieval.sample.composition import MAX_SCENES, scenes
from retrieval.sample.scene import BACKGROUNDS, COLOURS, SHAPES, Scene

N_SCENES = 120


@pytest.fixture(scope="module")
def collection() -> list[Scene]:
    return list(scenes(N_SCENES, 7))


def test_the_same_seed_gives_the_same_scenes(collection: list[Scene]) -> None:
    assert list(scenes(20, 7)) == collection[:20]
    assert list(scenes(20, 8)) != collection[:20]


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("colour", COLOURS),
        ("shape", SHAPES),
        ("background", BACKGROUNDS),
        ("count", (1, 2, 3, 4)),
        ("relation", (None, "left of", "right of", "on top of", "in front of")),
        ("lighting", ("day", "sunset", "night")),
    ],
)
def test_values_are_balanced(
    collection: list[Scene], attribute: str, values: tuple[object, ...]
) -> None:
    counts = Counter(scene.attributes[attribute] for scene in collection)
    fair = N_SCENES / len(values)
    assert set(counts) == set(values)
    assert min(counts.values()) > 0.5 * fair
    assert max(counts.values()) < 1.6 * fair


def test_number_colour_shape_and_place_name_one_scene(collection: list[Scene]) -> None:
    named = Counter()
    for scene in collection:
        named[scene.count, scene.subject.colour, scene.subject.shape, scene.background] += 1
        if scene.other is not None:
            named[1, scene.other.colour, scene.other.shape, scene.background] += 1
    assert max(named.values()) == 1


def test_no_caption_belongs_to_two_scenes(collection: list[Scene]) -> None:
    said = Counter(caption for scene in collection for caption in captions(scene))
    assert max(said.values()) == 1


def test_relations_hold_in_the_world(collection: list[Scene]) -> None:
    for scene in collection:
        mine, other = scene.things[: scene.count], scene.things[-1]
        match scene.relation:
            case "left of":
                assert all(thing.x / thing.z < other.x / other.z for thing in mine)
            case "right of":
                assert all(thing.x / thing.z > other.x / other.z for thing in mine)
            case "in front of":
                assert all(thing.z < other.z for thing in mine)
            case "on top of":
                assert mine[0].y > 0 == other.y
                assert other.kind.shape in ("cube", "cylinder")
            case None:
                assert len(scene.things) == scene.count


def test_things_do_not_run_into_each_other(collection: list[Scene]) -> None:
    for scene in collection:
        for a, b in combinations(scene.things, 2):
            if a.y == b.y:
                assert (a.x - b.x) ** 2 + (a.z - b.z) ** 2 > 0.75**2


def test_subject_and_other_differ_in_shape_and_colour(collection: list[Scene]) -> None:
    related = [scene for scene in collection if scene.other is not None]
    assert len(related) > N_SCENES / 2
    for scene in related:
        assert scene.other is not None
        assert scene.other.shape != scene.subject.shape
        assert scene.other.colour != scene.subject.colour


@pytest.mark.parametrize("n_scenes", [0, MAX_SCENES + 1])
def test_an_impossible_number_is_refused(n_scenes: int) -> None:
    with pytest.raises(ValueError, match=f"n_scenes is {n_scenes}; .* 1 to {MAX_SCENES}"):
        next(scenes(n_scenes, 7))


def test_seeds_within_a_collection_differ(collection: list[Scene]) -> None:
    ordered = sorted(scene.seed for scene in collection)
    assert all(a != b for a, b in pairwise(ordered))
