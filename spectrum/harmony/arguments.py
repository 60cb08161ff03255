"""What the equations ask of their arguments. Torch would broadcast, and return a wrong number."""

from jaxtyping import Float
from torch import Tensor


def require_items(tensor: Tensor, name: str) -> None:
    """Raises ValueError where there is nothing to take a mean of."""
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty, shape {tuple(tensor.shape)}: give at least one item")


def require_same_shape(first: Tensor, first_name: str, second: Tensor, second_name: str) -> None:
    """Raises ValueError unless both have one shape that holds at least one item."""
    if first.shape != second.shape:
        raise ValueError(
            f"{first_name} has shape {tuple(first.shape)} and {second_name} "
            f"{tuple(second.shape)}: give both the same shape"
        )
    require_items(first, first_name)


def require_positive(number: float | Float[Tensor, ""], name: str = "temperature") -> None:
    """Raises ValueError unless the number is above 0; nan is not."""
    value = number.item() if isinstance(number, Tensor) else number
    if not value > 0.0:
        raise ValueError(f"{name} must be above 0, got {value}")
