"""Which stack refines an encoder's vectors, and what a budget leaves of it."""

from pathlib import Path

import pytest

from spectrum.encoders.protocol import EncoderIdentity, ModelUnavailableError
from spectrum.stack import MODULES
from spectrum.stack.loading import checked_budget, encoder_of, load_refiner, load_subsets
from spectrum.stack.selection import module_subsets, profile_beside, write_profile
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
