"""What scenes and captions say, and that it is true."""

from dataclasses import replace

import pytest

from retrieval.sample.captions import captions
from retrieval.sample.scene import Background, Kind, Lighting, Relation, Scene, Thing

RED_BALL = Kind(shape="ball", colour="red", texture="plain", size="small")
BLUE_CUBE = Kind(shape="cube", colour="blue", texture="striped", size="large")


def scene_of(
    *kinds: Kind,
    count: int = 1,
    relation: Relation | None = None,
    background: Background = "grass",
    lighting: Lighting = "day",
) -> Scene:
    things = tuple(Thing(kind=kind, x=float(i), z=7.0) for i, kind in enumerate(kinds))
    return Scene(
        things=things, count=count, relation=relation, background=background, lighting=lighting
    )


def test_attributes_are_plain_and_complete() -> None:
    scene = scene_of(RED_BALL, RED_BALL, BLUE_CUBE, count=2, relation="left of")
    assert scene.attributes == {
        "count": 2,
        "shape": "ball",
        "colour": "red",
        "texture": "plain",
        "size": "small",
        "second_colour": None,
        "relation": "left of",
        "other_shape": "cube",
        "other_colour": "blue",
        "other_texture": "striped",
        "other_size": "large",
        "background": "grass",
        "lighting": "day",
        "orientation": "landscape",
    }
    assert scene.slug == "two-red-balls-left-of-blue-cube-grass-day"


def test_without_another_thing_its_attributes_are_none() -> None:
    attributes = scene_of(RED_BALL).attributes
    assert attributes["relation"] is None
    assert attributes["other_shape"] is None


@pytest.mark.parametrize(("colour", "second"), [("red", "white"), ("white", "black")])
def test_a_pattern_has_a_second_colour(colour: str, second: str) -> None:
    assert replace(BLUE_CUBE, colour=colour).second_colour == second


def test_a_scene_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="2 things for count 1 and relation None"):
        scene_of(RED_BALL, RED_BALL)
    with pytest.raises(ValueError, match="the first 2 things must be of one kind"):
        scene_of(RED_BALL, BLUE_CUBE, count=2)
    with pytest.raises(ValueError, match="city has no lighting 'day'; choose one of sunset, night"):
        scene_of(RED_BALL, background="city")


def test_captions_of_things_alone() -> None:
    said = captions(scene_of(RED_BALL, RED_BALL, count=2))
    assert said[0].startswith("two red balls lying ")
    assert said[1].startswith("two small red balls ")
    assert said[2].startswith("there are two red balls ")
    assert said[3].startswith("a picture of two red balls ")
    assert ", two small red balls lie " in said[4]


def test_captions_of_a_relation_name_the_right_side_from_either_thing() -> None:
    said = captions(scene_of(RED_BALL, BLUE_CUBE, relation="left of"))
    assert said[0].startswith("a red ball lying to the left of a striped blue cube ")
    assert "a red ball on the left side of" in said[1].replace("small ", "")
    assert said[2].endswith(", the red ball on the left")
    assert "a blue cube with a red ball on its left, " in said[3]
    assert said[4].endswith("a small red ball lies to the left of a blue cube with white stripes")


def test_captions_use_the_right_article() -> None:
    orange = replace(RED_BALL, colour="orange")
    assert captions(scene_of(orange))[0].startswith("an orange ball ")
    assert captions(scene_of(orange))[1].startswith("a small orange ball ")


@pytest.mark.parametrize("texture", ["plain", "striped", "dotted", "checkered", "marble", "wooden"])
def test_five_different_captions_without_stray_spaces(texture: str) -> None:
    for scene in (
        scene_of(replace(RED_BALL, texture=texture)),
        scene_of(replace(RED_BALL, texture=texture), BLUE_CUBE, relation="on top of"),
        scene_of(replace(RED_BALL, texture=texture), background="starry sky", lighting="night"),
    ):
        said = captions(scene)
        assert len(set(said)) == 5
        for caption in said:
            assert caption == caption.lower() == " ".join(caption.split())
            assert " ," not in caption
            assert "red" in caption
            assert "ball" in caption
