"""Which captions and images a stack learns from, how it is measured, and that a seed decides."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectrum.stack.best_epochs import Epoch, kept_epochs
from spectrum.stack.learning.captions import (
    MOST_REFERENCE_TEXTS,
    TooFewImagesError,
    even_captions,
    parts_of,
    reference_texts,
)
from spectrum.stack.learning.figures import ranks, values
from spectrum.stack.learning.story import learned, learned_stack, stack_config
from spectrum.stack.settings import StackTraining
from spectrum.stack.weight_file import load_stack
from tests.spectrum.stack.painted_captions import course_of, taught


def test_a_tenth_is_held_out_whatever_the_order() -> None:
    hashes = [f"{number:02}" for number in range(30)]
    parts = parts_of(hashes[::-1] + hashes[:5], validation=10)
    assert parts.held_out == hashes[:3]
    assert parts.learned == hashes[3:]
    assert len(parts_of([f"{number:05}" for number in range(20_000)], 10).held_out) == 1000


def test_too_few_images_are_counted() -> None:
    hashes = [f"{number:02}" for number in range(22)]
    assert len(parts_of(hashes, 10).learned) == 20
    with pytest.raises(TooFewImagesError, match="21 different images .* at least 22 are needed"):
        parts_of(hashes[1:], 10)


def test_captions_become_as_many_for_each() -> None:
    made = even_captions([["a"], ["b", "c", "d"], list("efghijk")], seed=0)
    assert made[0] == ["a"] * 5
    assert made[1] == ["b", "c", "d", "b", "c"]
    assert made[2] == sorted(set(made[2]))
    assert len(made[2]) == 5
    assert even_captions([["a", "b"], ["c"]], seed=0) == [["a", "b"], ["c", "c"]]
    with pytest.raises(ValueError, match="image 1 has no caption: leave it out"):
        even_captions([["a"], []], seed=0)


@given(st.lists(st.lists(st.text(max_size=2), min_size=1, max_size=9), min_size=1), st.integers(0))
def test_every_caption_is_the_images_own(captions: list[list[str]], seed: int) -> None:
    made = even_captions(captions, seed=seed)
    assert len({len(own) for own in made}) == 1
    for own, given_texts in zip(made, captions, strict=True):
        assert set(own) <= set(given_texts)
        if len(given_texts) <= len(own):
            assert set(own) == set(given_texts)


def test_reference_texts_are_different_and_of_these_images() -> None:
    captions = {
        str(number): ["the same", f"of {number}", f"more of {number}"] for number in range(3000)
    }
    few = reference_texts(captions, ["0", "1"], seed=0)
    assert few == ["the same", "of 0", "more of 0", "of 1", "more of 1"]
    many = reference_texts(captions, list(captions), seed=0)
    assert len(many) == len(set(many)) == MOST_REFERENCE_TEXTS
    assert many == reference_texts(captions, list(captions), seed=0)
    assert many != reference_texts(captions, list(captions), seed=1)


@given(st.data())
def test_ranks_against_a_loop(data: st.DataObject) -> None:
    count, asked = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 7))
    grid = st.lists(
        st.lists(st.integers(-2, 2), min_size=count, max_size=count),
        min_size=asked,
        max_size=asked,
    )
    similarities = data.draw(grid)
    owners = data.draw(st.lists(st.integers(0, count - 1), min_size=asked, max_size=asked))
    made = ranks(np.array(similarities, dtype=np.float64), np.array(owners))
    for row, owner, rank in zip(similarities, owners, made.tolist(), strict=True):
        order = sorted(range(count), key=lambda item: (-row[item], item))
        assert order.index(owner) + 1 == rank


def test_figures_of_a_table_that_a_pencil_checks() -> None:
    """Image 0 has captions of rank 1 and 2, image 1 one of rank 8."""
    made = values(np.array([1, 2, 8]), np.array([0, 0, 1]), 2)
    assert {name: own.tolist() for name, own in made.items()} == {
        "hit@1": [50.0, 0.0],
        "hit@5": [100.0, 0.0],
        "hit@10": [100.0, 100.0],
        "MRR": [75.0, 12.5],
    }


def epoch(stage: int, number: int, integrated: float, **alone: float) -> Epoch:
    losses = {"nexus": 1.0, "oracle": 1.0, "harmony": 1.0, "prompts": 1.0} | alone
    return Epoch(stage, number, 0.0, integrated, losses, 0.0)


def test_each_part_has_a_kept_epoch_of_its_own_until_all_are_one() -> None:
    said = [
        epoch(0, 0, 9.0, nexus=5.0, oracle=5.0, harmony=5.0, prompts=5.0),
        epoch(1, 1, 1.0, nexus=4.0, oracle=6.0, harmony=4.0, prompts=5.0),
        epoch(1, 2, 2.0, nexus=3.0, oracle=7.0, harmony=4.0, prompts=5.0),
        epoch(1, 3, 3.0, nexus=9.0, oracle=9.0, harmony=9.0, prompts=4.0),
        # Stage 2 is measured against the epoch before it.
        epoch(2, 1, 3.0, nexus=8.0, oracle=9.0, harmony=9.0, prompts=5.0),
        epoch(3, 1, 4.0),
        epoch(3, 2, 2.0),
        epoch(3, 3, 2.0),
    ]
    assert kept_epochs(said) == {
        1: {"nexus": 2, "oracle": 0, "harmony": 1, "prompts": 3},
        2: {"nexus": 1, "oracle": 0, "harmony": 0, "prompts": 0},
        3: {"integrated": 2},
    }
    assert kept_epochs(said[:1]) == {}


def test_a_stage_has_to_be_better_than_what_it_found_not_than_the_epoch_before_it() -> None:
    said = [
        epoch(0, 0, 9.0, nexus=5.0),
        epoch(1, 1, 1.0, nexus=2.0),
        epoch(1, 2, 2.0, nexus=4.0),
        epoch(2, 0, 2.0, nexus=2.0),
        epoch(2, 1, 2.0, nexus=3.0),
        epoch(3, 0, 1.5),
        epoch(3, 1, 1.8),
    ]
    kept = kept_epochs(said)
    assert kept[1]["nexus"] == 1
    assert kept[2]["nexus"] == 0
    assert kept[3] == {"integrated": 0}


def test_a_stack_has_the_encoders_shape(tmp_path: Path) -> None:
    course = course_of(tmp_path)
    captions = taught(course)
    material = course.material(list(captions), captions)
    identity = course.encoder.identity
    config = stack_config(material, identity, 1.0)
    assert (config.semantic_width, config.visual_width, config.token_width) == (4, 12, 3)
    assert config.visual_weight == 0.99
    blind = dataclasses.replace(identity, visual_dimension=0)
    assert stack_config(material, blind, 0.5).visual_weight == 0.0


def test_another_material_or_setting_has_another_checkpoint(tmp_path: Path) -> None:
    course = course_of(tmp_path)
    captions = {"a": ["red"], "b": ["blue"]}
    same = course.checkpoint(["a", "b"], captions)
    assert same == course_of(tmp_path).checkpoint(["a", "b"], captions)
    others = [
        course.checkpoint(["b", "a"], captions),
        course.checkpoint(["a", "b"], captions | {"b": ["green"]}),
        course_of(tmp_path, seed=1).checkpoint(["a", "b"], captions),
        dataclasses.replace(course, mirrored=False).checkpoint(["a", "b"], captions),
    ]
    assert len({same, *others}) == 5


def test_the_story_from_pictures_to_a_file(tmp_path: Path) -> None:
    course = course_of(tmp_path)
    captions = taught(course)
    target = tmp_path / "colours.stack"
    report = learned(course, captions, target)
    assert report["images"] == {"training": 25, "validation": 2, "held_out": 3, "views": 2}
    assert report["captions"]["per_image"] == 3
    assert report["encoder"]["grid"] == [8, 8, 3]
    assert [(said["stage"], said["epoch"]) for said in report["epochs"]] == [
        (0, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1),
    ]  # fmt: skip
    assert report["epochs"][0]["training_loss"] is None
    told = kept_epochs([Epoch(**said) for said in report["epochs"]])
    assert report["kept"] == {str(stage): parts for stage, parts in told.items()}
    assert set(report["kept"]["1"]) == {"nexus", "oracle", "harmony", "prompts"}
    assert set(report["kept"]["3"]) == {"integrated"}
    trained = load_stack(target)
    assert trained.encoder == course.encoder.identity.fingerprint
    assert trained.weights_hash == report["stack"]["weights_hash"]
    own = {text for key in list(captions)[3:] for text in captions[key]}
    assert trained.texts.shape == (len(own), 4)
    held = report["held_out"]
    assert (held["images"], held["captions"]) == (3, sum(len(captions[f"00{n}"]) for n in range(3)))
    for task in ("text", "image"):
        assert sum(held["layer_weights"][task].values()) == pytest.approx(1.0)
    for name in ("encoder", "hubness"):
        difference = held["rows"][f"spectrum_minus_{name}"]["MRR"]["value"]
        apart = held["rows"]["spectrum"]["MRR"]["value"] - held["rows"][name]["MRR"]["value"]
        assert difference == pytest.approx(apart)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_seed_decides_and_features_may_be_replaced(tmp_path: Path) -> None:
    course = course_of(tmp_path)
    captions = taught(course)
    material = course.material(list(captions), captions)

    def weights(seed: int, given: object = material) -> torch.Tensor:
        training = StackTraining(alone=1, together=0, integrated=0, seed=seed)
        made = learned_stack(given, course.encoder.identity, 0.5, training)  # type: ignore[arg-type]
        return torch.cat([value.flatten() for value in made.stack.state_dict().values()])

    first = weights(0)
    torch.testing.assert_close(weights(0), first, rtol=0.0, atol=0.0)
    assert not torch.equal(weights(1), first)
    # Features of an encoder that has not seen these images, say.
    other = dataclasses.replace(
        material.views[0], features=np.ascontiguousarray(material.views[0].features[::-1])
    )
    replaced = dataclasses.replace(material, views=(other, *material.views[1:]))
    assert not torch.equal(weights(0, replaced), first)
