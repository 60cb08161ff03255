"""Settings of the second engine, Vipassana (insight: how sound was the way to the state?)."""

import dataclasses
from typing import Literal

from satipatthana.arguments import require_at_least, require_choice

METRICS = (
    "velocity",
    "avg_energy",
    "convergence_steps",
    "min_dist",
    "entropy",
    "s0_min_dist",
    "drift_magnitude",
    "recon_error",
)
"""The eight grounding metrics, in the specification's order."""

StepFeature = Literal["state", "residual", "energy", "reconstruction"]
STEP_FEATURES: tuple[StepFeature, ...] = ("state", "residual", "energy", "reconstruction")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardVipassanaConfig:
    """A GRU over the trajectory, eight grounding metrics, and three scores."""

    context_dim: int = 64
    """C, width of the context vector; 32 to 128 recommended."""
    metric_proj_dim: int | None = None
    """Width of h_static; None: half of C. The GRU's state has the rest."""
    metrics: tuple[str, ...] = METRICS
    """Which of the eight are seen; the others are left out, for ablations."""
    monotone: bool = True
    """Whether trust may only fall as a metric goes its bad way, which is learned from voids."""
    dynamic: bool = True
    """Whether the GRU runs; without it h_dynamic is zero."""
    step_features: tuple[StepFeature, ...] = STEP_FEATURES
    """What the GRU reads of each step: S_t; S_t - S*; ||S_t - S_{t-1}||; the error of
    reconstructing from S_t."""
    extra_features: tuple[str, ...] = ()
    """Names of static features beyond the eight, given to the engine as `extra`, higher being worse
    or better as voids tell. Not part of the specification."""

    def __post_init__(self) -> None:
        require_at_least("context_dim", self.context_dim, 2)
        if self.metric_proj_dim is not None:
            require_at_least("metric_proj_dim", self.metric_proj_dim, 1)
            require_at_least("context_dim", self.context_dim, self.metric_proj_dim + 1)
        for name in self.metrics:
            require_choice("metrics", name, METRICS)
        require_at_least("metrics, extra_features", len(self.metrics + self.extra_features), 1)
        for name in self.step_features:
            require_choice("step_features", name, STEP_FEATURES)
        require_at_least("step_features", len(self.step_features), 1)

    @property
    def static_dim(self) -> int:
        """Width of h_static."""
        return self.metric_proj_dim or self.context_dim // 2

    @property
    def dynamic_dim(self) -> int:
        """Width of h_dynamic, the GRU's state."""
        return self.context_dim - self.static_dim


@dataclasses.dataclass(frozen=True, kw_only=True)
class VipassanaEngineConfig:
    """The second engine."""

    vipassana: StandardVipassanaConfig = StandardVipassanaConfig()
