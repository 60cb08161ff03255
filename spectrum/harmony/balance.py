"""HARMONY 5.3: how well sight and words agree, and the sum that training lowers."""

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from spectrum.arguments import require_items, require_positive, require_same_shape


class InformationBound(NamedTuple):
    """What a batch shows of the mutual information, and the most that it can show."""

    nats: Float[Tensor, ""]
    """The lower bound, with gradient; at most `ceiling`, below 0 where pairs are worse than
    chance."""
    ceiling: float
    """log B: near it the estimate says nothing any more, and only a larger batch would."""


def information_bound(
    visual_unit: Float[Tensor, "B D"],
    textual_unit: Float[Tensor, "B D"],
    temperature: float | Float[Tensor, ""],
) -> InformationBound:
    r"""A lower bound of what images and texts tell of each other, in nats, estimated on a batch.

    MI of HARMONY 5.3a, by InfoNCE in both directions, with l_bc = v_b . t_c / tau:

        MI(F_vis, F_txt) >= log B - (I + T) / 2
        I = -1/B sum_b log( e^{l_bb} / sum_c e^{l_bc} )     an image finds its text
        T = -1/B sum_b log( e^{l_bb} / sum_c e^{l_cb} )     a text finds its image

        paper   here           shape
        F_vis   visual_unit    B D    unit length
        F_txt   textual_unit   B D    unit length; row b is the text of image b
        tau     temperature    > 0; a number, or learned

    ValueError for two shapes, an empty batch, or a temperature that is not above 0.
    Reading: MI cannot be computed from samples of unknown densities; the paper names no
    estimator. Oord et al., arXiv:1807.03748, eq. 5 bounds it from each side, so the mean of both
    is a bound too; every pair has to be a draw of its own (a text that fits two images of a batch
    counts as a mistake). Reference loop: tests/references/harmony.py
    """
    require_same_shape(visual_unit, "visual_unit", textual_unit, "textual_unit")
    require_positive(temperature)
    logits = visual_unit @ textual_unit.T / temperature
    own = logits.diagonal()
    to_text = (logits.logsumexp(dim=1) - own).mean()
    to_image = (logits.logsumexp(dim=0) - own).mean()
    ceiling = math.log(len(logits))
    return InformationBound(ceiling - (to_text + to_image) / 2, ceiling)


def harmony_loss(
    visual: Float[Tensor, "B D"],
    textual: Float[Tensor, "B D"],
    information: Float[Tensor, ""],
    distance_weight: float,
) -> Float[Tensor, ""]:
    r"""How much images and their texts are out of tune: told little of each other, or far apart.

    HARMONY 5.3a:  L_harm = -MI(F_vis, F_txt) + alpha (1/B) sum_b || F_vis,b - F_txt,b ||^2

        paper   here              shape
        F_vis   visual            B D
        F_txt   textual           B D    row b is the text of image b
        MI      information       any estimate of it; `information_bound(...).nats` in training
        alpha   distance_weight   >= 0

    ValueError for two shapes, an empty batch, or a negative weight.
    Departure: none; the paper writes one pair, a batch is its mean. Below 0 where the information
    outweighs the distance. Reference loop: tests/references/harmony.py
    """
    require_same_shape(visual, "visual", textual, "textual")
    if not distance_weight >= 0.0:
        raise ValueError(f"distance_weight must not be below 0, got {distance_weight}")
    distance = (visual - textual).square().sum(dim=-1).mean()
    return distance_weight * distance - information


def in_batch_attention(
    unit: Float[Tensor, "B D"], temperature: float | Float[Tensor, ""]
) -> Float[Tensor, "B B"]:
    r"""How one modality spreads its attention over the batch: each row a distribution.

    A of HARMONY 5.3b:  A_bc = softmax_c( f_b . f_c / tau )

        paper   here          shape
        f       unit          B D    unit length; F_vis or F_txt
        tau     temperature   > 0; a number, or learned

    ValueError for an empty batch, or a temperature that is not above 0.
    Reading: the paper does not say which maps. Only maps among the items of a batch have one shape
    in both modalities. The diagonal stays, so at a low temperature both maps tend to the identity.
    Reference loop: tests/references/harmony.py
    """
    require_items(unit, "unit")
    require_positive(temperature)
    return (unit @ unit.T / temperature).softmax(dim=-1)


def attention_disagreement(
    visual_attention: Float[Tensor, "B B"], textual_attention: Float[Tensor, "B B"]
) -> Float[Tensor, ""]:
    r"""How differently the two modalities see which items of a batch belong together.

    HARMONY 5.3b:  L_reg = || A_vis - A_txt ||_F^2

        paper   here                shape
        A_vis   visual_attention    B B    rows sum to 1; by `in_batch_attention`
        A_txt   textual_attention   B B

    ValueError for two shapes or an empty batch.
    Departure: none. It is a sum over all entries, so it grows with the batch, to 2 B at most.
    Reference loop: tests/references/harmony.py
    """
    require_same_shape(visual_attention, "visual_attention", textual_attention, "textual_attention")
    return (visual_attention - textual_attention).square().sum()


@dataclass(frozen=True, kw_only=True)
class HarmonyWeights:
    """What each term counts in HARMONY 5.3c. None is below 0; the task's own loss counts 1."""

    distillation_weight: float = 1.0
    """lambda_KD."""
    feature_distillation_weight: float = 1.0
    """lambda_FKD."""
    harmony_weight: float = 1.0
    """lambda_harm."""
    disagreement_weight: float = 1.0
    """lambda_reg."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) >= 0.0:
                raise ValueError(f"{each.name} must not be below 0, got {getattr(self, each.name)}")


def total_loss(
    *,
    task: Float[Tensor, ""],
    distillation: Float[Tensor, ""],
    feature_distillation: Float[Tensor, ""],
    harmony: Float[Tensor, ""],
    disagreement: Float[Tensor, ""],
    weights: HarmonyWeights,
) -> Float[Tensor, ""]:
    r"""What training lowers: the task's loss and HARMONY's four, each with its weight.

    HARMONY 5.3c:  L = L_task + lambda_KD L_KD + lambda_FKD L_FKD + lambda_harm L_harm
                       + lambda_reg L_reg

        paper    here                   shape
        L_task   task                   scalar, from the caller
        L_KD     distillation           scalar, 5.1a
        L_FKD    feature_distillation   scalar, 5.1b
        L_harm   harmony                scalar, 5.3a
        L_reg    disagreement           scalar, 5.3b
        lambda   weights                >= 0

    Departure: none.  Reference loop: tests/references/harmony.py
    """
    return (
        task
        + weights.distillation_weight * distillation
        + weights.feature_distillation_weight * feature_distillation
        + weights.harmony_weight * harmony
        + weights.disagreement_weight * disagreement
    )
