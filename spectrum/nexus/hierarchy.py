"""NEXUS 3.3: windows at several scales, summed, and neighbouring scales joined."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import require_shape
from spectrum.nexus.networks import FusionNetwork
from spectrum.nexus.windows import DIRECTIONS, Place, window_parts, window_sums
from spectrum.projection import NearIdentity


class Scale(NamedTuple):
    """A scale's tokens, and how they look at each other."""

    attentions: Sequence[Float[Tensor, "B Y X _"]]
    """A_sparse, one of each direction."""
    tokens: Float[Tensor, "B Y X C"]
    """What their values are made of."""


def coarser(grid: Float[Tensor, "B Y X C"], times: int) -> Float[Tensor, "B _ _ C"]:
    """The grid of a coarser scale: means of about `times` x `times` tokens, at least one."""
    rows, columns = (-(-side // times) for side in grid.shape[1:3])
    return functional.adaptive_avg_pool2d(grid.movedim(-1, 1), (rows, columns)).movedim(1, -1)


def resized(grid: Float[Tensor, "B _ _ C"], rows: int, columns: int) -> Float[Tensor, "B Y X C"]:
    """Resize of NEXUS 3.3b: bilinear between the tokens' centres, constant beyond the outermost."""
    if grid.shape[1:3] == (rows, columns):
        return grid
    made = functional.interpolate(
        grid.movedim(-1, 1), size=(rows, columns), mode="bilinear", align_corners=False
    )
    return made.movedim(1, -1)


def fused_scales(
    finer: Float[Tensor, "B Y X D"],
    coarse: Float[Tensor, "B _ _ D"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B Y X D"]:
    r"""A scale joined with the next coarser one, on the finer's grid.

    NEXUS 3.3b:  Fusion(F_1, F_2) = FFN( [F_1; Resize(F_2)] )

        paper    here       shape
        F_1      finer      B Y X D
        F_2      coarse     B _ _ D
        FFN      network    B Y X 2D -> B Y X D
        Resize              bilinear, by `resized`

    ValueError where the network does not make the finer scale's shape.
    Departure: none.  Reference loop: tests/references/nexus.py
    """
    rows, columns = finer.shape[1:3]
    made = network(torch.cat([finer, resized(coarse, rows, columns)], dim=-1))
    require_shape(made, "network([F_1; Resize(F_2)])", tuple(finer.shape))
    return made


def hierarchical_windows(
    scales: Sequence[Float[Tensor, "B _ _ D"]],
    scale_weights: Float[Tensor, " S"],
    fusion_weights: Float[Tensor, " T"],
    networks: Sequence[Callable[[Tensor], Tensor]],
) -> Float[Tensor, "B Y X D"]:
    r"""Cross windows of all scales, and of each two neighbouring scales joined, summed.

    NEXUS 3.3a:  HCW(X) = sum_{s=1..S} alpha_s CW^s(X)
                          + sum_{s=1..S-1} beta_s Fusion( CW^s(X), CW^{s+1}(X) )

        paper     here             shape
        CW^s      scales           B _ _ D, the finest first
        alpha     scale_weights    S
        beta      fusion_weights   S - 1
        Fusion    networks         S - 1, of `fused_scales`
        HCW       returned         B Y X D, the finest scale's grid

    ValueError where there is no scale, or not one weight and network each.
    Departure: none. The paper adds grids of several sizes: each is resized to the finest first.
    Reference loop: tests/references/nexus.py
    """
    pairs = len(scales) - 1
    if pairs < 0 or len(scale_weights) != pairs + 1:
        raise ValueError(
            f"{len(scales)} scales and {len(scale_weights)} scale_weights: give one weight a "
            f"scale, and at least one scale"
        )
    if not len(fusion_weights) == len(networks) == pairs:
        raise ValueError(
            f"{len(fusion_weights)} fusion_weights and {len(networks)} networks: give one of each "
            f"for {pairs} pairs of scales"
        )
    rows, columns = scales[0].shape[1:3]
    total = scale_weights[0] * scales[0]
    for scale, weight in zip(scales[1:], scale_weights[1:], strict=True):
        total = total + weight * resized(scale, rows, columns)
    for place, (weight, network) in enumerate(zip(fusion_weights, networks, strict=True)):
        fused = fused_scales(scales[place], scales[place + 1], network)
        total = total + weight * resized(fused, rows, columns)
    return total


def pooled_hierarchy(
    scales: Sequence[Scale],
    places: Sequence[Sequence[Place]],
    value: NearIdentity,
    scale_weights: Float[Tensor, " S"],
    fusion_weights: Float[Tensor, " T"],
    networks: Sequence[FusionNetwork],
) -> Float[Tensor, "B _"]:
    """The mean over the tokens of HCW (3.3a), several times faster than of `hierarchical_windows`.

    Nothing is approximated. All but the GELU of the fusions is linear, so weights are summed
    before they meet what they weigh: no token's 3C numbers are ever made.
    """
    sides = [tuple(scale.tokens.shape[1:3]) for scale in scales]
    even = [scales[0].tokens.new_full((side,), 1 / side) for side in sides[0]]
    # Which part of a mean over the finest grid comes from each row, and each column, of a scale.
    shares = [_resized_shares(even, side) for side in sides]
    weights = [
        weight * torch.outer(*share) for weight, share in zip(scale_weights, shares, strict=True)
    ]
    added = []
    for fine, (weight, network) in enumerate(zip(fusion_weights, networks, strict=True)):
        coarse, share = fine + 1, shares[fine]
        beside = _resized_shares(share, sides[coarse])
        weights[fine] = weights[fine] + weight / 2 * torch.outer(*share)
        weights[coarse] = weights[coarse] + weight / 2 * torch.outer(*beside)
        entry, bias, *_ = network.addition.parameters()
        first, second = entry.chunk(2, dim=1)
        entering = mapped_windows(scales[fine], places, value, first) + bias
        joining = mapped_windows(scales[coarse], places, value, second)
        hidden = network.addition[1](entering + resized(joining, *sides[fine]))
        pooled = torch.outer(*share).flatten() @ hidden.flatten(1, 2)
        added.append(weight * network.addition[2](pooled))
    read = [
        _weighted_windows(scale, places, weight)
        for scale, weight in zip(scales, weights, strict=True)
    ]
    total: Tensor = value(torch.stack(read).sum(dim=0)).flatten(1)
    return sum(added, start=total)


def mapped_windows(
    scale: Scale,
    places: Sequence[Sequence[Place]],
    value: NearIdentity,
    weight: Float[Tensor, "H _"],
) -> Float[Tensor, "B Y X H"]:
    """What a linear map, H x 3C, makes of CW (3.1a): mapped first, then summed in windows."""
    of_values = torch.cat(weight.chunk(len(DIRECTIONS), dim=1))
    # Values are a linear map of tokens, so both maps are one.
    of_tokens = of_values + of_values @ value.up.weight @ value.down.weight
    mapped = functional.linear(scale.tokens, of_tokens).chunk(len(DIRECTIONS), dim=-1)
    sums = map(window_sums, scale.attentions, mapped, places)
    return sum(sums, start=torch.zeros_like(mapped[0]))


def _weighted_windows(
    scale: Scale, places: Sequence[Sequence[Place]], weights: Float[Tensor, "Y X"]
) -> Float[Tensor, "B 3 C"]:
    """The weighted sum over the grid of what tokens, not their values, give each direction."""
    parts = [
        window_parts(attention, weights, held)
        for attention, held in zip(scale.attentions, places, strict=True)
    ]
    return torch.stack(parts, dim=1).flatten(2) @ scale.tokens.flatten(1, 2)


def _resized_shares(shares: Sequence[Tensor], sides: Sequence[int]) -> list[Tensor]:
    """Shares of rows and of columns in a sum over a grid that is resized from those sides."""
    made = []
    for share, side in zip(shares, sides, strict=True):
        eye = torch.eye(side, dtype=share.dtype, device=share.device)
        made.append(share @ resized(eye[None, :, None], len(share), 1)[0, :, 0])
    return made
