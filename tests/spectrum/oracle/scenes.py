"""Random boxes and objects of the tests of ORACLE, and its networks as plain loops."""

from collections.abc import Callable

import torch
from torch import Tensor

from tests.spectrum.harmony.vectors import unit
from tests.spectrum.nexus.grids import looped_layers, looped_projection, tensor, unsettled

__all__ = ["boxes", "flags", "looped_layers", "looped_projection", "scene", "tensor", "unsettled"]

Network = Callable[[Tensor], Tensor]


def boxes(*shape: int, seed: int) -> Tensor:
    """Random boxes with an area, inside the frame."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(*shape, 2, 2, dtype=torch.float64, generator=generator)
    starts, ends = corners.amin(dim=-2), corners.amax(dim=-2)
    return torch.cat([starts * 0.9, 0.1 + ends * 0.9], dim=-1)


def flags(*rows: str) -> Tensor:
    """A mask, written as rows of 1 and 0."""
    return torch.tensor([[letter == "1" for letter in row] for row in rows])


def scene(
    anchors: int = 2, members: int = 3, objects: int = 5, width: int = 7
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Objects, the anchor's boxes, flags that are all True, and features."""
    return (
        unit(anchors, members, objects, width, seed=1),
        boxes(anchors, objects, seed=2),
        torch.ones(anchors, members, objects, dtype=torch.bool),
        unit(anchors, width, seed=3),
    )
