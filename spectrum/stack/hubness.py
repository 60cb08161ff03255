"""Hubness: how near an image is to all texts, which says nothing of any one of them."""

import torch
from jaxtyping import Float
from torch import Tensor

NEAREST = 64
"""Reference texts that count, of a bank of 30,000; see `nearest_count`."""
SHARE = 0.5
MEASURED_AT_ONCE = 256


def nearest_count(texts: int) -> int:
    """How many of a bank's texts count: `NEAREST` of 30,000, in proportion, at least 1."""
    return max(1, round(NEAREST * texts / 30_000))


def hubness(
    semantic_unit: Float[Tensor, "N S"], texts_unit: Float[Tensor, "R S"], count: int
) -> Float[Tensor, " N"]:
    r"""Half the mean similarity of each image with the `count` reference texts nearest to it.

        h_i = 1/2 mean_{r in top(i)} s_i . t_r

    Taken off every similarity with a text, so that an image that is near to many texts doesn't
    stand before those that are near to one. Source: nearest-neighbour normalisation, Chowdhury et
    al., EMNLP 2024.  0 for an empty bank.
    """
    if len(texts_unit) == 0:
        return semantic_unit.new_zeros(len(semantic_unit))
    kept = min(count, len(texts_unit))
    parts = [
        (part @ texts_unit.mT).topk(kept, dim=1).values.mean(dim=1)
        for part in torch.split(semantic_unit, MEASURED_AT_ONCE)
    ]
    return SHARE * torch.cat(parts)
