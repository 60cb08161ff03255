"""Which stack refines an encoder's vectors, and what a budget leaves of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spectrum.encoders import load_encoder
from spectrum.encoders.protocol import EncoderIdentity, ModelUnavailableError
from spectrum.stack import MODULES
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.loading import (
    SHIPPED,
    checked_budget,
    encoder_of,
    lexicon_behind,
    load_named_refiner,
    load_refiner,
    load_subsets,
    named_stack,
)
from spectrum.stack.selection import (
    balanced,
    fast,
    module_subsets,
    profile_beside,
    read_profile,
    write_profile,
)
from spectrum.stack.weight_file import load_stack, save_stack
from tests.spectrum.stack.stacks import SEMANTIC, VISUAL, trained
from tests.spectrum.stack.test_selection import profile


def identity(weights: str = "a") -> EncoderIdentity:
    return EncoderIdentity(
        name="made-up",
        weights_hash=weights,
        preprocessing="none",
        semantic_dimension=SEMANTIC,
        visual_dimension=VISUAL,
        licence="Apache-2.0",
    )


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stack.safetensors"
    given = trained()
    save_stack(path, given.stack, given.texts, identity().fingerprint)
    monkeypatch.setattr("spectrum.stack.loading.SHIPPED", path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return path


def modules_of(budget: str) -> tuple[str, ...]:
    refiner = load_refiner(identity(), budget)
    assert refiner
    return refiner.identity.modules


def test_the_best_is_all_five_and_none_is_no_refiner(shipped: Path) -> None:
    assert modules_of("best") == MODULES
    assert load_refiner(identity(), "none") is None


def test_the_stack_of_another_encoder_is_not_used(shipped: Path) -> None:
    assert load_refiner(identity("b"), "best") is None
    with pytest.raises(
        ModelUnavailableError, match="^no stack was trained for the encoder made-up"
    ):
        load_subsets(identity("b"))
    shipped.unlink()
    assert load_refiner(identity(), "best") is None


def test_budgets_are_what_was_measured_of_this_stack(shipped: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="^what 'fast' buys is not measured for this s"):
        load_refiner(identity(), "fast")
    write_profile(profile(load_stack(shipped).weights_hash), profile_beside(shipped))
    assert modules_of("fast") == ("harmony",)
    assert modules_of("balanced") == ("castle", "prism", "harmony")
    assert modules_of("1.6") == ("castle", "harmony")
    with pytest.raises(ModelUnavailableError, match=r"^--budget 0\.01: no modules refine an image"):
        load_refiner(identity(), "0.01")


def test_any_subset_can_be_measured(shipped: Path) -> None:
    refiner_of = load_subsets(identity())
    for modules in module_subsets():
        assert refiner_of(modules).identity.modules == modules


def test_a_damaged_stack_is_told_of_in_a_line(shipped: Path) -> None:
    shipped.write_bytes(b"no stack")
    for load in (lambda: load_refiner(identity(), "best"), lambda: load_subsets(identity())):
        with pytest.raises(ModelUnavailableError, match="stack.safetensors: not a readable stack"):
            load()
    assert encoder_of(shipped.with_name("none")) is None


@pytest.mark.parametrize("budget", ["", "most", "-1", "0", "nan"])
def test_what_is_no_budget_is_refused(budget: str) -> None:
    with pytest.raises(ValueError, match=f"^'{budget}' is no budget: choose one of none, fast, ba"):
        checked_budget(budget)


@pytest.fixture
def own(tmp_path: Path, shipped: Path) -> Path:
    """A stack of one's own, of other weights than the one that ships."""
    path = tmp_path / "mine.stack"
    given = trained()
    save_stack(path, given.stack, given.texts[:-1], identity().fingerprint)
    return path


def test_a_stack_of_ones_own_takes_the_place_of_the_one_that_ships(own: Path) -> None:
    weights_hash = named_stack(identity(), own)
    assert weights_hash == load_stack(own).weights_hash
    refiner = load_named_refiner(identity(), "best", own, weights_hash)
    assert refiner
    assert (refiner.identity.weights_hash, refiner.identity.modules) == (weights_hash, MODULES)
    assert load_named_refiner(identity(), "none", own, weights_hash) is None
    assert load_subsets(identity(), own)(("nexus",)).identity.weights_hash == weights_hash


def test_budgets_of_ones_own_stack_are_measured_on_it(own: Path, shipped: Path) -> None:
    weights_hash = named_stack(identity(), own)
    write_profile(profile(load_stack(shipped).weights_hash), profile_beside(shipped))
    with pytest.raises(ModelUnavailableError, match="^what 'fast' buys is not measured for this s"):
        load_named_refiner(identity(), "fast", own, weights_hash)
    write_profile(profile(weights_hash), profile_beside(own))
    refiner = load_named_refiner(identity(), "fast", own, weights_hash)
    assert refiner
    assert refiner.identity.modules == ("harmony",)


def test_a_stack_that_is_not_what_was_named_is_told_of_in_a_line(own: Path) -> None:
    weights_hash = named_stack(identity(), own)
    with pytest.raises(ModelUnavailableError, match="refines vectors of another encoder than made"):
        named_stack(identity("b"), own)
    with pytest.raises(ModelUnavailableError, match="refines vectors of another encoder than made"):
        load_subsets(identity("b"), own)
    given = trained()
    save_stack(own, given.stack, given.texts[1:], identity().fingerprint)
    with pytest.raises(
        ModelUnavailableError, match=r"not the stack any more that .*\(\w{8}\): 'sp"
    ):
        load_named_refiner(identity(), "best", own, weights_hash)
    own.write_bytes(own.read_bytes()[:200])
    with pytest.raises(ModelUnavailableError, match="mine.stack: not a readable stack"):
        load_named_refiner(identity(), "best", own, weights_hash)
    own.unlink()
    with pytest.raises(
        ModelUnavailableError, match="mine.stack: there is no such file: name the s"
    ):
        load_named_refiner(identity(), "best", own, weights_hash)


@pytest.mark.parametrize("budget", ["fast", "balanced", "best"])
def test_the_stack_that_ships_comes_with_what_each_budget_buys(
    budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    encoder = load_encoder("embedded")
    coming = read_profile(profile_beside(SHIPPED))
    assert coming.weights_hash == load_stack(SHIPPED).weights_hash
    refiner = load_refiner(encoder.identity, budget)
    assert refiner
    named = {"fast": fast, "balanced": balanced}
    wanted = MODULES if budget == "best" else named[budget](coming.subsets).modules
    assert refiner.identity.modules == wanted
    assert wanted  # less than nothing at all would be no refinement
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    seen = refiner.evidence(encoder.encode_images([encoder.prepare(picture)], tokens=True))
    alone = np.ones((1, 1), dtype=np.bool_)
    made = refiner.refine(seen.local[None], seen.prompts[None], alone)
    width = encoder.identity.semantic_dimension
    np.testing.assert_allclose(np.linalg.norm(made.vectors[:, :width], axis=1), 1, rtol=1e-5)


def test_the_profile_that_ships_says_that_every_budget_finds_more_than_the_encoder() -> None:
    coming = read_profile(profile_beside(SHIPPED))
    cheap, middle = fast(coming.subsets), balanced(coming.subsets)
    whole = next(each for each in coming.subsets if each.modules == MODULES)
    none = next(each for each in coming.subsets if not each.modules)
    assert none.accuracy < cheap.accuracy <= middle.accuracy
    assert none.accuracy < whole.accuracy
    assert none.milliseconds < cheap.milliseconds <= middle.milliseconds <= whole.milliseconds
    assert (coming.n_images, coming.n_queries) == (304, 1520)


def test_a_lexicon_is_known_by_the_stack_that_refined(shipped: Path, tmp_path: Path) -> None:
    given = trained()
    width = given.stack.config.width
    known = Lexicon(
        ("dog",), np.ones((1, 2), dtype=np.float32), np.ones((2, width), np.float32), 1.0
    )
    path = tmp_path / "wordy"
    save_stack(path, given.stack, given.texts, identity().fingerprint, known, torch.ones(17, 2))
    refiner = load_named_refiner(identity(), "best", path, load_stack(path).weights_hash)
    assert refiner
    found = lexicon_behind(path, refiner.identity.fingerprint)
    assert found
    assert found.words == ("dog",)
    assert lexicon_behind(path, "another") is None
    assert lexicon_behind(shipped, refiner.identity.fingerprint) is None
    path.write_bytes(b"damaged")
    assert lexicon_behind(path, refiner.identity.fingerprint) is None
    path.unlink()
    assert lexicon_behind(path, refiner.identity.fingerprint) is None
