"""CASTLE 1.2: attention as a graph, whose edges carry effects from level to level."""

import torch
from jaxtyping import Float
from torch import Tensor

from spectrum.arguments import require_shape


def edge_weights(
    attention: Float[Tensor, "B M M"], threshold: float | Float[Tensor, ""]
) -> Float[Tensor, "B M M"]:
    r"""The edges of one level's graph: attention above a threshold, and 0 elsewhere.

    CASTLE 1.2a:  w^l_ij = ReLU( C^l_ij - tau^l )

        paper   here        shape
        C^l     attention   B M M    rows sum to 1
        tau^l   threshold   0 <= tau < 1; below 0 members that are not real would get edges
        w^l     returned    B M M    >= 0

    Departure: none.  Reference loop: tests/references/castle.py
    """
    return (attention - threshold).relu()


def next_level(
    attention: Float[Tensor, "B M M"],
    weights: Float[Tensor, "B M M"],
    kept_share: float | Float[Tensor, ""],
) -> Float[Tensor, "B M M"]:
    r"""Attention of the next level: a share of this one's, the rest by way of the neighbours.

    CASTLE 1.2b:  C^{l+1}_ij = alpha^l C^l_ij
                      + (1 - alpha^l) sum_{k in N^l_i} w^l_ik C^l_kj / sum_{k' in N^l_i} w^l_ik'

        paper      here         shape
        C^l        attention    B M M    rows sum to 1
        w^l        weights      B M M    by `edge_weights`; N^l_i = { k : w^l_ik > 0 }
        alpha^l    kept_share   in (0, 1)
        C^{l+1}    returned     B M M    rows sum to 1

    ValueError where the two shapes differ.
    Departure: none. The paper says nothing of an empty N^l_i: such a row stays as it is.
    Reference loop: tests/references/castle.py
    """
    require_shape(weights, "weights", tuple(attention.shape))
    totals = weights.sum(dim=-1, keepdim=True)
    connected = totals > 0
    passed_on = weights @ attention / torch.where(connected, totals, torch.ones_like(totals))
    next_attention = kept_share * attention + (1 - kept_share) * passed_on
    return torch.where(connected, next_attention, attention)
