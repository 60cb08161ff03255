"""What is trained of a student: from the embedded encoder's features to the teacher's space."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from spectrum.students.ridge import LinearMap

CLAMP = 5.0
"""Standard deviations beyond which a feature says no more."""


class StudentHead(nn.Module):
    """Standardised features to unit vectors: a linear map and a small residual branch.

    The map is fitted in closed form and stays; the branch is trained, and starts at 0. (Trained
    together, a map of millions of weights unlearns on a few thousand pictures what it was fitted
    to.)
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, leaving: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.straight = nn.Linear(width, leaving)
        self.entering = nn.Dropout(dropout)
        self.widen = nn.Linear(width, hidden)
        self.dropped = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden, leaving)
        with torch.no_grad():
            self.narrow.weight.zero_()
            self.narrow.bias.zero_()

    def standardise(self, inputs: Float[np.ndarray, "N W"]) -> None:
        """Takes mean and deviation from training inputs."""
        mean = inputs.mean(axis=0, dtype=np.float64)
        deviation = inputs.std(axis=0, dtype=np.float64)
        # A feature that never varies says nothing, and must not start to if it once does.
        deviation[deviation < 1e-6] = np.inf
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(deviation))

    def standardised(self, inputs: Float[Tensor, "*B W"]) -> Float[Tensor, "*B W"]:
        """Mean 0 and deviation 1 on the training inputs, clamped."""
        return ((inputs - self.mean) / self.deviation).clamp(-CLAMP, CLAMP)

    @torch.no_grad()
    def start(self, linear: LinearMap) -> None:
        """Takes over a linear map of standardised features."""
        self.straight.weight.copy_(torch.from_numpy(linear.weight))
        self.straight.bias.copy_(torch.from_numpy(linear.bias))

    def trained(self) -> Iterator[nn.Parameter]:
        """The branch's parameters."""
        yield from self.widen.parameters()
        yield from self.narrow.parameters()

    def branch(self, standardised: Float[Tensor, "*B W"]) -> Float[Tensor, "*B S"]:
        """What is added to the linear map's result."""
        inner = functional.gelu(self.widen(self.entering(standardised)))
        made: Tensor = self.narrow(self.dropped(inner))
        return made

    def unit(self, standardised: Float[Tensor, "*B W"]) -> Float[Tensor, "*B S"]:
        """Unit vectors of inputs that are standardised already."""
        made = self.straight(standardised) + self.branch(standardised)
        return functional.normalize(made, dim=-1)

    def forward(self, inputs: Float[Tensor, "*B W"]) -> Float[Tensor, "*B S"]:
        return self.unit(self.standardised(inputs))

    @torch.inference_mode()
    def vectors(self, inputs: Float[np.ndarray, "N W"]) -> Float32[np.ndarray, "N S"]:
        """Unit vectors as in use, without dropout."""
        self.eval()
        made = [
            self(torch.from_numpy(inputs[start : start + 1024].astype(np.float32))).numpy()
            for start in range(0, len(inputs), 1024)
        ]
        return np.concatenate(made)
