"""The shape of the stack, and where it starts."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from spectrum.arguments import require_positive, require_share
from spectrum.castle.config import CastleConfig
from spectrum.harmony.fusion import FusionShape
from spectrum.nexus.config import NexusConfig
from spectrum.oracle.config import OracleConfig
from spectrum.prism.config import PrismConfig
from spectrum.stack.protocol import MODULES, Module

Layer = Literal["encoder", "castle", "prism", "nexus", "oracle", "harmony"]

LAYERS: tuple[Layer, ...] = ("encoder", *MODULES)
"""What 6.1a sums: the encoder's own vector, then core, context, efficient, object, modal layer."""
PER_IMAGE: tuple[Module, ...] = ("nexus", "oracle", "harmony")
"""Layers that see an image by itself: phase 1."""
TASKS = ("text", "image")
"""t of 6.2a: whom an image is to be found by. Words ask its semantic block, images its visual."""


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """How a stack is built for the vectors of one encoder."""

    semantic_width: int
    """S; >= 1."""
    visual_width: int
    """V; >= 0, 0 where the encoder has no visual block."""
    token_width: int
    """C, channels of the encoder's grid of tokens; >= 1."""
    remembered: int = 0
    """R, described images that the memory holds; >= 0."""
    memory_temperature: float = 0.05
    """Likeness of a remembered image over this is its logit; > 0."""
    neighbours: int = 10
    """k; >= 0. 16 find no more, and cost twice the time."""
    hidden: int = 256
    """Units of the networks that read the grid; >= 1."""
    dropout: float = 0.6
    """Share of what is read that is left out while training; in [0, 1)."""
    semantic_start: dict[Layer, float] = field(
        default_factory=lambda: {
            "encoder": 0.54, "castle": 0.02, "prism": 0.14,
            "nexus": 0.02, "oracle": 0.02, "harmony": 0.26,
        }
    )  # fmt: skip
    """w of 6.2a before training where words ask; > 0, and together 1."""
    visual_start: dict[Layer, float] = field(
        default_factory=lambda: {
            "encoder": 0.01, "castle": 0.92, "prism": 0.04,
            "nexus": 0.01, "oracle": 0.01, "harmony": 0.01,
        }
    )  # fmt: skip
    """The same where an image asks. Three layers don't read it, and stand for the encoder's."""
    visual_weight: float = 0.9
    """omega in [0, 1): the visual block's share in the likeness of images, as the encoder has it.
    0 where there is no visual block."""
    castle_temperature: float = 1 / 3
    """Similarity over this is the logit of CASTLE 1.1a at the start; > 0."""
    prism_temperature: float = 0.05
    """The same of PRISM's base weights. Sharper, since it is there for what is said of an image
    and of its near duplicates: a caption is seldom true of 16 images."""

    def __post_init__(self) -> None:
        for name, least in (
            ("semantic_width", 1), ("visual_width", 0), ("token_width", 1),
            ("remembered", 0), ("neighbours", 0), ("hidden", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0.0 <= self.visual_weight < 1.0:
            raise ValueError(f"visual_weight must lie in [0, 1), got {self.visual_weight}")
        require_positive(self.memory_temperature, "memory_temperature")
        require_positive(self.castle_temperature, "castle_temperature")
        require_positive(self.prism_temperature, "prism_temperature")
        for name in ("semantic_start", "visual_start"):
            start: dict[Layer, float] = getattr(self, name)
            if set(start) != set(LAYERS):
                raise ValueError(f"{name} must name {', '.join(LAYERS)}, got {', '.join(start)}")
            for layer, share in start.items():
                require_share(share, f"{name} of {layer}")
            if abs(sum(start.values()) - 1) > 1e-6:
                raise ValueError(f"{name} must sum to 1, got {sum(start.values())}")

    @property
    def width(self) -> int:
        """D = S + V."""
        return self.semantic_width + self.visual_width

    @cached_property
    def castle(self) -> CastleConfig:
        """CASTLE's shape.

        The counterfactual term has a hundredth: with a tenth it cost half a point of image to
        image mAP, since what moves an image most is what is least like it.
        """
        return CastleConfig(
            width=self.width,
            temperature_start=self.castle_temperature,
            standard_share_start=0.99,
        )

    @cached_property
    def prism(self) -> PrismConfig:
        """PRISM's shape."""
        return PrismConfig(
            width=self.width,
            semantic_width=self.semantic_width,
            base_temperature_start=self.prism_temperature,
            textual_share_start=1.0,
        )

    @cached_property
    def nexus(self) -> NexusConfig:
        """NEXUS's shape: one scale reads a grid of 7 x 7 as well as two, at half the time."""
        return NexusConfig(token_width=self.token_width, width=self.semantic_width)

    @cached_property
    def oracle(self) -> OracleConfig:
        """ORACLE's shape."""
        return OracleConfig(token_width=self.token_width, width=self.semantic_width)

    @cached_property
    def fusion(self) -> FusionShape:
        """HARMONY's levels: the visual vector, the grid's statistics, the grid's regions."""
        levels = level_widths(self.visual_width, self.token_width)
        return FusionShape(
            visual_widths=levels,
            textual_widths=(self.semantic_width,) * len(levels),
            hidden=self.hidden,
            width=self.semantic_width,
        )


REGIONS = 3
"""Rows and columns of overlapping regions that a grid is read in."""


def level_widths(visual_width: int, token_width: int) -> tuple[int, ...]:
    """Widths of `spectrum.stack.levels.visual_levels`."""
    grid = (3 * token_width, REGIONS**2 * token_width)
    return (visual_width, *grid) if visual_width else grid
