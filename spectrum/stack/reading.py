"""What a stack reads off every image of a material."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from spectrum.stack.material import View
from spectrum.stack.neighbourhoods import Neighbourhoods
from spectrum.stack.stack import Readings, Stack

READ_AT_ONCE = 250
"""Images that are read together where no gradient is wanted: bounds the memory."""


class Bank(NamedTuple):
    """The training images as their neighbours see them."""

    local: Float[Tensor, "N D"]
    prompts: Float[Tensor, "N S"]
    found: Neighbourhoods


@torch.no_grad()
def read(
    stack: Stack,
    view: View,
    pooled: Float[Tensor, "N P"] | None = None,
    own: Int64[Tensor, " N"] | None = None,
) -> tuple[Float[Tensor, "N D"], Readings]:
    """F~ of every image, and what each module says of it alone, in evaluation."""
    mode = stack.training
    stack.eval()
    local, told = [], []
    for rows in view.blocks(READ_AT_ONCE):
        features = view.vectors(rows)
        readings = stack.readings(features, view.grids(rows, pooled, own))
        local.append(stack.local(features, readings))
        told.append(readings)
    stack.train(mode)
    return torch.cat(local), Readings(*(torch.cat(each) for each in zip(*told, strict=True)))
