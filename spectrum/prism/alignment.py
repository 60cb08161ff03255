"""PRISM 2.2: whether images look at texts as those texts look at images."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from spectrum.arguments import require_not_negative, require_pairs, require_shape


def visual_to_textual_attention(
    visual_queries: Float[Tensor, "N S"], textual_keys: Float[Tensor, "N S"]
) -> Float[Tensor, "N N"]:
    r"""How each image of a batch spreads its attention over the batch's texts.

    PRISM 2.2a:  A_{V->T} = softmax( Q_V K_T^T / sqrt(d) )

        paper      here             shape
        Q_V        visual_queries   N S
        K_T        textual_keys     N S
        d          S
        A_{V->T}   returned         N N    rows, one an image, sum to 1

    ValueError for two shapes or an empty batch.
    Departure: none.  Reference loop: tests/references/prism.py
    """
    require_pairs(visual_queries, "visual_queries", textual_keys, "textual_keys")
    return _attention(visual_queries, textual_keys)


def textual_to_visual_attention(
    textual_queries: Float[Tensor, "N S"], visual_keys: Float[Tensor, "N S"]
) -> Float[Tensor, "N N"]:
    r"""How each text of a batch spreads its attention over the batch's images.

    PRISM 2.2b:  A_{T->V} = softmax( Q_T K_V^T / sqrt(d) )

        paper      here              shape
        Q_T        textual_queries   N S
        K_V        visual_keys       N S
        d          S
        A_{T->V}   returned          N N    rows, one a text, sum to 1

    ValueError for two shapes or an empty batch.
    Departure: none.  Reference loop: tests/references/prism.py
    """
    require_pairs(textual_queries, "textual_queries", visual_keys, "visual_keys")
    return _attention(textual_queries, visual_keys)


def alignment_loss(
    visual_to_textual: Float[Tensor, "N N"],
    textual_to_visual: Float[Tensor, "N N"],
    divergence_weight: float,
) -> Float[Tensor, ""]:
    r"""How differently images look at texts and texts at images; 0 where both are the same.

    PRISM 2.2c:  L_align = || A_{V->T} - A_{T->V} ||_F^2 + lambda_KL D_KL( A_{V->T} || A_{T->V} )

        paper       here                shape
        A_{V->T}    visual_to_textual   N N    rows sum to 1
        A_{T->V}    textual_to_visual   N N    rows sum to 1
        lambda_KL   divergence_weight   >= 0

    ValueError for two shapes, an empty batch, or a negative weight.
    Departure: none. D_KL is read as the sum over the rows, each a distribution, so that it grows
    with the batch as the norm does. A weight that float rounds to 0 counts as the least positive
    number. It needs as many texts as images.  Reference loop: tests/references/prism.py
    """
    require_pairs(visual_to_textual, "visual_to_textual", textual_to_visual, "textual_to_visual")
    shape = tuple(visual_to_textual.shape)
    require_shape(textual_to_visual, "textual_to_visual", shape)
    require_not_negative(divergence_weight, "divergence_weight")
    distance = (visual_to_textual - textual_to_visual).square().sum()
    least = torch.finfo(visual_to_textual.dtype).tiny
    ratios = visual_to_textual.clamp(min=least).log() - textual_to_visual.clamp(min=least).log()
    return distance + divergence_weight * (visual_to_textual * ratios).sum()


def _attention(queries: Float[Tensor, "N S"], keys: Float[Tensor, "N S"]) -> Float[Tensor, "N N"]:
    products: Tensor = queries @ keys.mT
    return (products / math.sqrt(queries.shape[-1])).softmax(dim=-1)
