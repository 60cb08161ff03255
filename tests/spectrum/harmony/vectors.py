"""Random numbers of the tests of HARMONY, in float64."""

import torch
from torch import Tensor
from torch.nn import functional


def normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def unit(*shape: int, seed: int) -> Tensor:
    return functional.normalize(normal(*shape, seed=seed), dim=-1)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
