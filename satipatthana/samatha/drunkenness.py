"""Drunk mode: disturbances inside the engine, for as long as a context lasts and no longer."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from satipatthana.configs.samatha import DrunkConfig
from satipatthana.samatha.draws import normal, uniform
from satipatthana.shapes import Float


class Disturbable(nn.Module, ABC):
    """A module that has a drunk mode. Parameters and buffers are not to be touched by it."""

    @abstractmethod
    def disturb(self, config: DrunkConfig, batch_size: int, generator: Generator | None) -> None:
        """Draws a disturbance for each sample of the next passes."""

    @abstractmethod
    def sober(self) -> None:
        """Forgets the disturbance."""


class WeightNoise:
    """Disturbed matrices and hidden units of one refiner, by a draw for each sample.

    A sample's noise on the matrix W is a u v^T with standard normal u and v, where a is
    `weight_noise` times the root mean square of W: full-rank noise for each sample would cost a
    matrix for each sample.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        config: DrunkConfig,
        batch_size: int,
        generator: Generator | None,
    ) -> None:
        self._config = config
        self._generator = generator
        self._vectors = {
            name: tuple(normal([batch_size, size], weight, generator) for size in weight.shape)
            for name, weight in weights.items()
        }

    def linear(
        self, name: str, x: Float[Tensor, "B in"], weight: Float[Tensor, "out in"]
    ) -> Float[Tensor, "B out"]:
        """(W + a u v^T) x for each sample."""
        left, right = self._vectors[name]
        size = self._config.weight_noise * weight.detach().square().mean().sqrt()
        along = (x * right).sum(dim=-1, keepdim=True)
        return functional.linear(x, weight) + size * along * left

    def dropped(self, hidden: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """Hidden units with some at 0, drawn anew at each call, the others larger for it."""
        keep_probability = 1.0 - self._config.dropout
        keep_mask = uniform(hidden.shape, hidden, self._generator) < keep_probability
        return hidden * keep_mask / keep_probability


def temperature_factors(
    config: DrunkConfig, batch_size: int, like: Tensor, generator: Generator | None
) -> Float[Tensor, "B 1"]:
    """Log-normal factors on the temperature of Vitakka, one for each sample."""
    return torch.exp(config.temperature_noise * normal([batch_size, 1], like, generator))


@contextlib.contextmanager
def drunk(
    engine: nn.Module, config: DrunkConfig, batch_size: int, generator: Generator | None = None
) -> Iterator[None]:
    """Disturbs every refiner and Vitakka in `engine` while it lasts; all are sober after it, also
    after an exception. The parameters are never touched. Not for two threads on one engine."""
    disturbed = [module for module in engine.modules() if isinstance(module, Disturbable)]
    try:
        for module in disturbed:
            module.disturb(config, batch_size, generator)
        yield
    finally:
        for module in disturbed:
            module.sober()
