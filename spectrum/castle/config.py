"""The shape of CASTLE, and where it starts."""

from dataclasses import dataclass
from typing import Literal

from spectrum.arguments import require_positive, require_share


@dataclass(frozen=True, kw_only=True)
class CastleConfig:
    """How `Castle` is built. What is called a start is learned from there on."""

    width: int
    """D, width of a stored vector; >= 1."""
    levels: int = 2
    """L, levels of the causal graph; >= 0, and 0 leaves attention as 1.1 gives it."""
    hidden: int = 64
    """Units of f_theta of 1.1b; >= 1."""
    rank: int = 32
    """Rank in which queries, keys and values may leave the identity; >= 1."""
    temperature_start: float = 1 / 3
    """Similarity over this is the logit; > 0. e^{3 (s - 1)} is close to s^3, the weight of alpha
    query expansion at its usual alpha = 3, for similarities s near 1."""
    threshold_start: float = 0.05
    """tau of 1.2a, a weight of attention; in (0, 1). A little under 1/17, the mean weight."""
    kept_share_start: float = 0.9
    """alpha of 1.2b; in (0, 1)."""
    effect_temperature_start: float = 0.01
    """beta of 1.3b, a squared distance; > 0."""
    standard_share_start: float = 0.9
    """lambda of 1.3c; in (0, 1)."""
    perturbation: Literal["ablate", "noise"] = "noise"
    """F' of 1.3a while training; in evaluation always `ablate`, which is deterministic."""
    noise: float = 0.1
    """Expected length of the noise of `noise`, beside features of length 1; > 0."""

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("levels", 0), ("hidden", 1), ("rank", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("temperature_start", "effect_temperature_start", "noise"):
            require_positive(getattr(self, name), name)
        for name in ("threshold_start", "kept_share_start", "standard_share_start"):
            require_share(getattr(self, name), name)
        if self.perturbation not in ("ablate", "noise"):
            raise ValueError(f"perturbation must be 'ablate' or 'noise', got {self.perturbation!r}")
