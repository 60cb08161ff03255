"""The shape of ORACLE, and where it starts."""

from dataclasses import dataclass

from spectrum.arguments import require_positive, require_share


@dataclass(frozen=True, kw_only=True)
class OracleConfig:
    """How `Oracle` is built. What is called a start is learned from there on."""

    token_width: int
    """C, width of a token of the grid; >= 1."""
    width: int
    """D, width of a stored vector and of an object's; >= 1."""
    relation_width: int = 16
    """R, width of what the relation branch says of an object; >= 1."""
    hidden: int = 64
    """Units between the two layers of each network; >= 1."""
    rank: int = 32
    """Rank in which queries and keys may leave the identity; >= 1."""
    attention_temperature_start: float = 0.1
    """Cosine of two objects over this is the logit of 4.1b; > 0."""
    image_share_start: float = 0.5
    """alpha of 4.1c; in (0, 1)."""
    exchange_start: float = 0.1
    """gamma_obj and gamma_rel of 4.2c-d; any number, 0 keeps the branches apart."""
    context_temperature_start: float = 0.1
    """tau of 4.3b, a cosine; > 0."""
    local_share_start: float = 0.75
    """beta of 4.3c; in (0, 1)."""

    def __post_init__(self) -> None:
        for name in ("token_width", "width", "relation_width", "hidden", "rank"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        require_positive(self.attention_temperature_start, "attention_temperature_start")
        require_positive(self.context_temperature_start, "context_temperature_start")
        require_share(self.image_share_start, "image_share_start")
        require_share(self.local_share_start, "local_share_start")
