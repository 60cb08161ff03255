"""Vicara (sustained thought): one step of the state towards its fixed point."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from satipatthana.configs.samatha import (
    ProbeSpecificVicaraConfig,
    StandardVicaraConfig,
    VicaraConfig,
    WeightedVicaraConfig,
)
from satipatthana.samatha.convergence import state_update
from satipatthana.samatha.refiner import Refiner, context_entry
from satipatthana.shapes import Float

GRASPS = "grasps"


class BaseVicara(nn.Module, ABC):
    """Vicara: one step. The loop is the engine's. Subclasses write `refined`."""

    def __init__(self, config: VicaraConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, s_t: Float[Tensor, "B D"], context: Mapping[str, Any] | None = None
    ) -> Float[Tensor, "B D"]:
        """S_{t+1}. `context`: Vitakka's metadata; without it, the bare form."""
        return state_update(s_t, self.refined(s_t, context), self.config.beta)

    @abstractmethod
    def refined(
        self, s_t: Float[Tensor, "B D"], context: Mapping[str, Any] | None
    ) -> Float[Tensor, "B D"]:
        """Phi of the state."""

    def prepared(
        self, s_0: Float[Tensor, "B D"], context: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """The context for all steps of one pass, with whatever is worth working out only once."""
        return context


class RefinerVicara(BaseVicara):
    """A Vicara of refiners whose answers are averaged. Subclasses write `shares`."""

    def __init__(self, config: VicaraConfig, num_refiners: int) -> None:
        super().__init__(config)
        self.refiners = nn.ModuleList([Refiner(config) for _ in range(num_refiners)])

    @abstractmethod
    def shares(self, context: Mapping[str, Any] | None) -> Float[Tensor, "#B R"]:
        """How much each refiner's answer counts, for each sample or for all; rows sum to 1."""

    def refined(
        self, s_t: Float[Tensor, "B D"], context: Mapping[str, Any] | None
    ) -> Float[Tensor, "B D"]:
        shares = self.shares(context)
        grasps: Iterable[Any] = (context or {}).get(GRASPS, [None] * len(self.refiners))
        answers: list[Tensor] = [
            refiner(s_t, context, grasp)
            for refiner, grasp in zip(self.refiners, grasps, strict=True)
        ]
        if len(answers) == 1:
            return answers[0]
        return (torch.stack(answers, dim=-1) * shares.unsqueeze(1)).sum(dim=-1)

    def prepared(
        self, s_0: Float[Tensor, "B D"], context: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        refiners = [module for module in self.refiners if isinstance(module, Refiner)]
        return {**(context or {}), GRASPS: [refiner.grasp(s_0, context) for refiner in refiners]}


class StandardVicara(RefinerVicara):
    """One refiner."""

    def __init__(self, config: StandardVicaraConfig) -> None:
        super().__init__(config, num_refiners=1)

    def shares(self, context: Mapping[str, Any] | None) -> Float[Tensor, "#B R"]:
        first: Tensor = next(self.parameters())
        return torch.ones(1, 1, dtype=first.dtype, device=first.device)


class WeightedVicara(RefinerVicara):
    """Several refiners; how much each counts is learned, the same for all samples."""

    def __init__(self, config: WeightedVicaraConfig) -> None:
        super().__init__(config, config.num_refiners)
        self.share_logits = nn.Parameter(torch.zeros(config.num_refiners))

    def shares(self, context: Mapping[str, Any] | None) -> Float[Tensor, "#B R"]:
        return self.share_logits.softmax(dim=0).unsqueeze(0)


class ProbeSpecificVicara(RefinerVicara):
    """A refiner for each probe; the winner's answers, or all by the probes' probabilities."""

    def __init__(self, config: ProbeSpecificVicaraConfig) -> None:
        super().__init__(config, config.num_probes)
        self.selection = config.selection

    def shares(self, context: Mapping[str, Any] | None) -> Float[Tensor, "#B R"]:
        """ValueError without Vitakka's metadata, unless there is one probe only."""
        first: Tensor = next(self.parameters())
        if len(self.refiners) == 1:
            return torch.ones(1, 1, dtype=first.dtype, device=first.device)
        wanted = "probs" if self.selection == "soft" else "winner_id"
        if context is None:
            raise ValueError(f"context: expected Vitakka's metadata with {wanted}, got None")
        if self.selection == "soft":
            return context_entry(context, wanted)
        winner_id = context_entry(context, wanted)
        return functional.one_hot(winner_id, len(self.refiners)).to(first.dtype)


def build_vicara(config: VicaraConfig) -> BaseVicara:
    """The Vicara of these settings. ValueError for settings of no known Vicara."""
    match config:
        case StandardVicaraConfig():
            return StandardVicara(config)
        case WeightedVicaraConfig():
            return WeightedVicara(config)
        case ProbeSpecificVicaraConfig():
            return ProbeSpecificVicara(config)
        case _:
            raise ValueError(
                "vicara: expected the settings of a standard, weighted or probe_specific Vicara,"
                f" got {type(config).__name__}"
            )
