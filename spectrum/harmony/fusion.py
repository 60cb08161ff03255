"""HARMONY 5.2: sight and words joined at several levels, and the levels summed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


def fused_level(
    visual: Float[Tensor, "B P"],
    textual: Float[Tensor, "B Q"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B D"]:
    r"""What one level's network makes of visual and textual features side by side.

    HARMONY 5.2a:  F_fused^l = FFN( [F_vis^l; F_txt^l] )

        paper    here      shape
        F_vis^l  visual    B P
        F_txt^l  textual   B Q
        FFN      network   B P+Q -> B D

    ValueError where the two batches differ.
    Departure: none.  Reference loop: tests/references/harmony.py
    """
    if len(visual) != len(textual):
        raise ValueError(
            f"visual has {len(visual)} rows and textual {len(textual)}: give one text an image"
        )
    return network(torch.cat([visual, textual], dim=-1))


def weighted_levels(
    fused: Float[Tensor, "L B D"], level_weights: Float[Tensor, " L"]
) -> Float[Tensor, "B D"]:
    r"""The levels' fused features, each scaled by its importance, summed.

    HARMONY 5.2b:  F_final = sum_l lambda_l F_fused^l

        paper     here            shape
        F_fused   fused           L B D
        lambda    level_weights   L     any numbers; `LevelFusion` gives a softmax, sum 1

    ValueError where there is no level, or not one weight each.
    Departure: none.  Reference loop: tests/references/harmony.py
    """
    if len(fused) == 0 or level_weights.shape != fused.shape[:1]:
        raise ValueError(
            f"{len(fused)} fused levels and level_weights of shape {tuple(level_weights.shape)}: "
            f"give one weight a level, and at least one level"
        )
    return torch.einsum("l,lbd->bd", level_weights, fused)


@dataclass(frozen=True, kw_only=True)
class FusionShape:
    """How wide a `LevelFusion` is."""

    visual_widths: tuple[int, ...]
    """P of each level, coarse or fine first; the order is the caller's."""
    textual_widths: tuple[int, ...]
    """Q of each level, in the same order."""
    hidden: int
    """Units between the two layers of each level's network."""
    width: int
    """D, width of the fused vector."""

    def __post_init__(self) -> None:
        if not self.visual_widths or len(self.visual_widths) != len(self.textual_widths):
            raise ValueError(
                f"visual_widths has {len(self.visual_widths)} levels and textual_widths "
                f"{len(self.textual_widths)}: give both the same number, at least one"
            )
        narrowest = min(*self.visual_widths, *self.textual_widths, self.hidden, self.width)
        if narrowest < 1:
            raise ValueError(f"widths must be at least 1, got {narrowest}")


class LevelFusion(nn.Module):
    r"""Joins sight and words level by level: the weights of HARMONY 5.2.

    Each level has a network of its own (linear, GELU, linear). The importance of level l is
    lambda_l = softmax(level_logits)_l: positive, of sum 1, equal before training. That is the
    convex case of 5.2b; nothing is lost, since the networks' last layers can scale, and a lambda
    of another kind can be given to `weighted_levels` itself.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.shape = shape
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(visual + textual, shape.hidden),
                nn.GELU(),
                nn.Linear(shape.hidden, shape.width),
            )
            for visual, textual in zip(shape.visual_widths, shape.textual_widths, strict=True)
        )
        self.level_logits = nn.Parameter(torch.zeros(len(shape.visual_widths)))

    @property
    def level_weights(self) -> Float[Tensor, " L"]:
        """lambda, the importance of each level; sums to one."""
        return self.level_logits.softmax(dim=0)

    def forward(
        self, visual_levels: Sequence[Float[Tensor, "B _"]], textual_levels: Sequence[Tensor]
    ) -> Float[Tensor, "B D"]:
        """F_final of 5.2b. ValueError where a level is missing or has another width."""
        found = (
            tuple(level.shape[-1] for level in visual_levels),
            tuple(level.shape[-1] for level in textual_levels),
        )
        expected = (self.shape.visual_widths, self.shape.textual_widths)
        if found != expected:
            raise ValueError(
                f"visual levels have widths {found[0]} and textual {found[1]}, "
                f"this fusion was built for {expected[0]} and {expected[1]}"
            )
        fused = [
            fused_level(visual, textual, network)
            for visual, textual, network in zip(
                visual_levels, textual_levels, self.networks, strict=True
            )
        ]
        return weighted_levels(torch.stack(fused), self.level_weights)
