"""Training heads: perceptrons from states to inputs and to labels."""

import pytest
import torch
from torch import nn

from satipatthana.heads import AuxHead, ReconstructionHead, perceptron


def test_a_perceptron_has_an_activation_between_its_layers_and_none_behind() -> None:
    kinds = [type(layer) for layer in perceptron(3, (5, 7), 2)]
    assert kinds == [nn.Linear, nn.GELU, nn.Linear, nn.GELU, nn.Linear]


def test_without_hidden_layers_a_head_is_linear() -> None:
    head = AuxHead(3, 2)
    states = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    half = (head(states) + head(-states)) / 2
    assert torch.allclose(half, head(torch.zeros(5, 3)), atol=1e-6)


def test_a_reconstruction_head_takes_a_batch_and_whole_trajectories() -> None:
    head = ReconstructionHead(3, 11, (5,))
    trajectory = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    together = head(trajectory)
    assert together.shape == (2, 5, 11)
    assert torch.allclose(together[1], head(trajectory[1]), atol=1e-6)


@pytest.mark.parametrize("width", [0, -1])
def test_a_width_below_one_is_an_error(width: int) -> None:
    with pytest.raises(ValueError, match=f"width: expected at least 1, got {width}"):
        AuxHead(3, width)
