"""The shape of PRISM, and where it starts."""

from dataclasses import dataclass

from spectrum.arguments import require_not_negative


@dataclass(frozen=True, kw_only=True)
class PrismConfig:
    """How `Prism` is built. What is called a start is learned from there on."""

    width: int
    """D, width of a stored vector; >= `semantic_width`."""
    semantic_width: int
    """S, width of the block that is shared with texts, the first of a stored vector; >= 1."""
    hidden: int = 256
    """Units between the two layers of each FFN; >= 1."""
    dropout: float = 0.5
    """Share of those units that is left out while training; in [0, 1)."""
    rank: int = 32
    """Rank in which the queries and keys of 2.2 may leave the identity; >= 1."""
    textual_share_start: float = 0.25
    """Share of the description in 2.1d, the image has the rest; in [0, 1]."""
    base_temperature_start: float = 1 / 3
    """tau of W^base in 2.3b, a similarity; > 0."""
    gain_start: float = 1.0
    """gamma of 2.3b; > 0."""
    strength_start: float = 0.5
    """delta of 2.3c: how far a query moves towards its intent, 1 is all the way."""
    alignment_temperature_start: float = 0.07
    """Similarity over this is the logit of 2.2; > 0."""
    divergence_weight: float = 1.0
    """lambda_KL of 2.2c; >= 0."""

    def __post_init__(self) -> None:
        for name in ("semantic_width", "hidden", "rank"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width < self.semantic_width:
            raise ValueError(
                f"width must be at least semantic_width {self.semantic_width}, got {self.width}"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not 0.0 <= self.textual_share_start <= 1.0:
            raise ValueError(
                f"textual_share_start must be from 0 to 1, got {self.textual_share_start}"
            )
        for name in ("base_temperature_start", "gain_start", "alignment_temperature_start"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        require_not_negative(self.divergence_weight, "divergence_weight")
