"""Hubness: how near an image is to all texts, which says nothing of any one of them."""

import torch
from jaxtyping import Float
from torch import Tensor

NEAREST = 64
"""Reference texts that count, of a bank of 10,000; see `nearest_count`."""
SHARE = 0.5
MEASURED_AT_ONCE = 256


def nearest_count(texts: int) -> int:
    """How many of a bank's texts count: `NEAREST` of 10,000, in proportion, at least 1."""
    return max(1, round(NEAREST * texts / 10_000))


def hubness(
    vectors: Float[Tensor, "N D"], questions: Float[Tensor, "R D"], count: int
) -> Float[Tensor, " N"]:
    r"""Half the mean similarity of each image with the `count` reference questions nearest to it.

        h_i = 1/2 mean_{r in top(i)} F_i . q_r

    q_r is what a reference text asks with. Taken off every similarity with a text, so that an image
    that is near to many texts doesn't stand before those that are near to one. Source:
    nearest-neighbour normalisation, Chowdhury et al., EMNLP 2024.  0 for an empty bank.
    """
    if len(questions) == 0:
        return vectors.new_zeros(len(vectors))
    kept = min(count, len(questions))
    parts = [
        (part @ questions.mT).topk(kept, dim=1).values.mean(dim=1)
        for part in torch.split(vectors, MEASURED_AT_ONCE)
    ]
    return SHARE * torch.cat(parts)
