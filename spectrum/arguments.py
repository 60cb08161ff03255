"""What equations and modules ask of their arguments. Torch would broadcast, and return a wrong
number."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def require_items(tensor: Tensor, name: str) -> None:
    """ValueError where there is nothing to take a mean of."""
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty, shape {tuple(tensor.shape)}: give at least one item")


def require_shape(tensor: Tensor, name: str, shape: tuple[int, ...]) -> None:
    """ValueError unless the tensor has that shape."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")


def require_same_shape(first: Tensor, first_name: str, second: Tensor, second_name: str) -> None:
    """ValueError unless both have one shape that holds at least one item."""
    if first.shape != second.shape:
        raise ValueError(
            f"{first_name} has shape {tuple(first.shape)} and {second_name} "
            f"{tuple(second.shape)}: give both the same shape"
        )
    require_items(first, first_name)


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


def require_neighbourhoods(
    features: Float[Tensor, "B M D"], member_mask: Bool[Tensor, "B M"], width: int, module: str
) -> None:
    """ValueError unless there is an anchor, it is real, and the mask says so of every member."""
    if features.numel() == 0:
        raise ValueError(
            f"features is empty, shape {tuple(features.shape)}: give at least one anchor, itself "
            f"its first member"
        )
    if features.shape[-1] != width:
        raise ValueError(
            f"features have width {features.shape[-1]}, this {module} was built for {width}"
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


def require_grid(grid: Float[Tensor, "B Y X C"], width: int, module: str) -> None:
    """ValueError unless there is a token, and tokens have that width."""
    if grid.numel() == 0:
        raise ValueError(
            f"grid is empty, shape {tuple(grid.shape)}: give at least one image with one token"
        )
    if grid.shape[-1] != width:
        raise ValueError(f"tokens have width {grid.shape[-1]}, this {module} was built for {width}")


def require_positive(number: float | Float[Tensor, ""], name: str = "temperature") -> None:
    """ValueError unless the number is above 0; nan is not."""
    value = number.item() if isinstance(number, Tensor) else number
    if not value > 0.0:
        raise ValueError(f"{name} must be above 0, got {value}")


def require_not_negative(number: float, name: str) -> None:
    """ValueError unless the number is 0 or above; nan is not."""
    if not number >= 0.0:
        raise ValueError(f"{name} must not be below 0, got {number}")


def require_share(number: float, name: str) -> None:
    """ValueError unless the number lies between 0 and 1, neither included."""
    if not 0.0 < number < 1.0:
        raise ValueError(f"{name} must be above 0 and below 1, got {number}")


def lowest(dtype: torch.dtype) -> float:
    """A logit whose weight is 0 beside any other, and which never makes a nan as -inf does."""
    return torch.finfo(dtype).min / 4
