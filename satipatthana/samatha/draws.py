"""Random numbers on the device and of the type of the tensor that they are for."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from satipatthana.shapes import Float, Int, Shaped


def normal(
    shape: Sequence[int], like: Shaped[Tensor, "..."], generator: Generator | None
) -> Float[Tensor, "..."]:
    """Standard normal numbers. None: torch's own generator. They are drawn on the generator's
    device, so that a seed gives the same numbers everywhere."""
    device = like.device if generator is None else generator.device
    drawn = torch.randn(*shape, generator=generator, device=device, dtype=float_type(like))
    return drawn.to(like.device)


def uniform(
    shape: Sequence[int], like: Shaped[Tensor, "..."], generator: Generator | None
) -> Float[Tensor, "..."]:
    """Numbers from 0 up to, and never, 1; otherwise as `normal`."""
    device = like.device if generator is None else generator.device
    drawn = torch.rand(*shape, generator=generator, device=device, dtype=float_type(like))
    return drawn.to(like.device)


def float_type(like: Shaped[Tensor, "..."]) -> torch.dtype:
    """The tensor's type where that is a floating-point one, torch's default where not."""
    return like.dtype if like.is_floating_point() else torch.get_default_dtype()


def device_of(generator: Generator | None) -> torch.device | None:
    """Where a generator draws."""
    return None if generator is None else generator.device


def randperm(count: int, generator: Generator | None) -> Int[Tensor, " N"]:
    """A random order, on the generator's device."""
    return torch.randperm(count, generator=generator, device=device_of(generator))


def randint(high: int, shape: Sequence[int], generator: Generator | None) -> Int[Tensor, "..."]:
    """Whole numbers below `high`, on the generator's device."""
    return torch.randint(high, tuple(shape), generator=generator, device=device_of(generator))
