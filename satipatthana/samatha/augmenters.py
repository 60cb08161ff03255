"""Augmenters: disturbances of the input, each sample by its own strength."""

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor, nn

from satipatthana.arguments import require_between
from satipatthana.configs.samatha import AugmenterConfig, AugmenterType
from satipatthana.samatha.draws import float_type, normal, uniform
from satipatthana.shapes import Float, Shaped


class BaseAugmenter(nn.Module, ABC):
    """Augmenter: adds noise of the environment to the input."""

    @abstractmethod
    def forward(
        self,
        x: Shaped[Tensor, "B ..."],
        noise_level: float,
        generator: Generator | None = None,
    ) -> tuple[Shaped[Tensor, "B ..."], Float[Tensor, " B"]]:
        """The disturbed input, and how strongly each sample was disturbed, 0 to 1.

        `noise_level` (0 to 1) is the strongest disturbance. ValueError where it is outside.
        """


class IdentityAugmenter(BaseAugmenter):
    """Leaves the input as it is; severity is 0."""

    def forward(
        self,
        x: Shaped[Tensor, "B ..."],
        noise_level: float,
        generator: Generator | None = None,
    ) -> tuple[Shaped[Tensor, "B ..."], Float[Tensor, " B"]]:
        require_between("noise_level", noise_level, 0.0, 1.0)
        return x, undisturbed(x)


class GaussianNoiseAugmenter(BaseAugmenter):
    """Normal noise on numbers; on token numbers, where noise means nothing, masking by 0.

    Each sample draws its strength s evenly from 0 to `noise_level`. Numbers get noise of deviation
    s * max_noise_std and severity s. Tokens are replaced by 0 with probability s, and severity is
    the share of the sample's tokens that were (padding is no token).
    """

    def __init__(self, config: AugmenterConfig) -> None:
        super().__init__()
        self.max_noise_std = config.max_noise_std

    def forward(
        self,
        x: Shaped[Tensor, "B ..."],
        noise_level: float,
        generator: Generator | None = None,
    ) -> tuple[Shaped[Tensor, "B ..."], Float[Tensor, " B"]]:
        require_between("noise_level", noise_level, 0.0, 1.0)
        strength = noise_level * uniform([len(x)], x, generator)
        per_sample = strength.reshape(-1, *[1] * (x.dim() - 1))
        if x.is_floating_point():
            noise = normal(x.shape, x, generator)
            return x + per_sample * self.max_noise_std * noise, strength
        masked = (uniform(x.shape, x, generator) < per_sample) & (x != 0)
        tokens = (x != 0).flatten(1).sum(dim=1).clamp(min=1)
        severity = masked.flatten(1).sum(dim=1).to(strength.dtype) / tokens
        return x.masked_fill(masked, 0), severity


def undisturbed(x: Shaped[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """Severity 0 for every sample."""
    return torch.zeros(len(x), dtype=float_type(x), device=x.device)


def build_augmenter(config: AugmenterConfig) -> BaseAugmenter:
    """The augmenter of these settings."""
    if config.type is AugmenterType.IDENTITY:
        return IdentityAugmenter()
    return GaussianNoiseAugmenter(config)
