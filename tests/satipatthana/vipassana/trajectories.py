"""Logs for the tests of the second engine."""

from collections.abc import Sequence

import torch
from torch import Tensor

from satipatthana.outputs import SantanaLog


def log_of(trajectory: Tensor, steps: Sequence[int], max_steps: int = 10) -> SantanaLog:
    """A log of these states (T B D), of which each sample made so many moves."""
    santana = SantanaLog()
    for state in trajectory:
        santana.add(state)
    santana.convergence_steps = torch.tensor(steps)
    santana.max_steps = max_steps
    return santana


def settled(santana: SantanaLog) -> Tensor:
    """Each sample's last real state."""
    return santana.to_tensor()[
        santana.convergence_steps, torch.arange(len(santana.convergence_steps))
    ]


def real_states(trajectory: Tensor, steps: Sequence[int], sample: int) -> list[list[float]]:
    """One sample's S_0 to S_n as floats."""
    return [trajectory[t, sample].tolist() for t in range(steps[sample] + 1)]
