"""ORACLE 4.3: what other objects, of this image and of its neighbours, add to an object."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spectrum.arguments import require_positive, require_shape
from spectrum.oracle.arguments import masked_softmax


def context_weights(
    scores: Float[Tensor, "B K J"],
    neighbour_mask: Bool[Tensor, "B K J"],
    temperature: float | Float[Tensor, ""],
) -> Float[Tensor, "B K J"]:
    r"""How much each neighbouring object counts in an object's context.

    ORACLE 4.3b:  w_kl = exp(s_kl / tau) / sum_{l' in N(k)} exp(s_kl' / tau)

        paper   here             shape
        s       scores           B K J
        N(k)    neighbour_mask   B K J    True = l is in N(k)
        tau     temperature      > 0; a number, or learned
        w       returned         B K J    rows sum to 1, or are 0 where N(k) is empty

    ValueError where the mask has another shape, or a number that is not above 0.
    Departure: none.  Reference loop: tests/references/oracle.py
    """
    require_shape(neighbour_mask, "neighbour_mask", tuple(scores.shape))
    if not isinstance(temperature, Tensor):
        require_positive(temperature, "temperature")
    return masked_softmax(scores / temperature, neighbour_mask)


def context_features(
    weights: Float[Tensor, "B K J"], objects: Float[Tensor, "B J D"]
) -> Float[Tensor, "B K D"]:
    r"""The context of each object: the objects near it, each times its weight.

    ORACLE 4.3a:  C_k = sum_{l in N(k)} w_kl O_l

        paper   here       shape
        w       weights    B K J    by `context_weights`
        O       objects    B J D
        C       returned   B K D    0 where N(k) is empty

    ValueError where there is not one weight an object.
    Departure: none.  Reference loop: tests/references/oracle.py
    """
    require_shape(weights, "weights", (len(objects), weights.shape[1], objects.shape[1]))
    made: Tensor = weights @ objects
    return made


def balanced_context(
    local: Float[Tensor, "B K D"],
    wide: Float[Tensor, "B K D"],
    wide_mask: Bool[Tensor, " B"],
    local_share: float | Float[Tensor, ""],
) -> Float[Tensor, "B K D"]:
    r"""Context from the image itself and from its neighbours, together.

    ORACLE 4.3c:  C_final = beta C_local + (1 - beta) C_global

        paper      here          shape
        C_local    local         B K D    over the objects of the image
        C_global   wide          B K D    over the objects of its neighbours
                   wide_mask     B        True = the neighbours have an object
        beta       local_share   in [0, 1]; a number, or learned
        C_final    returned      B K D

    ValueError where shapes differ.
    Departure: none. The paper says nothing of neighbours without objects: C_local stays.
    Reference loop: tests/references/oracle.py
    """
    require_shape(wide, "wide", tuple(local.shape))
    require_shape(wide_mask, "wide_mask", (len(local),))
    mixed = local_share * local + (1 - local_share) * wide
    return torch.where(wide_mask[:, None, None], mixed, local)
