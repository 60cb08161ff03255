"""SPECTRUM 6.1 and 6.2a: one vector of five layers' vectors, weighed by image and task."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spectrum.arguments import lowest, require_shape


def integrated_features(
    layers: Float[Tensor, "L B D"], weights: Float[Tensor, "B L"]
) -> Float[Tensor, "B D"]:
    r"""What the layers say of each image, each for its importance, summed.

    SPECTRUM 6.1a:  F_integrated = sum_i w_i F_i,   i in core, context, eff, obj, modal

        paper          here       shape
        F_i            layers     L B D    L = 6: the encoder's own vector, then the paper's five
        w_i            weights    B L      by `layer_weights`; rows sum to 1
        F_integrated   returned   B D

    ValueError where there is not one weight a layer and image.
    Departure: a sixth layer, the vector as the encoder gave it, so that a stack of layers that are
    no use to an image can leave it as it is.  Reference loop: tests/references/stack.py
    """
    require_shape(weights, "weights", (layers.shape[1], layers.shape[0]))
    return torch.einsum("bl,lbd->bd", weights, layers)


def layer_weights(
    logits: Float[Tensor, "B L"], layer_mask: Bool[Tensor, " L"]
) -> Float[Tensor, "B L"]:
    r"""How much each layer counts for an image and a task.

    SPECTRUM 6.2a:  w_i(x, t) = exp f_i(x, t) / sum_j exp f_j(x, t)

        paper       here         shape
        f_i(x, t)   logits       B L    one task at a time
                    layer_mask   L      True = the layer takes part; another has weight 0
        w_i         returned     B L    rows sum to 1

    ValueError where no layer takes part, or the mask has another width.
    Departure: none.  Reference loop: tests/references/stack.py
    """
    require_shape(layer_mask, "layer_mask", tuple(logits.shape[1:]))
    if not bool(layer_mask.any()):
        raise ValueError("layer_mask leaves out every layer: let at least one take part")
    return logits.masked_fill(~layer_mask, lowest(logits.dtype)).softmax(dim=-1)
