"""SPECTRUM 6.1a and 6.2a against their loops, and what they promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrum.stack.integration import integrated_features, layer_weights
from tests.references import stack as loops
from tests.spectrum.harmony.vectors import normal

MASK = [True, False, True, True, False]


def tensor(rows: object) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_integrated_features_equal_the_loop() -> None:
    layers, weights = normal(5, 3, 7, seed=1), normal(3, 5, seed=2)
    looped = loops.integrated_features(layers.tolist(), weights.tolist())
    torch.testing.assert_close(integrated_features(layers, weights), tensor(looped))


def test_layer_weights_equal_the_loop() -> None:
    logits = normal(3, 5, seed=1)
    looped = loops.layer_weights(logits.tolist(), MASK)
    made = layer_weights(logits, torch.tensor(MASK))
    torch.testing.assert_close(made, tensor(looped))
    assert made[:, [1, 4]].abs().max().item() == 0


def test_a_worked_integration() -> None:
    """Weights of log 1, log 3 and log 4 are an eighth, three and four; the second is left out."""
    logits = tensor([[0.0, 9.0, math.log(3), math.log(4)]])
    weights = layer_weights(logits, torch.tensor([True, False, True, True]))
    torch.testing.assert_close(weights, tensor([[0.125, 0.0, 0.375, 0.5]]))
    layers = tensor([[[8.0, 0.0]], [[5.0, 5.0]], [[0.0, 8.0]], [[2.0, 2.0]]])
    torch.testing.assert_close(integrated_features(layers, weights), tensor([[2.0, 4.0]]))


@settings(max_examples=40, deadline=None)
@given(
    mask=st.lists(st.booleans(), min_size=1, max_size=6).filter(any),
    seed=st.integers(0, 2**31),
    scale=st.floats(0, 1e6),
)
def test_weights_sum_to_one_over_those_that_take_part(
    mask: list[bool], seed: int, scale: float
) -> None:
    made = layer_weights(scale * normal(3, len(mask), seed=seed), torch.tensor(mask))
    torch.testing.assert_close(made.sum(dim=1), torch.ones(3, dtype=torch.float64))
    assert made.min().item() >= 0
    assert made[:, ~torch.tensor(mask)].sum().item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_layer_by_itself_is_what_is_integrated_bit_for_bit(dtype: torch.dtype) -> None:
    layers, logits = normal(3, 5, 7, seed=1).to(dtype), normal(5, 3, seed=2).to(dtype)
    weights = layer_weights(logits, torch.tensor([False, True, False]))
    assert torch.equal(integrated_features(layers, weights), layers[1])


def test_no_image_is_no_row() -> None:
    weights = layer_weights(normal(0, 3, seed=1), torch.tensor([True, True, False]))
    assert integrated_features(normal(3, 0, 7, seed=1), weights).shape == (0, 7)


def test_gradients_are_derivatives() -> None:
    layers, logits = normal(3, 2, 3, seed=1), normal(2, 3, seed=2)
    mask = torch.tensor([True, True, False])
    assert torch.autograd.gradcheck(
        lambda a, b: integrated_features(a, layer_weights(b, mask)),
        (layers.requires_grad_(), logits.requires_grad_()),
    )


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^weights has shape \(1, 3\), expected \(2, 3\)$"):
        integrated_features(torch.zeros(3, 2, 5), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"^layer_mask has shape \(2,\), expected \(3,\)$"):
        layer_weights(torch.zeros(1, 3), torch.tensor([True, True]))
    with pytest.raises(ValueError, match=r"^layer_mask leaves out every layer: let at least one"):
        layer_weights(torch.zeros(1, 3), torch.zeros(3, dtype=torch.bool))
