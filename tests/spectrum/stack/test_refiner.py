"""A trained stack behind the contract: arrays in, arrays out, the same for any batch."""

import itertools

import numpy as np
import pytest
import torch

from spectrum.encoders.protocol import EncodedImages
from spectrum.stack.config import LAYERS
from spectrum.stack.protocol import MODULES, Module, Refiner
from spectrum.stack.refiner import AT_ONCE, StackRefiner
from tests.references import stack as loops
from tests.spectrum.harmony.vectors import unit
from tests.spectrum.stack.stacks import (
    NEIGHBOURS,
    SEMANTIC,
    VISUAL,
    encoded,
    neighbourhoods,
    small_config,
    trained,
)

MANY = 2 * AT_ONCE + 2


def arrays(count: int, **given: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    local, prompts = neighbourhoods(count, **given)
    return local.numpy(), prompts.numpy(), np.ones(local.shape[:2], dtype=np.bool_)


def rows_of(images: EncodedImages, rows: slice) -> EncodedImages:
    assert images.tokens is not None
    return EncodedImages(images.semantic[rows], images.visual[rows], images.tokens[rows])


def test_it_keeps_the_contract() -> None:
    assert isinstance(StackRefiner(trained()), Refiner)


def test_its_identity_changes_with_whatever_its_vectors_depend_on() -> None:
    given = trained()
    every = [
        StackRefiner(given),
        StackRefiner(given, ("castle",)),
        StackRefiner(given._replace(weights_hash="1" * 32)),
        StackRefiner(given._replace(encoder="another")),
        StackRefiner(trained(small_config(neighbours=5))),
    ]
    assert len({each.identity.fingerprint for each in every}) == 5
    assert every[0].identity.modules == MODULES
    assert every[0].identity.neighbours == NEIGHBOURS


def test_modules_are_kept_in_their_order() -> None:
    assert (
        StackRefiner(trained(), ("harmony", "castle")).identity
        == StackRefiner(trained(), ("castle", "harmony")).identity
    )


@pytest.mark.parametrize("rows", [slice(0, 1), slice(100, 101), slice(60, 70)])
def test_one_image_is_read_as_among_a_hundred_and_thirty(rows: slice) -> None:
    refiner, images = StackRefiner(trained()), encoded(MANY)
    whole, part = refiner.evidence(images), refiner.evidence(rows_of(images, rows))
    for made, wanted in zip(part, whole, strict=True):
        np.testing.assert_allclose(made, wanted[rows], atol=1e-5)


@pytest.mark.parametrize("rows", [slice(0, 1), slice(100, 101), slice(60, 70)])
def test_one_anchor_is_refined_as_among_a_hundred_and_thirty(rows: slice) -> None:
    refiner, given = StackRefiner(trained()), arrays(MANY)
    whole, part = refiner.refine(*given), refiner.refine(*(each[rows] for each in given))
    np.testing.assert_allclose(part.vectors, whole.vectors[rows], atol=1e-5)
    np.testing.assert_allclose(part.hubness, whole.hubness[rows], atol=1e-5)


def test_blocks_and_prompts_have_unit_length() -> None:
    refiner = StackRefiner(trained())
    evidence, refined = refiner.evidence(encoded(5)), refiner.refine(*arrays(5))
    for made in (evidence.local, refined.vectors):
        for block in (made[:, :SEMANTIC], made[:, SEMANTIC:]):
            np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(evidence.prompts, axis=1), 1, atol=1e-5)
    lengths = np.linalg.norm(refiner.likeness(evidence.local), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_hubness_is_that_of_the_refined_vectors() -> None:
    given = trained(texts=11)
    made = StackRefiner(given).refine(*arrays(5))
    looped = loops.hubness(made.vectors[:, :SEMANTIC].tolist(), given.texts.tolist(), 1)
    np.testing.assert_allclose(made.hubness, np.stack([looped, looped], axis=1), atol=1e-6)
    without = StackRefiner(given._replace(texts=torch.empty(0, SEMANTIC))).refine(*arrays(5))
    assert without.hubness.tolist() == [[0, 0]] * 5


def test_hubness_among_words_is_another() -> None:
    given, words = trained(texts=11), unit(250, SEMANTIC, seed=8).float()
    made = StackRefiner(given._replace(terms=words)).refine(*arrays(5))
    semantic = made.vectors[:, :SEMANTIC].tolist()
    np.testing.assert_allclose(
        made.hubness[:, 0], loops.hubness(semantic, given.texts.tolist(), 1), atol=1e-6
    )
    np.testing.assert_allclose(
        made.hubness[:, 1], loops.hubness(semantic, words.tolist(), 2), atol=1e-6
    )


def test_without_modules_vectors_stay_bit_for_bit() -> None:
    refiner, images = StackRefiner(trained(), ()), encoded(3)
    evidence = refiner.evidence(images)
    assert np.array_equal(evidence.local, np.concatenate([images.semantic, images.visual], axis=1))
    given = arrays(3)
    assert np.array_equal(refiner.refine(*given).vectors, given[0][:, 0])


@pytest.mark.parametrize("modules", [("castle",), ("nexus", "prism"), ("oracle",), ("harmony",)])
def test_a_subset_reads_as_the_stack_does(modules: tuple[Module, ...]) -> None:
    """What is left out is not computed; what is kept says the same."""
    given, images = trained(), encoded(5)
    refiner = StackRefiner(given, modules)
    with torch.no_grad():
        stack, everything = given.stack, StackRefiner(given)
        features = torch.from_numpy(np.concatenate([images.semantic, images.visual], axis=1))
        grids = everything._grids(torch.from_numpy(np.asarray(images.tokens, np.float32)))
        wanted = stack.local(features, stack.readings(features, grids), modules)
    np.testing.assert_allclose(refiner.evidence(images).local, wanted.numpy(), atol=1e-6)


def test_nothing_in_is_nothing_out() -> None:
    refiner = StackRefiner(trained())
    evidence = refiner.evidence(encoded(0))
    assert evidence.local.shape == (0, SEMANTIC + VISUAL)
    assert evidence.prompts.shape == (0, SEMANTIC)
    made = refiner.refine(*arrays(0))
    assert made.vectors.shape == (0, SEMANTIC + VISUAL)
    assert made.hubness.shape == (0, 2)


def test_an_encoder_without_a_visual_block_is_refined() -> None:
    refiner = StackRefiner(trained(small_config(visual=0)))
    evidence = refiner.evidence(encoded(3, visual=0))
    assert evidence.local.shape == (3, SEMANTIC)
    np.testing.assert_allclose(np.linalg.norm(evidence.local, axis=1), 1, atol=1e-5)
    assert np.array_equal(refiner.likeness(evidence.local), evidence.local)
    made = refiner.refine(*arrays(3, visual=0))
    np.testing.assert_allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5)


def test_images_without_a_grid_are_refused() -> None:
    images = encoded(2)._replace(tokens=None)
    with pytest.raises(ValueError, match="^refinement reads the grid: call encode_images with tok"):
        StackRefiner(trained()).evidence(images)


def explained(refiner: StackRefiner, seed: int = 5) -> tuple[dict[str, float], np.ndarray]:
    local, prompts, mask = arrays(1, seed=seed)
    made = refiner.explain(local[0], prompts[0], mask[0])
    return made.module_weights, made.influences


def test_an_explanation_weighs_the_layers_that_take_part() -> None:
    weights, _ = explained(StackRefiner(trained()))
    assert tuple(weights) == LAYERS
    assert sum(weights.values()) == pytest.approx(1)
    few, _ = explained(StackRefiner(trained(), ("prism",)))
    assert {layer for layer, weight in few.items() if weight > 0} == {"encoder", "prism"}


def test_influences_are_of_the_likeness_that_refines_and_follow_the_neighbours() -> None:
    """CASTLE sees vectors scaled by block, so its influences have to be of these."""
    given = trained()
    refiner = StackRefiner(given)
    local, prompts, mask = arrays(1)
    made = refiner.explain(local[0], prompts[0], mask[0]).influences
    with torch.no_grad():
        members = torch.from_numpy(refiner.likeness(local[0]))[None]
        wanted = given.stack.castle.influences(members, torch.from_numpy(mask))[0, 1:]
    np.testing.assert_allclose(made, wanted.numpy(), rtol=1e-5)
    assert made.min() > 0
    for order in itertools.permutations(range(NEIGHBOURS)):
        rows = [0, *(1 + place for place in order)]
        moved = refiner.explain(local[0, rows], prompts[0, rows], mask[0]).influences
        np.testing.assert_allclose(moved, made[list(order)], rtol=1e-3, atol=1e-9)


def test_a_neighbour_that_is_not_real_has_no_influence() -> None:
    local, prompts, mask = arrays(1)
    mask[0, 2] = False
    made = StackRefiner(trained()).explain(local[0], prompts[0], mask[0]).influences
    assert made[1] == 0
    assert made[[0, 2]].min() > 0


def test_without_castle_no_neighbour_has_an_influence() -> None:
    _, moved = explained(StackRefiner(trained(), ("prism", "harmony")))
    assert moved.tolist() == [0.0] * NEIGHBOURS
    _, moved = explained(StackRefiner(trained(), ("castle",)))
    assert moved.min() > 0
