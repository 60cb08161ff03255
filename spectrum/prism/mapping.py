"""PRISM 2.3: attention that heeds what is said of images, and features that heed an intent."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import lowest, require_not_negative, require_pairs, require_shape


def semantic_similarity(
    prompts: Float[Tensor, "B M S"], *, watched: int | None = None
) -> Float[Tensor, "B J M"]:
    r"""How alike what is said of two images of a neighbourhood is: in [-1, 1].

    The first `watched` rows of it, of all M by default.

    PRISM 2.3a:  S_ij = cosine(P_i, P_j)

        paper   here       shape
        P       prompts    B M S    by `prompt_embeddings`
        S       returned   B J M    symmetric; 1 on the diagonal, 0 where a prompt has no length

    Departure: none.  Reference loop: tests/references/prism.py
    """
    units = functional.normalize(prompts, dim=-1)
    similarity: Tensor = units[:, :watched] @ units.mT
    return similarity


def base_weights(
    features: Float[Tensor, "B M D"],
    member_mask: Bool[Tensor, "B M"],
    temperature: float | Float[Tensor, ""],
    *,
    watched: int | None = None,
) -> Float[Tensor, "B J M"]:
    r"""W^base of PRISM 2.3b: softmax_j( F_i . F_j / tau ) over the real members.

    The first `watched` rows of it, of all M by default. The paper does not say which weights: read
    as the attention that the features themselves ask for.
    ValueError where the mask has another shape.
    """
    require_shape(member_mask, "member_mask", tuple(features.shape[:2]))
    logits = features[:, :watched] @ features.mT / temperature
    return logits.masked_fill(~member_mask[:, None], lowest(logits.dtype)).softmax(dim=-1)


def semantic_weights(
    base: Float[Tensor, "B J M"],
    similarity: Float[Tensor, "B J M"],
    gain: float | Float[Tensor, ""],
) -> Float[Tensor, "B J M"]:
    r"""Attention, raised where two images are described alike.

    PRISM 2.3b:  W_ij = W^base_ij (1 + gamma S_ij)

        paper    here         shape
        W^base   base         B J M    rows sum to 1
        S        similarity   B J M    by `semantic_similarity`
        gamma    gain         >= 0; a number, or learned; above 1 a weight may fall below 0
        W        returned     B J M    rows do not sum to 1: see `as_distributions`

    ValueError for two shapes or a negative number.
    Departure: none.  Reference loop: tests/references/prism.py
    """
    require_shape(similarity, "similarity", tuple(base.shape))
    if not isinstance(gain, Tensor):
        require_not_negative(gain, "gain")
    return base * (1 + gain * similarity)


def as_distributions(weights: Float[Tensor, "B J M"]) -> Float[Tensor, "B J M"]:
    """W of PRISM 2.3b with rows that sum to 1; a weight below 0 would subtract an image, and is 0.

    Every row needs a weight above 0. That of an image for itself is, since S_ii = 1.
    """
    positive = weights.clamp(min=0.0)
    return positive / positive.sum(dim=-1, keepdim=True)


def intended_features(
    features: Float[Tensor, "N D"],
    intent: Float[Tensor, "N S"],
    strength: float | Float[Tensor, ""],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "N D"]:
    r"""Features as a search intent would have them.

    PRISM 2.3c:  F^q_i = F_i + delta FFN( [F_i; E_T(q)] )

        paper     here       shape
        F         features   N D    of the query's image, or of candidates in a rerank
        E_T(q)    intent     N S    row n for image n
        delta     strength   a number, or learned; 0 returns F itself
        FFN       network    N D+S -> N D

    ValueError where there are not as many intents as features, or none, or where the network does
    not make the features' shape.  Departure: none.  Reference loop: tests/references/prism.py
    """
    require_pairs(features, "features", intent, "intent")
    moved = network(torch.cat([features, intent], dim=-1))
    require_shape(moved, "network([F; E_T(q)])", tuple(features.shape))
    return features + strength * moved
