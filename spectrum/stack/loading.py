"""Which stack refines an encoder's vectors, and how much of it a budget allows."""

from pathlib import Path

from spectrum.encoders.protocol import EncoderIdentity
from spectrum.stack.protocol import Refiner

BUDGETS = ("none", "fast", "balanced", "best")
"""Names of budgets; a number of milliseconds an image is one too."""

DEFAULT_BUDGET = "best"

SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "stack.safetensors"
"""The stack of the embedded encoder."""


def checked_budget(budget: str) -> str:
    """The budget as it was given; ValueError if it is none."""
    if budget in BUDGETS:
        return budget
    try:
        if float(budget) > 0:
            return budget
    except ValueError:
        pass
    raise ValueError(
        f"'{budget}' is no budget: choose one of {', '.join(BUDGETS)}, or milliseconds an image"
    )


def load_refiner(encoder: EncoderIdentity, budget: str) -> Refiner | None:
    """The stack for this encoder within the budget; None if none was trained, or none is wanted.

    Raises ModelUnavailableError for a stack that is there and cannot be read.
    """
    checked_budget(budget)
    if budget == "none" or encoder_of(SHIPPED) != encoder.fingerprint:
        return None
    # torch takes a second to import, which only a run that refines has to wait for.
    from spectrum.stack.refiner import StackRefiner
    from spectrum.stack.weight_file import load_stack

    return StackRefiner(load_stack(SHIPPED))


def encoder_of(path: Path) -> str | None:
    """The fingerprint of the encoder that a stack refines; None where there is no file."""
    if not path.is_file():
        return None
    from safetensors import safe_open

    with safe_open(path, framework="np") as opened:
        said: dict[str, str] = opened.metadata() or {}
    return said.get("encoder")
