"""ORACLE 4.3 against its loops, and what context promises."""

import math

import pytest
import torch

from spectrum.oracle.context import balanced_context, context_features, context_weights
from tests.references import oracle as loops
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.oracle.scenes import tensor


def test_context_weights_equal_the_loop() -> None:
    """Each object with neighbours of its own, and one with none."""
    scores = normal(2, 3, 5, seed=1)
    near = normal(2, 3, 5, seed=2) > 0
    near[1, 2] = False
    made = context_weights(scores, near, 0.7)
    for b in range(2):
        neighbours = [row.nonzero()[:, 0].tolist() for row in near[b]]
        looped = loops.context_weights(scores[b].tolist(), neighbours, 0.7)
        torch.testing.assert_close(made[b], tensor(looped))
    torch.testing.assert_close(made.sum(dim=-1), near.any(dim=-1).double())


def test_worked_weights() -> None:
    """At a temperature of one half log 3 counts as log 9."""
    scores = tensor([[[math.log(3), 0.0, 9.0]]])
    near = torch.tensor([[[True, True, False]]])
    torch.testing.assert_close(context_weights(scores, near, 1.0), tensor([[[0.75, 0.25, 0]]]))
    made = context_weights(scores, near, tensor(0.5))
    torch.testing.assert_close(made, tensor([[[0.9, 0.1, 0]]]))


def test_a_low_temperature_takes_the_most_related() -> None:
    scores, near = normal(2, 3, 5, seed=1), torch.ones(2, 3, 5, dtype=torch.bool)
    made = context_weights(scores, near, 1e-3)
    assert made.argmax(dim=-1).tolist() == scores.argmax(dim=-1).tolist()
    assert made.max(dim=-1).values.min().item() > 0.99
    even = torch.full((2, 3, 5), 0.2).double()
    torch.testing.assert_close(context_weights(scores, near, 1e9), even)


def test_context_features_equal_the_loop() -> None:
    weights, objects = normal(2, 3, 5, seed=1).softmax(dim=-1), normal(2, 5, 7, seed=2)
    made = context_features(weights, objects)
    for b in range(2):
        looped = loops.context_features(weights[b].tolist(), objects[b].tolist())
        torch.testing.assert_close(made[b], tensor(looped))


def test_no_neighbours_are_no_context() -> None:
    nothing = torch.zeros(2, 3, 0, dtype=torch.bool)
    weights = context_weights(torch.zeros(2, 3, 0).double(), nothing, 0.7)
    made = context_features(weights, torch.zeros(2, 0, 7).double())
    assert torch.equal(made, torch.zeros(2, 3, 7).double())


def test_balanced_context_equals_the_loop() -> None:
    local, wide = normal(2, 5, 7, seed=1), normal(2, 5, 7, seed=2)
    both = torch.tensor([True, True])
    made = balanced_context(local, wide, both, 0.3)
    for b in range(2):
        looped = loops.balanced_context(local[b].tolist(), wide[b].tolist(), 0.3)
        torch.testing.assert_close(made[b], tensor(looped))
    assert torch.equal(balanced_context(local, wide, both, 1.0), local)
    assert torch.equal(balanced_context(local, wide, both, 0.0), wide)


def test_without_neighbours_the_own_context_stays() -> None:
    local, wide = normal(2, 5, 7, seed=1), normal(2, 5, 7, seed=2)
    made = balanced_context(local, wide, torch.tensor([False, True]), 0.3)
    assert torch.equal(made[0], local[0])
    torch.testing.assert_close(made[1], 0.3 * local[1] + 0.7 * wide[1])


def test_gradients_are_derivatives_and_finite_without_neighbours() -> None:
    scores, objects = normal(1, 2, 3, seed=1), normal(1, 3, 2, seed=2)
    near = torch.tensor([[[True, True, False], [False, False, False]]])
    inputs = (scores.requires_grad_(), objects.requires_grad_(), tensor(0.7).requires_grad_())
    assert torch.autograd.gradcheck(
        lambda s, o, t: context_features(context_weights(s, near, t), o), inputs
    )


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    rows, flags = torch.zeros(2, 3, 5), torch.ones(2, 3, 5, dtype=torch.bool)
    with pytest.raises(
        ValueError, match=r"^neighbour_mask has shape \(2, 3, 4\), expected \(2, 3, 5"
    ):
        context_weights(rows, flags[..., :4], 1.0)
    with pytest.raises(ValueError, match="^temperature must be above 0, got 0.0$"):
        context_weights(rows, flags, 0.0)
    with pytest.raises(ValueError, match=r"^weights has shape \(2, 3, 5\), expected \(2, 3, 4\)$"):
        context_features(rows, torch.zeros(2, 4, 7))
    with pytest.raises(ValueError, match=r"^wide has shape \(2, 1, 5\), expected \(2, 3, 5\)$"):
        balanced_context(rows, rows[:, :1], torch.ones(2, dtype=torch.bool), 0.5)
    with pytest.raises(ValueError, match=r"^wide_mask has shape \(1,\), expected \(2,\)$"):
        balanced_context(rows, rows, torch.ones(1, dtype=torch.bool), 0.5)
