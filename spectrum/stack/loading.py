"""Which stack refines an encoder's vectors, and how much of it a budget allows."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from spectrum.encoders.protocol import EncoderIdentity, ModelUnavailableError
from spectrum.stack.lexicon import Lexicon, load_lexicon
from spectrum.stack.protocol import Refiner, StackIdentity
from spectrum.stack.selection import known_profile, module_subsets, modules_within
from spectrum.stack.weight_names import METADATA, stack_hash

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
    return _within(budget, SHIPPED)


def load_named_refiner(
    encoder: EncoderIdentity, budget: str, stack: Path, weights_hash: str
) -> Refiner | None:
    """A stack of the user's own within the budget; None for `none`.

    Raises ModelUnavailableError where the file is not the stack of this hash any more, or of
    another encoder, or damaged.
    """
    checked_budget(budget)
    if budget == "none":
        return None
    if named_stack(encoder, stack) != weights_hash:
        raise ModelUnavailableError(
            f"{stack}: it is not the stack any more that this library remembers"
            f" ({weights_hash[:8]}): 'spectrum refine --stack FILE' refines anew by it, or another"
        )
    return _within(budget, stack)


def _within(budget: str, stack: Path) -> Refiner:
    # torch takes a second to import, which only a run that refines has to wait for.
    from spectrum.stack.refiner import StackRefiner
    from spectrum.stack.weight_file import load_stack

    trained = load_stack(stack)
    profile = None if budget == "best" else known_profile(stack, trained.weights_hash)
    return StackRefiner(trained, modules_within(budget, profile))


def load_subsets(
    encoder: EncoderIdentity, stack: Path | None = None
) -> Callable[[tuple[str, ...]], Refiner]:
    """Gives the refiner of any subset of the modules, which is how they are measured.

    Of the `stack` in a file, by default of the one that ships. Raises ModelUnavailableError where
    no stack was trained for this encoder, or it is damaged.
    """
    if stack is not None:
        named_stack(encoder, stack)
    elif encoder_of(SHIPPED) != encoder.fingerprint:
        raise ModelUnavailableError(
            f"no stack was trained for the encoder {encoder.name}: train one with 'spectrum train'"
        )
    from spectrum.stack.refiner import StackRefiner
    from spectrum.stack.weight_file import load_stack

    return partial(StackRefiner, load_stack(stack or SHIPPED))


def named_stack(encoder: EncoderIdentity, stack: Path) -> str:
    """The hash of a stack's file: BLAKE2b-128, in hexadecimal.

    Raises ModelUnavailableError where there is none, or it is damaged or of another encoder.
    """
    trained_for = encoder_of(stack)
    if trained_for is None:
        raise ModelUnavailableError(
            f"{stack}: there is no such file: name the stack with --stack FILE, or '--stack"
            " shipped' for the encoder's own; '--budget none' refines nothing"
        )
    if trained_for != encoder.fingerprint:
        raise ModelUnavailableError(
            f"{stack} refines vectors of another encoder than {encoder.name}: train a stack for it"
            f" with 'spectrum train --encoder {encoder.name}'"
        )
    return stack_hash(stack.read_bytes())


def encoder_of(path: Path) -> str | None:
    """The fingerprint of the encoder that a stack refines; None where there is no file.

    Raises ModelUnavailableError for a damaged file.
    """
    return str(_said(path)["encoder"]) if path.is_file() else None


def lexicon_behind(stack: Path, fingerprint: str) -> Lexicon | None:
    """What words look like among vectors that were refined by the stack of this fingerprint.

    None where the file has no lexicon, or is not that stack, or not any more: then a text asks by
    its sentence alone. Imports no torch.
    """
    try:
        said, weights_hash = _said(stack), stack_hash(stack.read_bytes())
    except (ModelUnavailableError, OSError):
        return None
    known = (
        StackIdentity(
            encoder=said["encoder"],
            weights_hash=weights_hash,
            modules=modules,
            neighbours=said["config"]["neighbours"],
        )
        for modules in module_subsets()
    )
    if fingerprint not in {identity.fingerprint for identity in known}:
        return None
    return load_lexicon(stack)


def _said(path: Path) -> dict[str, Any]:
    """What a stack's file says of itself. ModelUnavailableError for a damaged one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            said: dict[str, Any] = json.loads((opened.metadata() or {})[METADATA])
        _ = said["encoder"], said["config"]
        return said
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelUnavailableError(f"{path}: not a readable stack ({error})") from error
