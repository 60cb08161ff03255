"""The shape of NEXUS, and where it starts."""

from dataclasses import dataclass

from spectrum.arguments import require_positive, require_share


@dataclass(frozen=True, kw_only=True)
class NexusConfig:
    """How `Nexus` is built. What is called a start is learned from there on."""

    token_width: int
    """C, width of a token of the grid; >= 1."""
    width: int
    """D, width of a stored vector; >= 1."""
    narrowest: float = 1.0
    """w_min of 3.1b-d, places; >= 1. A window of 1 is the token alone."""
    widest: float = 7.0
    """w_max of 3.1b-d, places; >= `narrowest`. The cost grows with it."""
    width_start: float = 5.0
    """What f_h, f_v and f_d say before training, places."""
    thickness: int = 1
    """Places across its direction that a window holds; >= 1. 1 is a line, and at least twice the
    grid's longer side, with `widest` as long, is dense attention."""
    softness: float = 0.25
    """Places over which a window's border fades while training; > 0. In evaluation it is hard."""
    scales: int = 2
    """S of 3.3a; >= 1. Each scale has half the rows and columns of the one before."""
    fusion_start: float = 0.25
    """Share of the sum over beta in 3.3a where S > 1, the alphas have the rest; in (0, 1)."""
    hidden: int = 64
    """Units between the two layers of each network; >= 1."""
    rank: int = 32
    """Rank in which queries, keys and values may leave the identity; >= 1."""
    temperature_start: float = 1 / 3
    """Cosine of two tokens over this is the logit; > 0."""
    threshold_start: float = 0.05
    """tau of 3.2b, a share of a row's largest attention; in (0, 1)."""
    relative: bool = True
    """Whether 3.2a compares A over its row's maximum, or A itself as the paper does."""
    renormalise: bool = True
    """Whether the rows of A_sparse are made to sum to 1 again."""

    def __post_init__(self) -> None:
        for name in ("token_width", "width", "thickness", "scales", "hidden", "rank"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 1.0 <= self.narrowest <= self.widest:
            raise ValueError(
                f"narrowest must be at least 1 and at most widest {self.widest}, "
                f"got {self.narrowest}"
            )
        if not self.narrowest <= self.width_start <= self.widest:
            raise ValueError(
                f"width_start must be from {self.narrowest} to {self.widest}, "
                f"got {self.width_start}"
            )
        require_positive(self.softness, "softness")
        require_positive(self.temperature_start, "temperature_start")
        require_share(self.fusion_start, "fusion_start")
        require_share(self.threshold_start, "threshold_start")
