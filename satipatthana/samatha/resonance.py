"""SATIPATTHANA 4.3: which concept an input resonates with, and the state it starts from."""

import math

import torch
from torch import Tensor

from satipatthana.shapes import Float


def squared_distances(
    states: Float[Tensor, "B D"], probes: Float[Tensor, "K D"]
) -> Float[Tensor, "B K"]:
    r"""Squared Euclidean distance of every state to every probe: the framework's one geometry.

    SATIPATTHANA 4.3a:  d_bk^2 = || S_b - P_k ||^2

        paper   here     shape
        S       states   B D
        P       probes   K D

    Departure: none; winner, entropy and distances all use it.
    Reference loop: tests/references/satipatthana_samatha.py
    """
    # Differences, not products: what lies close together keeps its digits.
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(states, probes, compute_mode=exact).square()


def resonance(
    states: Float[Tensor, "B D"],
    probes: Float[Tensor, "K D"],
    temperature: float | Float[Tensor, "B 1"],
) -> Float[Tensor, "B K"]:
    r"""How strongly each state resonates with each probe: probabilities, the nearest probe's first.

    SATIPATTHANA 4.3b:  p_bk = softmax_k( - d_bk^2 / (D tau) )

        paper   here          shape
        S       states        B D
        P       probes        K D
        tau     temperature   > 0, one for all or one for each sample; lower is sharper

    Departure: the specification names no formula; distances are divided by the width D, so that a
    temperature means the same at every width.
    Reference loop: tests/references/satipatthana_samatha.py
    """
    width = states.shape[-1]
    return (-squared_distances(states, probes) / (width * temperature)).softmax(dim=-1)


def initial_state(
    z: Float[Tensor, "B D"],
    winner_probe: Float[Tensor, "B D"],
    query_weight: Float[Tensor, "D D"],
    key_weight: Float[Tensor, "D D"],
) -> Float[Tensor, "B D"]:
    r"""The first state: the winning probe asks, the input and the probe itself answer.

    SATIPATTHANA 4.3c:  q = W_q P_w,  k_i = W_k i,  a = softmax([q.k_z, q.k_P] / sqrt(D)),
                        S_0 = a_z z + a_P P_w

        paper   here           shape
        z       z              B D
        P_w     winner_probe   B D
        W_q     query_weight   D D
        W_k     key_weight     D D

    Departure: the specification says only that the winner is the query; the values are the items
    themselves, so S_0 lies on the segment between z and P_w and distances keep their meaning.
    Reference loop: tests/references/satipatthana_samatha.py
    """
    query = winner_probe @ query_weight.T
    items = torch.stack([z, winner_probe], dim=1)  # B 2 D
    attention_logits = (query.unsqueeze(1) * (items @ key_weight.T)).sum(dim=-1)
    attention = (attention_logits / math.sqrt(z.shape[-1])).softmax(dim=-1)
    return (attention.unsqueeze(-1) * items).sum(dim=1)
