"""HARMONY 5.1 against its loops, and what a divergence promises."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spectrum.harmony.distillation import distillation_loss, feature_distillation_loss
from tests.references import harmony as loops
from tests.spectrum.harmony.vectors import normal, unit

LOGITS = st.lists(st.floats(-20, 20), min_size=3, max_size=3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_equals_the_loop(temperature: float) -> None:
    student, teacher = normal(5, 7, seed=1), normal(5, 7, seed=2)
    made = distillation_loss(student, teacher, temperature)
    looped = loops.distillation(student.tolist(), teacher.tolist(), temperature)
    assert made.item() == pytest.approx(looped, abs=1e-12)


def test_a_worked_divergence() -> None:
    """Teacher 1/2, 1/2; student 1/4, 3/4: log 2 / 2 + log(2/3) / 2."""
    student = torch.tensor([[0.25, 0.75]], dtype=torch.float64).log()
    teacher = torch.zeros(1, 2, dtype=torch.float64)
    made = distillation_loss(student, teacher)
    assert made.item() == pytest.approx((math.log(2) + math.log(2 / 3)) / 2, abs=1e-12)
    # The other way round is another number: the teacher stands first.
    assert distillation_loss(teacher, student).item() == pytest.approx(
        math.log(0.5) / 4 + 3 * math.log(1.5) / 4, abs=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(student=LOGITS, teacher=LOGITS)
def test_a_divergence_is_never_negative(student: list[float], teacher: list[float]) -> None:
    rows = torch.tensor([student, teacher], dtype=torch.float64)
    assert distillation_loss(rows[:1], rows[1:]).item() >= -1e-12


@settings(max_examples=60, deadline=None)
@given(logits=LOGITS, shift=st.floats(-50, 50))
def test_equal_distributions_have_no_divergence(logits: list[float], shift: float) -> None:
    """Equal probabilities, that is: logits may differ by a constant."""
    teacher = torch.tensor([logits], dtype=torch.float64)
    assert distillation_loss(teacher + shift, teacher, 2.0).item() == pytest.approx(0, abs=1e-9)


def test_different_distributions_have_a_divergence() -> None:
    teacher = normal(1, 3, seed=1)
    for place in range(3):
        student = teacher.clone()
        student[0, place] += 0.1
        assert distillation_loss(student, teacher).item() > 1e-5


def test_what_the_teacher_excludes_counts_nothing() -> None:
    student = torch.zeros(1, 4, dtype=torch.float64)
    teacher = torch.tensor([[0.0, 0.0, -math.inf, -math.inf]], dtype=torch.float64)
    assert distillation_loss(student, teacher).item() == pytest.approx(math.log(2), abs=1e-12)


def test_the_gradient_keeps_its_size_when_the_temperature_rises() -> None:
    """The reason for tau squared: far above the logits the gradient tends to (z_S - z_T) / C."""
    student, teacher = normal(1, 7, seed=1).requires_grad_(), normal(1, 7, seed=2)
    loss = distillation_loss(student, teacher, 1e4)
    (gradient,) = torch.autograd.grad(loss, student)
    expected = (student - teacher).detach()
    torch.testing.assert_close(gradient, (expected - expected.mean()) / 7, atol=1e-4, rtol=0)


def test_the_gradient_of_the_divergence_is_its_derivative() -> None:
    student, teacher = normal(3, 5, seed=1).requires_grad_(), normal(3, 5, seed=2)
    assert torch.autograd.gradcheck(lambda logits: distillation_loss(logits, teacher, 2.0), student)


def test_the_teacher_is_not_moved() -> None:
    student, teacher = normal(3, 5, seed=1), normal(3, 5, seed=2).requires_grad_()
    assert not distillation_loss(student, teacher).requires_grad
    assert not feature_distillation_loss(student, teacher, nn.Identity()).requires_grad


def test_feature_distillation_equals_the_loop() -> None:
    student, teacher = normal(5, 3, seed=1), normal(5, 7, seed=2)
    torch.manual_seed(0)
    adapter = nn.Linear(3, 7, dtype=torch.float64)
    weights, biases = adapter.weight.tolist(), adapter.bias.tolist()
    made = feature_distillation_loss(student, teacher, adapter)
    looped = loops.feature_distillation(
        student.tolist(), teacher.tolist(), lambda row: loops.linear(row, weights, biases)
    )
    assert made.item() == pytest.approx(looped, abs=1e-12)


def test_a_worked_feature_distance() -> None:
    """Distances 5 and 0: the mean of 25 and 0."""
    student = torch.tensor([[3.0, 4.0], [1.0, 2.0]])
    teacher = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    assert feature_distillation_loss(student, teacher, nn.Identity()).item() == 12.5


def test_unit_features_are_at_most_four_apart() -> None:
    features = unit(5, 7, seed=1)
    opposite = feature_distillation_loss(features, -features, nn.Identity())
    assert opposite.item() == pytest.approx(4, abs=1e-12)


def test_the_adapter_learns_and_its_gradient_is_the_derivative() -> None:
    student, teacher = normal(3, 2, seed=1).requires_grad_(), normal(3, 5, seed=2)
    matrix = normal(2, 5, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda rows, weights: feature_distillation_loss(rows, teacher, lambda row: row @ weights),
        (student, matrix),
    )


@pytest.mark.usefixtures("without_shape_hook")
def test_shapes_that_torch_would_broadcast_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"^student_logits has shape \(3, 7\) and teacher_logits "
        r"\(1, 7\): give both the same shape$",
    ):
        distillation_loss(torch.zeros(3, 7), torch.zeros(1, 7))
    with pytest.raises(
        ValueError,
        match=r"^student_logits is empty, shape \(0, 7\): "
        r"give at least one item$",
    ):
        distillation_loss(torch.zeros(0, 7), torch.zeros(0, 7))


def test_a_mapping_to_another_width_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"^mapping\(student_features\) has shape \(3, 1\) and "
        r"teacher_features \(3, 5\): give both the same shape$",
    ):
        feature_distillation_loss(torch.zeros(3, 1), torch.zeros(3, 5), nn.Identity())


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_is_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"^temperature must be above 0, got {temperature}$"):
        distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), temperature)
