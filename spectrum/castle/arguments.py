"""What CASTLE asks of its arguments. Torch would broadcast, and return a wrong number."""

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
            f"features have width {features.shape[-1]}, this CASTLE was built for {width}"
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


def require_shape(tensor: Tensor, name: str, shape: tuple[int, ...]) -> None:
    """ValueError unless the tensor has that shape."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")


def require_positive(number: float, name: str) -> None:
    """ValueError unless the number is above 0; nan is not."""
    if not number > 0.0:
        raise ValueError(f"{name} must be above 0, got {number}")


def require_share(number: float, name: str) -> None:
    """ValueError unless the number lies between 0 and 1, neither included."""
    if not 0.0 < number < 1.0:
        raise ValueError(f"{name} must be above 0 and below 1, got {number}")


def lowest(dtype: torch.dtype) -> float:
    """A logit whose weight is 0 beside any other, and which never makes a nan as -inf does."""
    return torch.finfo(dtype).min / 4
