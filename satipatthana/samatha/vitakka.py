"""Vitakka (directed thought): which concept the input is first taken for."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from satipatthana.configs.samatha import DrunkConfig, VitakkaConfig
from satipatthana.samatha.clusters import lloyd, spread_centres
from satipatthana.samatha.drunkenness import Disturbable, temperature_factors
from satipatthana.samatha.resonance import initial_state, resonance, squared_distances
from satipatthana.shapes import Float


class BaseVitakka(Disturbable, ABC):
    """Vitakka: the first state, and what was found on the way to it."""

    probes: nn.Parameter
    """K concept probes, K D."""
    temperature: float
    """Of the softmax over probes."""

    @abstractmethod
    def forward(self, z: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], dict[str, Any]]:
        """S_0, and the metadata: winner_id (B), probs (B K), z (B D), mixture (B D)."""


class Vitakka(BaseVitakka):
    """Learned probes; the one nearest to z asks for the first state."""

    def __init__(self, config: VitakkaConfig, latent_dim: int) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.probes = nn.Parameter(torch.randn(config.num_probes, latent_dim))
        self.query = nn.Linear(latent_dim, latent_dim, bias=False)
        self.key = nn.Linear(latent_dim, latent_dim, bias=False)
        self._temperature_factor: Tensor | None = None

    def forward(self, z: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], dict[str, Any]]:
        """S_0 on the segment between z and its nearest probe, and the metadata."""
        temperature: float | Tensor = self.temperature
        if self._temperature_factor is not None:
            temperature = self.temperature * self._temperature_factor
        probs = resonance(z, self.probes, temperature)
        winner_id = squared_distances(z, self.probes).argmin(dim=-1)
        s0 = initial_state(z, self.probes[winner_id], self.query.weight, self.key.weight)
        mixture = probs @ self.probes
        return s0, {"winner_id": winner_id, "probs": probs, "z": z, "mixture": mixture}

    def disturb(self, config: DrunkConfig, batch_size: int, generator: Generator | None) -> None:
        self._temperature_factor = temperature_factors(config, batch_size, self.probes, generator)

    def sober(self) -> None:
        self._temperature_factor = None

    @torch.no_grad()
    def seed_probes(self, z: Float[Tensor, "N D"], generator: Generator | None = None) -> None:
        """Puts the probes where z gathers: k-means, started by k-means++.

        Where there are fewer different z than probes, the other probes stay where they are.
        """
        centres = lloyd(z, spread_centres(z, len(self.probes), generator))
        self.probes[: len(centres)] = centres.to(self.probes.dtype)
