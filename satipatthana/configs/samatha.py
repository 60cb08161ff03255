"""Settings of the first engine, Samatha (calming: input settles into a state)."""

import dataclasses
import enum
from typing import Any, Literal

from satipatthana.arguments import (
    require_at_least,
    require_between,
    require_choice,
    require_inside,
)
from satipatthana.configs.adapters import AdapterConfig, configured

Mode = Literal["fixed", "early_stopping", "hybrid"]
MODES: tuple[Mode, ...] = ("fixed", "early_stopping", "hybrid")


class AugmenterType(enum.StrEnum):
    """Which augmenter."""

    IDENTITY = "identity"
    GAUSSIAN = "gaussian"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmenterConfig:
    """How input is disturbed while training."""

    type: AugmenterType = AugmenterType.GAUSSIAN
    max_noise_std: float = 0.3
    """Deviation of the strongest noise, in units of the input (which should be near variance 1)."""

    def __post_init__(self) -> None:
        require_choice("type", self.type, tuple(AugmenterType))
        require_at_least("max_noise_std", self.max_noise_std, 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VitakkaConfig:
    """Vitakka (directed thought): which concept the input is first taken for."""

    num_probes: int = 16
    """K, number of concept probes; 8 to 32 recommended."""
    temperature: float = 1.0
    """Of the softmax over probes, in units of the mean squared distance per dimension; lower is
    sharper."""

    def __post_init__(self) -> None:
        require_at_least("num_probes", self.num_probes, 1)
        require_inside("temperature", self.temperature, 0.0, float("inf"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class VicaraConfig:
    """Vicara (sustained thought): one step of the state towards its fixed point."""

    latent_dim: int
    """D, width of the state."""
    hidden_dim: int | None = None
    """Width of the refiner's hidden layer; None: D."""
    beta: float = 0.5
    """Share of the refiner's answer in the new state; 0.3 to 0.7 recommended."""
    lipschitz: float | None = 0.5
    """L, bound of the refiner's Lipschitz constant in the state (spectral norms); the state then
    moves by at most (1 - beta) + beta L times its last move. None: no bound."""
    grounded: bool = True
    """Whether the refiner sees where the state started, Phi(S; z). False: the specification's bare
    Phi(S), which has one fixed point for all inputs."""
    dropout: float = 0.1
    """Share of hidden units dropped in training."""

    def __post_init__(self) -> None:
        require_at_least("latent_dim", self.latent_dim, 2)
        if self.hidden_dim is not None:
            require_at_least("hidden_dim", self.hidden_dim, 1)
        require_inside("beta", self.beta, 0.0, 1.0)
        if self.lipschitz is not None:
            require_inside("lipschitz", self.lipschitz, 0.0, 1.0)
        require_inside("dropout", self.dropout, -1e-9, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardVicaraConfig(VicaraConfig):
    """One refiner."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightedVicaraConfig(VicaraConfig):
    """Several refiners, averaged with learned weights."""

    num_refiners: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least("num_refiners", self.num_refiners, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeSpecificVicaraConfig(VicaraConfig):
    """A refiner for each probe."""

    num_probes: int
    """K, as many as Vitakka has."""
    selection: Literal["winner", "soft"] = "soft"
    """Whether the winning probe's refiner answers, or all of them by their probabilities."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least("num_probes", self.num_probes, 1)
        require_choice("selection", self.selection, ("winner", "soft"))


VICARAS: dict[str, type[VicaraConfig]] = {
    "standard": StandardVicaraConfig,
    "weighted": WeightedVicaraConfig,
    "probe_specific": ProbeSpecificVicaraConfig,
}


def create_vicara_config(kind: str, **settings: Any) -> VicaraConfig:
    """The settings of a Vicara by its kind: standard, weighted or probe_specific.

    ValueError for an unknown kind, an unknown setting, or a missing one.
    """
    require_choice("kind", kind, VICARAS)
    return configured(VICARAS[kind], settings)


class SatiType(enum.StrEnum):
    """Which stopping rule."""

    FIXED_STEP = "fixed_step"
    THRESHOLD = "threshold"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SatiConfig:
    """Sati (mindfulness): when a sample's state has settled."""

    type: SatiType = SatiType.THRESHOLD
    threshold: float | Literal["fitted"] = "fitted"
    """Epsilon: a state that moved less has settled. "fitted": set after stage 1, so that the number
    of steps differs from sample to sample."""
    mode: Mode = "early_stopping"
    """When scoring: always all steps; as few as the threshold allows; or at least `min_steps`."""
    training_mode: Mode = "fixed"
    """The same in stages 0 and 1, where all steps keep the gradient steady."""
    min_steps: int = 2
    """Steps that hybrid mode takes in any case."""

    def __post_init__(self) -> None:
        require_choice("type", self.type, tuple(SatiType))
        if isinstance(self.threshold, str):
            require_choice("threshold", self.threshold, ("fitted",))
        else:
            require_inside("threshold", self.threshold, 0.0, float("inf"))
        require_choice("mode", self.mode, MODES)
        require_choice("training_mode", self.training_mode, MODES)
        require_at_least("min_steps", self.min_steps, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrunkConfig:
    """How the engine is disturbed inside in drunk mode; each part can be switched off by 0."""

    dropout: float = 0.5
    """Share of the refiner's hidden units dropped, drawn anew for each sample and step."""
    weight_noise: float = 0.5
    """Deviation of the noise on the refiner's weights, relative to theirs, one draw per sample."""
    temperature_noise: float = 1.0
    """Deviation of the logarithm of the factor on Vitakka's temperature, one draw per sample."""

    def __post_init__(self) -> None:
        require_between("dropout", self.dropout, 0.0, 0.95)
        require_at_least("weight_noise", self.weight_noise, 0.0)
        require_at_least("temperature_noise", self.temperature_noise, 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamathaConfig:
    """The first engine."""

    adapter: AdapterConfig
    augmenter: AugmenterConfig = AugmenterConfig()
    vitakka: VitakkaConfig = VitakkaConfig()
    vicara: VicaraConfig
    sati: SatiConfig = SatiConfig()
    drunk: DrunkConfig = DrunkConfig()
    max_steps: int = 10
    """T, most steps that a state takes; 6 to 20 recommended. 0 leaves S* = S0."""

    def __post_init__(self) -> None:
        require_at_least("max_steps", self.max_steps, 0)
        if self.adapter.latent_dim != self.vicara.latent_dim:
            raise ValueError(
                f"vicara.latent_dim: expected adapter.latent_dim = {self.adapter.latent_dim},"
                f" got {self.vicara.latent_dim}"
            )
        probes = getattr(self.vicara, "num_probes", self.vitakka.num_probes)
        if probes != self.vitakka.num_probes:
            raise ValueError(
                f"vicara.num_probes: expected vitakka.num_probes = {self.vitakka.num_probes},"
                f" got {probes}"
            )
