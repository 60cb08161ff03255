"""Logs, and all that is judged beside them, for the tests of the second engine."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from satipatthana.outputs import SantanaLog

T, B, D, K = 5, 7, 6, 3
STEPS = [4, 2, 0, 1, 3, 4, 1]
"""Moves of each sample of `evidence`."""


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


def evidence(seed: int = 2) -> dict[str, Any]:
    """Arguments of a batch."""
    generator = torch.Generator().manual_seed(seed)
    santana = log_of(torch.randn(T, B, D, generator=generator), STEPS)
    return {
        "s_star": settled(santana),
        "santana": santana,
        "probes": torch.randn(K, D, generator=generator),
        "recon_error": torch.rand(B, 1, generator=generator),
        "step_errors": torch.rand(T, B, generator=generator),
    }
