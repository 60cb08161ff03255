"""Which stack refines an encoder's vectors, and how much of it a budget allows."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from spectrum.encoders.protocol import EncoderIdentity, ModelUnavailableError
from spectrum.stack.protocol import Refiner
from spectrum.stack.selection import known_profile, modules_within

BUDGETS = ("none", "fast", "balanced", "best")
"""Names of budgets; a number of milliseconds an image is one too."""

DEFAULT_BUDGET = "best"

METADATA = "spectrum"
"""The key under which a weight file says what it is, as JSON."""

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

    trained = load_stack(SHIPPED)
    profile = None if budget == "best" else known_profile(SHIPPED, trained.weights_hash)
    return StackRefiner(trained, modules_within(budget, profile))


def load_subsets(encoder: EncoderIdentity) -> Callable[[tuple[str, ...]], Refiner]:
    """Gives the refiner of any subset of the modules, which is how they are measured.

    Raises ModelUnavailableError where no stack was trained for this encoder, or it is damaged.
    """
    if encoder_of(SHIPPED) != encoder.fingerprint:
        raise ModelUnavailableError(
            f"no stack was trained for the encoder {encoder.name}: train one with 'spectrum train'"
        )
    from spectrum.stack.refiner import StackRefiner
    from spectrum.stack.weight_file import load_stack

    return partial(StackRefiner, load_stack(SHIPPED))


def encoder_of(path: Path) -> str | None:
    """The fingerprint of the encoder that a stack refines; None where there is no file.

    Raises ModelUnavailableError for a damaged file.
    """
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            said = json.loads((opened.metadata() or {})[METADATA])
        return str(said["encoder"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelUnavailableError(f"{path}: not a readable stack ({error})") from error
