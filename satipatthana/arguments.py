"""What is asked of arguments. Errors are one line: the name, what was expected, what came."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor


def require_at_least(name: str, value: int | float, low: int | float) -> None:
    """ValueError where `value` is below `low`, or is no number."""
    if not value >= low:
        raise ValueError(f"{name}: expected at least {low}, got {value}")


def require_between(name: str, value: int | float, low: int | float, high: int | float) -> None:
    """ValueError where `value` is outside [`low`, `high`]."""
    if not low <= value <= high:
        raise ValueError(f"{name}: expected {low} to {high}, got {value}")


def require_inside(name: str, value: int | float, low: int | float, high: int | float) -> None:
    """ValueError where `value` is outside the open interval (`low`, `high`)."""
    if not low < value < high:
        raise ValueError(f"{name}: expected above {low} and below {high}, got {value}")


def require_choice(name: str, value: object, choices: Collection[Any]) -> None:
    """ValueError where `value` is none of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(str, choices))}, got {value!r}")


def require_batch(name: str, batch: Tensor, sample_shape: Sequence[int]) -> None:
    """ValueError where `batch` is not one sample or more of `sample_shape`, all of them finite."""
    wanted = ", ".join(["B", *map(str, sample_shape)])
    if tuple(batch.shape[1:]) != tuple(sample_shape) or batch.dim() != len(sample_shape) + 1:
        raise ValueError(f"{name}: expected the shape ({wanted}), got {tuple(batch.shape)}")
    if len(batch) == 0:
        raise ValueError(f"{name}: expected one sample or more, got an empty batch")
    # One pass through the numbers; a sum may also overflow, so only the second look decides.
    suspicious = batch.is_floating_point() and not bool(torch.isfinite(batch.sum()))
    if suspicious and not bool(torch.isfinite(batch).all()):
        found = int((~torch.isfinite(batch.flatten(1))).any(dim=1).nonzero()[0])
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity in sample {found}")


def require_length(name: str, values: Sequence[Any] | Tensor, length: int) -> None:
    """ValueError where `values` is not `length` long."""
    if len(values) != length:
        raise ValueError(f"{name}: expected {length} entries, got {len(values)}")
