"""CASTLE 1.3: what would become of an image's output if another image were another."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import lowest, require_positive, require_shape


class Intervention(NamedTuple):
    """Attention before and after each image i is replaced, each time it alone.

    The first J members are watched: all of them, or the anchor alone. Where one replacement
    serves all i, expand it.
    """

    logits: Float[Tensor, "B M M"]
    """l_jk: image j looks at image k, nothing replaced."""
    source_logits: Float[Tensor, "B J M"]
    """l'_ji: image j looks at what replaces image i."""
    own_logits: Float[Tensor, "B J M"]
    """l'_jk: what replaces image j looks at image k, and at itself on the diagonal."""
    values: Float[Tensor, "B M D"]
    """v_k."""
    new_values: Float[Tensor, "B M D"]
    """v'_i, the value of what replaces image i."""


def ablated(
    features: Float[Tensor, "B M D"], member_mask: Bool[Tensor, "B M"]
) -> Float[Tensor, "B 1 D"]:
    """F' of CASTLE 1.3a for every image: the mean of its neighbourhood's real members."""
    real = member_mask.to(features.dtype)
    total: Tensor = real[:, None] @ features
    return total / real.sum(dim=1)[:, None, None]


def noised(features: Float[Tensor, "B M D"], noise: float) -> Float[Tensor, "B M D"]:
    """F' of CASTLE 1.3a in training: each image with normal noise of the expected length `noise`.

    Drawn from torch's generator.
    """
    return features + noise / math.sqrt(features.shape[-1]) * torch.randn_like(features)


def intervention_effects(
    given: Intervention, member_mask: Bool[Tensor, "B M"]
) -> Float[Tensor, "B M J"]:
    r"""How far each image's output moves when one image of its neighbourhood is replaced.

    CASTLE 1.3a:  Delta_ij = || E[F_j | do(F_i = F_i')] - E[F_j | F_i] ||^2

        paper       here                shape
        i           second axis         the image that is replaced
        j           third axis          the image that is watched
        E[F_j|.]    attention's output at j: sum_k softmax_k(l_jk) v_k
        Delta       returned            B M J    >= 0; 0 where i or j is not a real member

    Exact, in O(M J D) and not by M runs of it: replacing i changes one logit and one value of
    row j, so with the row's sum Z_j

        out'_j = (Z_j out_j - e^{l_ji} v_i + e^{l'_ji} v'_i) / (Z_j - e^{l_ji} + e^{l'_ji})

    Row j = i has another query, so all its logits are new: its output is computed anew.
    ValueError where shapes differ.  Departure: none.  Reference loop: tests/references/castle.py
    """
    batch, members = given.logits.shape[:2]
    # Of two that differ, the one with fewer rows is named.
    watched = max(given.source_logits.shape[1], given.own_logits.shape[1])
    for name in ("source_logits", "own_logits"):
        require_shape(getattr(given, name), name, (batch, watched, members))
    require_shape(given.new_values, "new_values", tuple(given.values.shape))
    require_shape(member_mask, "member_mask", (batch, members))
    hidden, low = ~member_mask[:, None], lowest(given.logits.dtype)
    masked = given._replace(
        logits=given.logits[:, :watched].masked_fill(hidden, low),
        own_logits=given.own_logits.masked_fill(hidden, low),
    )
    outputs = masked.logits.softmax(dim=-1) @ given.values
    on_itself = torch.eye(members, watched, dtype=torch.bool, device=outputs.device)
    own = own_effects(masked, outputs)[:, None]
    effects = torch.where(on_itself, own, effects_on_others(masked, outputs).mT)
    return effects.masked_fill(hidden[..., :watched] | hidden.mT, 0.0)


def own_effects(given: Intervention, outputs: Float[Tensor, "B J D"]) -> Float[Tensor, "B J"]:
    """The diagonal of CASTLE 1.3a: how far an image's output moves when itself is replaced."""
    attention, watched = given.own_logits.softmax(dim=-1), outputs.shape[1]
    itself = attention.diagonal(dim1=1, dim2=2)[:, :, None]
    change = given.new_values[:, :watched] - given.values[:, :watched]
    moved = attention @ given.values + itself * change
    return (moved - outputs).square().sum(dim=-1)


def effects_on_others(
    given: Intervention, outputs: Float[Tensor, "B J D"]
) -> Float[Tensor, "B J M"]:
    r"""CASTLE 1.3a off the diagonal, row j watched and column i replaced; the diagonal is void.

    Here every row of `given` is one that is watched.

    The closed form, written so that nothing cancels. Let r be the output of row j without i, p
    and p' the weights of i before and after, R the logarithm of the sum of the others' e^l. Then
    out = r + p (v - r), so

        out' - out = (p' - p) (v_i - r) + p' (v'_i - v_i),    p = sigmoid(l_ji - R),
        v_i - r = (v_i - out) / (1 - p),                      p' = sigmoid(l'_ji - R)

    and its square needs only products of matrices. Dividing by 1 - p is bad where p is near 1.
    At most one i of a row has p > 1/2, the strongest: its r and R are computed without it.
    """
    strongest = functional.one_hot(given.logits.argmax(dim=-1), given.logits.shape[-1]).bool()
    without = given.logits.masked_fill(strongest, lowest(given.logits.dtype))
    share = given.logits.softmax(dim=-1).masked_fill(strongest, 0.0)
    others = torch.where(
        strongest,
        without.logsumexp(dim=-1, keepdim=True),
        given.logits.logsumexp(dim=-1, keepdim=True) + torch.log1p(-share),
    )
    before = (given.logits - others).sigmoid()
    after = (given.source_logits - others).sigmoid()

    change = given.new_values - given.values
    one_hot = strongest.to(outputs.dtype)
    gap = one_hot @ given.values - without.softmax(dim=-1) @ given.values
    gap_change = (gap * (one_hot @ change)).sum(dim=-1, keepdim=True)
    gaps_squared = torch.where(
        strongest,
        gap.square().sum(dim=-1, keepdim=True),
        squared_distances(outputs, given.values) / (1 - share).square(),
    )
    along_change = (change * given.values).sum(dim=-1)[:, None] - outputs @ change.mT
    gaps_changes = torch.where(strongest, gap_change, along_change / (1 - share))

    shift = after - before
    squares = (
        shift.square() * gaps_squared
        + 2 * shift * after * gaps_changes
        + after.square() * change.square().sum(dim=-1)[:, None]
    )
    return squares.clamp(min=0.0)


def squared_distances(
    first: Float[Tensor, "B J D"], second: Float[Tensor, "B M D"]
) -> Float[Tensor, "B J M"]:
    """|| a_j - b_i ||^2 by products of matrices."""
    lengths = first.square().sum(dim=-1)[:, :, None] + second.square().sum(dim=-1)[:, None]
    return lengths - 2 * first @ second.mT


def counterfactual_attention(
    effects: Float[Tensor, "B M J"],
    member_mask: Bool[Tensor, "B M"],
    temperature: float | Float[Tensor, ""],
) -> Float[Tensor, "B J M"]:
    r"""Attention to what matters: the further an image's replacement would move me, the more.

    CASTLE 1.3b:  A^CF = softmax( Delta / beta ),   here  A^CF_ji = softmax_i( Delta_ij / beta )

        paper   here          shape
        Delta   effects       B M J    Delta_ij, i replaced and j watched
                member_mask   B M      True = a real member; another has weight 0
        beta    temperature   > 0; a number, or learned
        A^CF    returned      B J M    row j, over the sources i; rows sum to 1

    The paper leaves open over which index; weights are over *sources*, so row j sums over the
    replaced i, and the result is the transpose of Delta's order.
    ValueError for a mask of another shape or a number that is not above 0.
    Departure: none.  Reference loop: tests/references/castle.py
    """
    require_shape(member_mask, "member_mask", tuple(effects.shape[:2]))
    if not isinstance(temperature, Tensor):
        require_positive(temperature, "temperature")
    logits = effects.mT / temperature
    return logits.masked_fill(~member_mask[:, None], lowest(logits.dtype)).softmax(dim=-1)


def mixed_attention(
    standard: Float[Tensor, "B J M"],
    counterfactual: Float[Tensor, "B J M"],
    standard_share: float | Float[Tensor, ""],
) -> Float[Tensor, "B J M"]:
    r"""The attention that is used: a share of the standard one, the rest counterfactual.

    CASTLE 1.3c:  A = lambda A^std + (1 - lambda) A^CF

        paper    here             shape
        A^std    standard         B J M    here the last level of 1.2
        A^CF     counterfactual   B J M
        lambda   standard_share   in [0, 1]; a number, or learned

    ValueError where the two shapes differ.
    Departure: none.  Reference loop: tests/references/castle.py
    """
    require_shape(counterfactual, "counterfactual", tuple(standard.shape))
    return standard_share * standard + (1 - standard_share) * counterfactual
