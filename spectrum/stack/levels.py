"""An image at several levels, from the whole to its regions: what HARMONY 5.2a fuses with words."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spectrum.projection import Readout
from spectrum.stack.config import REGIONS

CLAMP = 5.0
"""Standard deviations beyond which a feature says no more."""


class Standardised(nn.Module):
    """Features with mean 0 and deviation 1 over the training images, within `CLAMP`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @torch.no_grad()
    def fit(self, features: Float[Tensor, "N P"]) -> None:
        """Takes mean and deviation from training features."""
        self.mean.copy_(features.mean(dim=0))
        self.deviation.copy_(features.std(dim=0, correction=0) + 1e-3 * features.std() + 1e-6)

    def forward(self, features: Float[Tensor, "B P"]) -> Float[Tensor, "B P"]:
        return ((features - self.mean) / self.deviation).clamp(-CLAMP, CLAMP)


def grid_statistics(grid: Float[Tensor, "B Y X C"]) -> Float[Tensor, "B 3*C"]:
    """Mean, maximum and deviation of each channel over the grid."""
    tokens = grid.flatten(1, 2)
    deviation = tokens.std(dim=1, correction=0)
    return torch.cat([tokens.mean(dim=1), tokens.amax(dim=1), deviation], dim=-1)


def region_means(grid: Float[Tensor, "B Y X C"]) -> Float[Tensor, "B 9*C"]:
    """The means of `REGIONS` by `REGIONS` overlapping regions, by rows from the top.

    A region's side is the least whole number of at least 3/7 of the grid's.
    """
    spans = [_spans(side) for side in grid.shape[1:3]]
    return torch.cat(
        [
            grid[:, top:bottom, left:right].mean(dim=(1, 2))
            for top, bottom in spans[0]
            for left, right in spans[1]
        ],
        dim=-1,
    )


def _spans(side: int) -> list[tuple[int, int]]:
    """Where regions start and end along a side of the grid."""
    length = -(-3 * side // 7)
    starts = [round(place * (side - length) / (REGIONS - 1)) for place in range(REGIONS)]
    return [(start, start + length) for start in starts]


def visual_levels(
    visual: Float[Tensor, "B V"], grid: Float[Tensor, "B Y X C"]
) -> list[Float[Tensor, "B _"]]:
    """The levels from coarse to fine; the visual vector only where the encoder has one."""
    fine = [grid_statistics(grid), region_means(grid)]
    return [visual, *fine] if visual.shape[-1] else fine


class Description(nn.Module):
    r"""The vector that a description of an image is likely to have: R(levels), unit length.

    A captioner takes longer than encoding does, and its sentence says less than the mean of what
    people would say. HARMONY's reading starts from this, and where a stack remembers nothing it
    is E^T of PRISM 2.1b too.

    Start: R by ridge regression on the mean vector of an image's captions (`fit`); before it, 0.
    """

    def __init__(self, widths: tuple[int, ...], semantic_width: int, dropout: float) -> None:
        super().__init__()
        self.standardised = nn.ModuleList(Standardised(width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.readout = Readout(sum(widths), semantic_width)
        with torch.no_grad():
            self.readout.weight.zero_()

    def levels(self, visual_levels: list[Float[Tensor, "B _"]]) -> list[Float[Tensor, "B _"]]:
        """The levels, standardised; while training a part of each is left out."""
        return [
            self.dropout(standardised(level))
            for standardised, level in zip(self.standardised, visual_levels, strict=True)
        ]

    def forward(self, levels: list[Float[Tensor, "B _"]]) -> Float[Tensor, "B S"]:
        """Unit vectors, of levels as `levels` gives them."""
        return nn.functional.normalize(self.readout(torch.cat(levels, dim=-1)), dim=-1)

    @torch.no_grad()
    def fit(
        self,
        visual_levels: list[Float[Tensor, "N _"]],
        captions: Float[Tensor, "N S"],
        ridge: float = 0.3,
    ) -> None:
        """Standardises the levels, and starts R in closed form."""
        for standardised, level in zip(self.standardised, visual_levels, strict=True):
            assert isinstance(standardised, Standardised)
            standardised.fit(level)
        levels = [
            standardised(level)
            for standardised, level in zip(self.standardised, visual_levels, strict=True)
        ]
        self.readout.fit(torch.cat(levels, dim=-1), captions, ridge)
