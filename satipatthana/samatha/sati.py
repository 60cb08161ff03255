"""Sati (mindfulness): the stopping rule."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from satipatthana.configs.samatha import Mode, SatiConfig, SatiType
from satipatthana.outputs import SantanaLog
from satipatthana.samatha.convergence import has_settled
from satipatthana.shapes import Bool, Float

FITTED_SHARE = 0.6
"""Of the steps allowed, the share after which half of the samples have settled."""


class BaseSati(nn.Module, ABC):
    """Sati: which samples have settled. It learns nothing by gradient."""

    @abstractmethod
    def forward(
        self, s_t: Float[Tensor, "B D"], santana: SantanaLog
    ) -> tuple[bool, dict[str, Any]]:
        """Whether all samples may stop; `stopped` (B) of each, and `energy` (B), its last move.

        `santana` ends with `s_t`. One that has stopped must stay stopped when its state repeats.
        """

    def fit(self, trajectory: Float[Tensor, "T B D"]) -> None:
        """Fits the rule to trajectories of all allowed steps; by default nothing is fitted."""


class FixedStepSati(BaseSati):
    """All samples take all steps."""

    def forward(
        self, s_t: Float[Tensor, "B D"], santana: SantanaLog
    ) -> tuple[bool, dict[str, Any]]:
        """Stops at `santana.max_steps`."""
        return verdict(at_limit(s_t, santana), s_t, before(santana))


class ThresholdSati(BaseSati):
    """A sample stops when it moves less than the threshold, as far as the mode allows.

    fixed: never before the last step. early_stopping: at once. hybrid: after `min_steps`. While
    training the mode is the settings' `training_mode`. A threshold that is to be fitted is 0 until
    then, and stops nothing.
    """

    threshold: Tensor

    def __init__(self, config: SatiConfig) -> None:
        super().__init__()
        self.config = config
        start = 0.0 if config.threshold == "fitted" else config.threshold
        self.register_buffer("threshold", torch.tensor(start))

    @property
    def mode(self) -> Mode:
        """The mode in force."""
        return self.config.training_mode if self.training else self.config.mode

    def forward(
        self, s_t: Float[Tensor, "B D"], santana: SantanaLog
    ) -> tuple[bool, dict[str, Any]]:
        stopped, s_tm1 = at_limit(s_t, santana), before(santana)
        steps = len(santana) - 1
        enough = steps >= (self.config.min_steps if self.mode == "hybrid" else 1)
        if self.mode != "fixed" and enough:
            stopped = stopped | has_settled(s_t, s_tm1, self.threshold)
        return verdict(stopped, s_t, s_tm1)

    @torch.no_grad()
    def fit(self, trajectory: Float[Tensor, "T B D"]) -> None:
        """Sets a threshold that is to be fitted: midway between the halves of the moves at 60 % of
        the steps.

        Half of the samples then settle by that step and half later, so that the number of steps
        tells samples apart. `trajectory` holds all allowed steps. Nothing happens where the
        settings give a threshold, or where there is no move.
        """
        moves = torch.linalg.vector_norm(trajectory[1:] - trajectory[:-1], dim=-1)
        if self.config.threshold == "fitted" and len(moves) > 0:
            step = max(1, round(FITTED_SHARE * len(moves)))
            lengths = moves[step - 1].sort().values
            middle = (len(lengths) + 1) // 2
            # Between two samples, never on one: rounding must not decide when that one stops.
            self.threshold.copy_(lengths[middle - 1 : middle + 1].mean())


def before(santana: SantanaLog) -> Float[Tensor, "B D"]:
    """The state before the last, or the last itself where it is the only one."""
    return santana[-2] if len(santana) > 1 else santana[-1]


def at_limit(s_t: Float[Tensor, "B D"], santana: SantanaLog) -> Bool[Tensor, " B"]:
    """Whether all allowed steps are taken, for each sample."""
    reached = len(santana) - 1 >= santana.max_steps
    return torch.full((len(s_t),), reached, dtype=torch.bool, device=s_t.device)


@torch.no_grad()
def verdict(
    stopped: Bool[Tensor, " B"], s_t: Float[Tensor, "B D"], s_tm1: Float[Tensor, "B D"]
) -> tuple[bool, dict[str, Any]]:
    """should_stop, which is that all samples stopped, and what is known of each."""
    energy = torch.linalg.vector_norm(s_t - s_tm1, dim=-1)
    return bool(stopped.all()), {"stopped": stopped, "energy": energy}


def build_sati(config: SatiConfig) -> BaseSati:
    """The stopping rule of these settings."""
    return FixedStepSati() if config.type is SatiType.FIXED_STEP else ThresholdSati(config)
