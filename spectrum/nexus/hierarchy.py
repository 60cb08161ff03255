"""NEXUS 3.3: windows at several scales, summed, and neighbouring scales joined."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import require_shape


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
