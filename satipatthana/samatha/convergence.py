"""SATIPATTHANA 5.1: how a state moves, how fast its moves shrink, and when it has settled."""

import torch
from torch import Tensor

from satipatthana.shapes import Bool, Float


def state_update(
    state: Float[Tensor, "B D"], refined: Float[Tensor, "B D"], beta: float
) -> Float[Tensor, "B D"]:
    r"""The next state: part of the old one, part of what the refiner made of it.

    SATIPATTHANA 5.1a:  S_{t+1} = (1 - beta) S_t + beta Phi(S_t)

        paper      here      shape
        S_t        state     B D
        Phi(S_t)   refined   B D
        beta       beta      0 to 1; the larger, the less inertia

    Departure: none.  Reference loop: tests/references/satipatthana_samatha.py
    """
    return (1.0 - beta) * state + beta * refined


def effective_lipschitz(beta: float, lipschitz: float) -> float:
    r"""The factor by which a move is at most as long as the one before it; below 1 it converges.

    SATIPATTHANA 5.1b:  L_eff = (1 - beta) + beta L

        paper   here        range
        beta    beta        0 to 1
        L       lipschitz   >= 0, the refiner's Lipschitz constant in the state

    Departure: none.  Reference loop: tests/references/satipatthana_samatha.py
    """
    return (1.0 - beta) + beta * lipschitz


def has_settled(
    state: Float[Tensor, "B D"],
    state_tm1: Float[Tensor, "B D"],
    threshold: float | Float[Tensor, ""],
) -> Bool[Tensor, " B"]:
    r"""Which samples moved less than the threshold in their last step.

    SATIPATTHANA 5.1c:  stop if || S_{t+1} - S_t || < epsilon

        paper     here        shape
        S_{t+1}   state       B D
        S_t       state_tm1   B D
        epsilon   threshold   >= 0; at 0 nothing ever settles, since the inequality is strict

    Departure: decided for each sample, so that none depends on its batch-mates.
    Reference loop: tests/references/satipatthana_samatha.py
    """
    settled: Tensor = torch.linalg.vector_norm(state - state_tm1, dim=-1) < threshold
    return settled
