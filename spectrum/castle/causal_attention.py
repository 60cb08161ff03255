"""CASTLE 1.1: which images of a neighbourhood an image listens to."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from spectrum.arguments import lowest, require_shape

PAIRS = 1024
"""Entries of M that a processor fills at once: the differences they need stay in its cache."""


def causal_mask(
    features: Float[Tensor, "B M D"],
    sources: Float[Tensor, "B K D"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B M K"]:
    r"""How much each image may depend on each source, from what sets them apart: in (0, 1).

    CASTLE 1.1b:  M_ij = sigmoid( f_theta( |F_i - F_j| ) )

        paper     here       shape
        F_i       features   B M D
        F_j       sources    B K D    the same members, or what replaces them in 1.3a
        f_theta   network    B M K D -> B M K 1
        M         returned   B M K

    ValueError where the network does not make one number a pair.
    Departure: none. |.| is read as the absolute value of each component, of which a norm is one
    f_theta; so M is symmetric.  Reference loop: tests/references/castle.py
    """
    return _mask_logits(features[:, :, None], sources[:, None, :], network).sigmoid()


def _mask_logits(
    features: Float[Tensor, "B _ _ D"],
    sources: Float[Tensor, "B _ _ D"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B M K"]:
    """f_theta( |F_i - F_j| ) of two that broadcast."""
    apart = (features - sources).abs_()
    logits = network(apart)
    require_shape(logits, "network(|F_i - F_j|)", (*apart.shape[:3], 1))
    return logits.squeeze(-1)


def mutual_mask(
    features: Float[Tensor, "B M D"], network: Callable[[Tensor], Tensor]
) -> Float[Tensor, "B M M"]:
    """`causal_mask` of the members among themselves, from half of the pairs: M is symmetric.

    Member i is set beside the M // 2 that follow it in a circle, which meets every pair; nothing
    sets an image apart from itself, so the diagonal is one number. ValueError as of `causal_mask`.
    """
    members = features.shape[1]
    reach = members // 2
    circle = torch.cat([features, features[:, :reach]], dim=1)
    # Windows are views: the differences are the only B M M/2 D numbers that are written.
    following = circle.unfold(1, reach + 1, 1)[..., 1:].movedim(-1, 2)
    size = len(features) if features.device.type != "cpu" else max(1, PAIRS // (members * members))
    logits = torch.cat(
        [
            _mask_logits(first, second[:, :, None], network)
            for first, second in zip(
                torch.split(following, size), torch.split(features, size), strict=True
            )
        ]
    )
    on_itself = network(features.new_zeros(1, 1, 1, features.shape[-1])).reshape(1, 1)
    pairs = torch.cat([on_itself.expand(len(features), 1), logits.flatten(1)], dim=1)
    return pairs.sigmoid()[:, _pair_numbers(members, features.device)]


def _pair_numbers(members: int, device: torch.device) -> Int64[Tensor, "M M"]:
    """Where `mutual_mask` finds the pair of two members: 0 for an image and itself."""
    member = torch.arange(members, device=device)
    ahead = (member - member[:, None]) % members
    reach = members // 2
    forth = member[:, None] * reach + ahead
    back = member * reach + (members - ahead)
    return torch.where(ahead > reach, back, forth).fill_diagonal_(0)


def causal_logits(
    queries: Float[Tensor, "B M D"], keys: Float[Tensor, "B K D"], mask: Float[Tensor, "B M K"]
) -> Float[Tensor, "B M K"]:
    r"""What the softmax of CASTLE 1.1a is taken of: l_ij = (Q_i . K_j / sqrt(d)) M_ij.

        paper   here      shape
        Q       queries   B M D
        K       keys      B K D
        M       mask      B M K    by `causal_mask`
        d       D         the queries' width

    A mask near 0 takes a source to the logit 0, not to the weight 0, as the paper writes it.
    ValueError where the mask has another shape.
    """
    require_shape(mask, "mask", (*queries.shape[:2], keys.shape[1]))
    products: Tensor = queries @ keys.mT
    return products / math.sqrt(queries.shape[-1]) * mask


def causal_attention(
    logits: Float[Tensor, "B M M"], member_mask: Bool[Tensor, "B M"]
) -> Float[Tensor, "B M M"]:
    r"""How each image spreads its attention over the members of its neighbourhood.

    CASTLE 1.1a:  C_ij = softmax_j( (Q_i . K_j / sqrt(d)) M_ij )

        paper    here          shape
        (...)    logits        B M M    by `causal_logits`
                 member_mask   B M      True = a real member; another has weight 0 in every row
        C        returned      B M M    rows sum to 1

    ValueError where the mask has another shape. The row of a member that is not real is a
    distribution as well, and nobody reads it.
    Departure: none.  Reference loop: tests/references/castle.py
    """
    require_shape(member_mask, "member_mask", tuple(logits.shape[:2]))
    return logits.masked_fill(~member_mask[:, None], lowest(logits.dtype)).softmax(dim=-1)
