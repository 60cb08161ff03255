"""Neighbourhoods of images among vectors held in memory: what training and benchmarks look at."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

SEARCHED_AT_ONCE = 1024


class Neighbourhoods(NamedTuple):
    """The members of each anchor's neighbourhood, the anchor apart."""

    rows: Int64[Tensor, "N K"]
    """Rows of the bank, the nearest first; 0 where there is none."""
    mask: Bool[Tensor, "N K"]
    """True = a real neighbour."""


def nearest(
    anchors: Float[Tensor, "N D"],
    bank: Float[Tensor, "R D"],
    count: int,
    own: Int64[Tensor, " N"] | None = None,
) -> Neighbourhoods:
    """The `count` rows of the bank most like each anchor by inner product; ties by lower row.

    `own` names the bank's row that is the anchor itself, -1 for none: it is left out.
    """
    kept = min(count, len(bank))
    rows = torch.zeros(len(anchors), count, dtype=torch.int64)
    mask = torch.zeros(len(anchors), count, dtype=torch.bool)
    if kept < 1:
        return Neighbourhoods(rows, mask)
    for start in range(0, len(anchors), SEARCHED_AT_ONCE):
        part = slice(start, start + SEARCHED_AT_ONCE)
        similarities = anchors[part] @ bank.mT
        if own is not None:
            held = own[part] >= 0
            similarities[held, own[part][held]] = -torch.inf
        order = similarities.sort(dim=1, descending=True, stable=True)
        real = order.values[:, :kept].isfinite()
        rows[part, :kept] = order.indices[:, :kept].where(real, 0)
        mask[part, :kept] = real
    return Neighbourhoods(rows, mask)


def gathered(
    anchors: Float[Tensor, "N D"], bank: Float[Tensor, "R D"], found: Neighbourhoods
) -> Float[Tensor, "N M D"]:
    """Anchors with the bank's vectors of their neighbours behind them."""
    return torch.cat([anchors[:, None], bank[found.rows]], dim=1)


def member_mask(found: Neighbourhoods) -> Bool[Tensor, "N M"]:
    """The mask of `gathered`: the anchor is always real."""
    return torch.cat([torch.ones_like(found.mask[:, :1]), found.mask], dim=1)
