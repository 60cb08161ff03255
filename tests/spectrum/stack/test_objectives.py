"""SPECTRUM 6.3 against its loops, and what the objectives promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spectrum.stack.objectives import (
    coupled,
    coupling_loss,
    fine_tuning_loss,
    gate_sharing,
    module_loss,
    multitask_loss,
    weighted_losses,
)
from tests.references import stack as loops
from tests.spectrum.harmony.vectors import normal, scalar, unit

LOSSES = {"castle": 2.0, "nexus": 3.0, "oracle": 5.0}
WEIGHTS = {"castle": 0.5, "nexus": 0.0, "oracle": 0.25, "of none": 7.0}


def tensors(losses: dict[str, float]) -> dict[str, Tensor]:
    return {name: scalar(loss) for name, loss in losses.items()}


def test_weighted_losses_equal_the_loop_and_a_worked_number() -> None:
    made = weighted_losses(tensors(LOSSES), WEIGHTS)
    assert made.item() == pytest.approx(loops.weighted_losses(LOSSES, WEIGHTS))
    assert made.item() == 2.25


@pytest.mark.parametrize("temperature", [0.3, 2.0])
@pytest.mark.parametrize("per_image", [1, 3])
def test_the_modules_loss_equals_the_loop(per_image: int, temperature: float) -> None:
    made, captions = unit(5, 7, seed=1), unit(5, per_image, 7, seed=2)
    looped = loops.module_loss(made.tolist(), captions.tolist(), temperature)
    assert module_loss(made, captions, temperature).item() == pytest.approx(looped, abs=1e-12)


def test_a_worked_loss_of_a_module() -> None:
    """Own caption at log 3 over the other: three quarters in both directions."""
    made = torch.eye(2, dtype=torch.float64)
    loss = module_loss(made, made[:, None], 1 / math.log(3))
    assert loss.item() == pytest.approx(-math.log(0.75))


def test_vectors_that_say_nothing_pay_for_chance() -> None:
    """The same vector for all of 5 images: 1 in 5 images, and 1 in 10 captions."""
    made = unit(1, 7, seed=1).expand(5, 7)
    captions = unit(1, 1, 7, seed=2).expand(5, 2, 7)
    chance = (math.log(5) + math.log(10)) / 2
    assert module_loss(made, captions, 0.1).item() == pytest.approx(chance)


@settings(max_examples=40, deadline=None)
@given(images=st.integers(1, 7), per_image=st.integers(1, 3), seed=st.integers(0, 2**31))
def test_the_order_of_the_images_changes_no_loss(images: int, per_image: int, seed: int) -> None:
    made, captions = unit(images, 5, seed=seed), unit(images, per_image, 5, seed=seed + 1)
    order = torch.randperm(images, generator=torch.Generator().manual_seed(seed))
    before, after = module_loss(made, captions, 0.1), module_loss(made[order], captions[order], 0.1)
    torch.testing.assert_close(after, before)
    assert before.item() >= 0


def test_couplings_equal_the_loop() -> None:
    readings = [normal(5, 7, seed=seed) for seed in (1, 2, 3)]
    rows = [reading.tolist() for reading in readings]
    looped = loops.coupling_loss(rows[0], rows[1])
    assert coupling_loss(readings[0], readings[1]).item() == pytest.approx(looped, abs=1e-12)
    assert coupled(readings).item() == pytest.approx(loops.coupled(rows), abs=1e-12)


def test_worked_couplings() -> None:
    """The same direction, a right angle and the opposite: 0, 1 and 2."""
    first = torch.tensor([[1.0, 0], [1, 0], [1, 0]], dtype=torch.float64)
    second = torch.tensor([[5.0, 0], [0, 2], [-3, 0]], dtype=torch.float64)
    for row, wanted in enumerate((0, 1, 2)):
        made = coupling_loss(first[row : row + 1], second[row : row + 1])
        assert made.item() == pytest.approx(wanted)
    assert coupling_loss(first, second).item() == pytest.approx(1)
    assert coupled([first]).item() == 0
    assert coupled([]).item() == 0


def test_fine_tuning_equals_the_loop_and_a_worked_number() -> None:
    made = fine_tuning_loss(scalar(3), scalar(5), 0.25)
    assert made.item() == loops.fine_tuning_loss(3, 5, 0.25) == 4.25


def test_the_loss_of_all_tasks_equals_the_loop_and_a_worked_number() -> None:
    tasks, importances = {"text": 3.0, "image": 5.0}, {"text": 1.0, "image": 0.25}
    made = multitask_loss(tensors(tasks), importances, scalar(7), 0.5)
    assert made.item() == loops.multitask_loss(tasks, importances, 7, 0.5) == 7.75


def test_what_tasks_share_equals_the_loop() -> None:
    logits = normal(2, 3, 5, seed=1)
    looped = loops.gate_sharing(logits.tolist())
    assert gate_sharing(logits).item() == pytest.approx(looped, abs=1e-12)
    assert gate_sharing(logits[:1].expand(3, -1, -1)).item() == pytest.approx(0, abs=1e-30)
    assert gate_sharing(logits[:1]).item() == 0


def test_gradients_are_derivatives() -> None:
    made, captions = normal(3, 4, seed=1).requires_grad_(), normal(3, 2, 4, seed=2).requires_grad_()
    temperature = scalar(0.7).requires_grad_()
    assert torch.autograd.gradcheck(module_loss, (made, captions, temperature))
    second = normal(3, 4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(coupling_loss, (made, second))
    assert torch.autograd.gradcheck(gate_sharing, (normal(2, 3, 5, seed=1).requires_grad_(),))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    one = tensors({"nexus": 1.0})
    with pytest.raises(ValueError, match="^losses is empty: give at least one module's loss$"):
        weighted_losses({}, {})
    with pytest.raises(ValueError, match="^weights has none for nexus: give one weight a loss$"):
        weighted_losses(one, {"castle": 1.0})
    with pytest.raises(ValueError, match=r"^the weight of nexus must not be below 0, got -1\.0$"):
        weighted_losses(one, {"nexus": -1.0})
    with pytest.raises(ValueError, match="^made_unit has 3 rows and captions_unit 2: give each im"):
        module_loss(torch.zeros(3, 5), torch.zeros(2, 1, 5), 0.1)
    with pytest.raises(ValueError, match=r"^first has shape \(3, 5\) and second \(1, 5\): give bo"):
        coupling_loss(torch.zeros(3, 5), torch.zeros(1, 5))
    with pytest.raises(ValueError, match=r"^weight must not be below 0, got nan$"):
        fine_tuning_loss(scalar(1), scalar(1), math.nan)
    with pytest.raises(ValueError, match=r"^strength must not be below 0, got -1\.0$"):
        multitask_loss(one, {"nexus": 1.0}, scalar(0), -1.0)
