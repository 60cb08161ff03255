"""ORACLE 4.2: a branch of objects, a branch of their relations, and what they tell each other."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import require_shape
from spectrum.oracle.arguments import require_boxes

RELATIONS = 7
"""Numbers of `pair_relations`: likeness, place of two, size of two, overlap, itself."""
LEAST_SIDE = 1e-3
"""Sides of a box below this share of the frame count as this, so that ratios stay finite."""


def pair_relations(
    objects: Float[Tensor, "B K D"], boxes: Float[Tensor, "B K 4"]
) -> Float[Tensor, "B K K 7"]:
    """R_kl of ORACLE 4.2b: how object l stands to object k, by itself and in the frame.

    In order: cosine of the two, how far l's middle lies right and below of k's in k's sides (the
    logarithm of 1 + that, with its sign), the logarithms of l's sides over k's, intersection over
    union, and 1 where l is k. Nothing changes when the frame is scaled.
    """
    units = functional.normalize(objects, dim=-1)
    likeness: Tensor = units @ units.mT
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=LEAST_SIDE)
    middles = (boxes[..., 2:] + boxes[..., :2]) / 2
    apart = (middles[:, None] - middles[:, :, None]) / sides[:, :, None]
    larger = sides[:, None].log() - sides[:, :, None].log()
    itself = torch.eye(objects.shape[1], dtype=objects.dtype, device=objects.device)
    return torch.cat(
        [
            likeness[..., None],
            apart.sign() * apart.abs().log1p(),
            larger,
            overlaps(boxes)[..., None],
            itself.expand_as(likeness)[..., None],
        ],
        dim=-1,
    )


def overlaps(boxes: Float[Tensor, "B K 4"]) -> Float[Tensor, "B K K"]:
    """Intersection over union of each two boxes of an image; 0 where neither has an area."""
    starts = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    ends = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (ends - starts).clamp(min=0.0).prod(dim=-1)
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
    either = areas[:, :, None] + areas[:, None] - shared
    return shared / torch.where(either > 0, either, torch.ones_like(either))


def object_branch(
    objects: Float[Tensor, "B K D"],
    attention: Float[Tensor, "B K K"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B K D"]:
    r"""What an image's objects say of each of them.

    ORACLE 4.2a:  B_obj = f_obj( {O_1, ..., O_K} ),   here  B_obj,k = network( sum_l A_kl O_l )

        paper   here        shape
        O       objects     B K D
        A       attention   B K K    of 4.1b
        f_obj   network     B K D -> B K D, after attention has joined the objects
        B_obj   returned    B K D

    ValueError where the attention is not of these objects.
    Departure: none. A function of a set is read as attention among its members, then a network.
    Reference loop: tests/references/oracle.py
    """
    require_shape(attention, "attention", (*objects.shape[:2], objects.shape[1]))
    return network(attention @ objects)


def relation_branch(
    relations: Float[Tensor, "B K K P"],
    object_mask: Bool[Tensor, "B K"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B K R"]:
    r"""What an object's relations to the image's objects, itself among them, say of it.

    ORACLE 4.2b:  B_rel = f_rel( {R_kl | 1 <= k, l <= K} ),   here  B_rel,k = mean_l network(R_kl)

        paper   here          shape
        R       relations     B K K P    by `pair_relations`, or any other
                object_mask   B K        True = a real object; the mean is over these
        f_rel   network       B K K P -> B K K R
        B_rel   returned      B K R      0 where no object is real

    ValueError where the mask is not of these objects.
    Departure: none. A function of a set is read as a network of each member, then the mean.
    Reference loop: tests/references/oracle.py
    """
    require_shape(object_mask, "object_mask", tuple(relations.shape[:2]))
    real = object_mask[:, None, :, None]
    said = network(relations).masked_fill(~real, 0.0)
    return said.sum(dim=2) / real.sum(dim=2).clamp(min=1)


class Branches(NamedTuple):
    """Both branches, one vector an object each."""

    objects: Float[Tensor, "B K D"]
    """B_obj."""
    relations: Float[Tensor, "B K R"]
    """B_rel."""


def exchanged_branches(
    branches: Branches,
    strengths: tuple[float | Float[Tensor, ""], float | Float[Tensor, ""]],
    networks: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]],
) -> Branches:
    r"""Both branches after each has heard the other; both from the old values.

    ORACLE 4.2c:  B_obj' = B_obj + gamma_obj FFN( [B_obj; B_rel] )
    ORACLE 4.2d:  B_rel' = B_rel + gamma_rel FFN( [B_rel; B_obj] )

        paper                  here        shape
        B_obj, B_rel           branches    B K D, B K R
        gamma_obj, gamma_rel   strengths   numbers, or learned; 0 leaves a branch as it is
        FFN                    networks    B K D+R -> B K D, and B K R+D -> B K R

    ValueError where a network does not make its branch's shape.
    Departure: none.  Reference loop: tests/references/oracle.py
    """
    made = []
    for own, other, strength, network in zip(
        branches, branches[::-1], strengths, networks, strict=True
    ):
        told = network(torch.cat([own, other], dim=-1))
        require_shape(told, "network([B; B_other])", tuple(own.shape))
        made.append(own + strength * told)
    return Branches(*made)


def require_pairs(objects: Float[Tensor, "B K D"], boxes: Float[Tensor, "B K 4"]) -> None:
    """ValueError unless there is a box an object, inside the frame."""
    require_boxes(boxes, len(objects))
    require_shape(boxes, "boxes", (*objects.shape[:2], 4))
