"""What PRISM asks of its arguments. Torch would broadcast, and return a wrong number."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def require_neighbourhoods(
    features: Float[Tensor, "B M D"], member_mask: Bool[Tensor, "B M"], width: int
) -> None:
    """ValueError unless there is an anchor, it is real, and the mask says so of every member."""
    if features.numel() == 0:
        raise ValueError(
            f"features is empty, shape {tuple(features.shape)}: give at least one anchor, itself "
            f"its first member"
        )
    if features.shape[-1] != width:
        raise ValueError(
            f"features have width {features.shape[-1]}, this PRISM was built for {width}"
        )
    if member_mask.shape != features.shape[:2]:
        raise ValueError(
            f"member_mask has shape {tuple(member_mask.shape)} and features "
            f"{tuple(features.shape)}: give one flag a member"
        )
    if not bool(member_mask[:, 0].all()):
        lost = int((~member_mask[:, 0]).nonzero()[0])
        raise ValueError(
            f"member_mask hides the anchor of neighbourhood {lost}: member 0 is the image itself"
        )


def require_pairs(first: Tensor, first_name: str, second: Tensor, second_name: str) -> None:
    """ValueError unless both hold at least one row, and as many."""
    if first.shape[:-1] != second.shape[:-1]:
        raise ValueError(
            f"{first_name} has shape {tuple(first.shape)} and {second_name} "
            f"{tuple(second.shape)}: give one row of each an image"
        )
    if first.numel() == 0:
        raise ValueError(
            f"{first_name} is empty, shape {tuple(first.shape)}: give at least one row"
        )


def require_shape(tensor: Tensor, name: str, shape: tuple[int, ...]) -> None:
    """ValueError unless the tensor has that shape."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")


def require_not_negative(number: float, name: str) -> None:
    """ValueError unless the number is 0 or above; nan is not."""
    if not number >= 0.0:
        raise ValueError(f"{name} must not be below 0, got {number}")


def lowest(dtype: torch.dtype) -> float:
    """A logit whose weight is 0 beside any other, and which never makes a nan as -inf does."""
    return torch.finfo(dtype).min / 4
