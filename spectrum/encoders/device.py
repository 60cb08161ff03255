"""Which device a torch model runs on."""

import os
from typing import TYPE_CHECKING

from spectrum.encoders.protocol import ModelUnavailableError

if TYPE_CHECKING:
    import torch

ENVIRONMENT_VARIABLE = "SPECTRUM_DEVICE"


def wanted_device() -> str:
    """What SPECTRUM_DEVICE asks for now, such as `cpu` or `cuda:1`; empty where it asks nothing."""
    return os.environ.get(ENVIRONMENT_VARIABLE, "").strip()


def torch_device(wanted: str) -> "torch.device":
    """The device called `wanted`; if empty, CUDA where there is one, else the CPU.

    Raises ModelUnavailableError if there is no such device here.
    """
    import torch

    if not wanted:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # torch asserts that it was built for the device
        raise ModelUnavailableError(
            f"{ENVIRONMENT_VARIABLE}='{wanted}' is no device of this machine:"
            " set it to cpu, to cuda, or not at all"
        ) from None
    return device
