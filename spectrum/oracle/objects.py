"""ORACLE 4.1: what the objects of an image look like, and the image as made of them."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spectrum.arguments import require_shape
from spectrum.oracle.arguments import masked_softmax, require_boxes


def covered(
    starts: Float[Tensor, "B K"], ends: Float[Tensor, "B K"], cells: int
) -> Float[Tensor, "B K P"]:
    """How much of each of `cells` equal parts of [0, 1] an interval covers, in parts."""
    edges = torch.arange(cells + 1, dtype=starts.dtype, device=starts.device)
    over = torch.minimum(ends[..., None] * cells, edges[1:])
    under = torch.maximum(starts[..., None] * cells, edges[:-1])
    return (over - under).clamp(min=0.0)


def box_means(
    grid: Float[Tensor, "B Y X C"], boxes: Float[Tensor, "B K 4"]
) -> Float[Tensor, "B K C"]:
    """The mean of the tokens under each box, each token by the area that the box has of its cell.

    Exact for any box, also one smaller than a cell; a box without area sees nothing, and is 0.
    """
    down = covered(boxes[..., 1], boxes[..., 3], grid.shape[1])
    right = covered(boxes[..., 0], boxes[..., 2], grid.shape[2])
    area = down.sum(dim=-1) * right.sum(dim=-1)
    total = torch.einsum("bky,bkx,byxc->bkc", down, right, grid)
    return total / torch.where(area > 0, area, torch.ones_like(area))[..., None]


def object_features(
    grid: Float[Tensor, "B Y X C"],
    boxes: Float[Tensor, "B K 4"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B K D"]:
    r"""What each object of an image looks like.

    ORACLE 4.1a:  O_k = f_obj(I, b_k)

        paper    here       shape
        I        grid       B Y X C    the image as its encoder's tokens
        b        boxes      B K 4      shares of the frame
        f_obj    network    B K C -> B K D, of the mean of the tokens under the box
        O        returned   B K D

    ValueError for boxes that are not inside the frame or not of these images.
    Departure: none. f_obj is read as pooling over the region, then a network.
    Reference loop: tests/references/oracle.py
    """
    require_boxes(boxes, len(grid))
    return network(box_means(grid, boxes))


def object_attention(
    queries: Float[Tensor, "B K D"], keys: Float[Tensor, "B K D"], object_mask: Bool[Tensor, "B K"]
) -> Float[Tensor, "B K K"]:
    r"""How each object of an image spreads its attention over the image's objects.

    ORACLE 4.1b:  A_kl = softmax_l( Q_k . K_l / sqrt(d) )

        paper   here          shape
        Q       queries       B K D
        K       keys          B K D
        d       D
                object_mask   B K      True = a real object; another has weight 0 in every row
        A       returned      B K K    rows sum to 1, or are 0 where no object is real

    ValueError where the mask has another shape.
    Departure: none.  Reference loop: tests/references/oracle.py
    """
    require_shape(object_mask, "object_mask", tuple(queries.shape[:2]))
    products: Tensor = queries @ keys.mT
    logits = products / math.sqrt(queries.shape[-1])
    return masked_softmax(logits, object_mask[:, None].expand_as(logits))


def hierarchical_features(
    features: Float[Tensor, "B D"],
    objects: Float[Tensor, "B K D"],
    weights: Float[Tensor, "B K"],
    image_share: float | Float[Tensor, ""],
) -> Float[Tensor, "B D"]:
    r"""The image as a whole and as made of its objects, together.

    ORACLE 4.1c:  F_hier = alpha F_img + (1 - alpha) sum_k w_k O_k

        paper    here          shape
        F_img    features      B D
        O        objects       B K D
        w        weights       B K    importance; sums to 1, or is 0 where there is no object
        alpha    image_share   in [0, 1]; a number, or learned
        F_hier   returned      B D

    ValueError where there is not one weight an object.
    Departure: none. The paper says nothing of an image without objects: it stays F_img.
    Reference loop: tests/references/oracle.py
    """
    require_shape(weights, "weights", tuple(objects.shape[:2]))
    made_of = torch.einsum("bk,bkd->bd", weights, objects)
    joined = image_share * features + (1 - image_share) * made_of
    return torch.where((weights != 0).any(dim=-1, keepdim=True), joined, features)
