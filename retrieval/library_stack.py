"""Which stack refines a library's vectors: named now, named once and remembered, or shipped."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.catalogue import Catalogue
from indexer.errors import LibraryError
from indexer.stacks import StackFile, choose_stack, chosen_stack
from spectrum.encoders.protocol import EncoderIdentity
from spectrum.stack.protocol import Refiner

if TYPE_CHECKING:
    from indexer.banks import BankRow
    from spectrum.stack.lexicon import Lexicon

SHIPPED = "shipped"
"""In place of a file: the encoder's own stack, as it came with Spectrum."""


def stack_file(
    catalogue: Catalogue, encoder: EncoderIdentity, named: str | None
) -> StackFile | None:
    """The file that is `named`, or else remembered; None for what ships.

    Raises ModelUnavailableError where a named file is gone, damaged or of another encoder.
    """
    if named is None:
        return chosen_stack(catalogue, encoder.fingerprint)
    if named == SHIPPED:
        return None
    from spectrum.stack.loading import named_stack

    path = Path(os.path.abspath(os.path.expanduser(named)))
    return StackFile(path=str(path), weights_hash=named_stack(encoder, path))


def remember_stack(catalogue: Catalogue, encoder: EncoderIdentity, named: str | None) -> None:
    """Makes what is named the library's own; without a name nothing changes. Errors as above."""
    if named is not None:
        choose_stack(catalogue, encoder.fingerprint, stack_file(catalogue, encoder, named))


def library_budget(catalogue: Catalogue) -> str:
    """By which a library's pictures are refined; of one that never was, the default."""
    from indexer.banks import newest_bank
    from spectrum.stack.loading import DEFAULT_BUDGET

    space = catalogue.space()
    bank = newest_bank(catalogue, space.id) if space else None
    return bank.budget if bank else DEFAULT_BUDGET


def library_refiner(
    catalogue: Catalogue, encoder: EncoderIdentity, budget: str, named: str | None
) -> Refiner | None:
    """What refines this encoder's vectors within the budget; None if nothing does.

    Raises ModelUnavailableError where the stack cannot be had as it was named, in a line.
    """
    from spectrum.stack.loading import load_named_refiner, load_refiner

    stack = stack_file(catalogue, encoder, named)
    if stack is None:
        return load_refiner(encoder, budget)
    return load_named_refiner(encoder, budget, Path(stack.path), stack.weights_hash)


def bank_lexicon(
    catalogue: Catalogue, encoder: EncoderIdentity, bank: "BankRow | None"
) -> "Lexicon | None":
    """What words look like among the vectors of a bank; None where its stack never learned it.

    None too where the stack's file is gone or another one: words then ask by their sentence alone.
    """
    if bank is None:
        return None
    from spectrum.stack.loading import SHIPPED as shipped
    from spectrum.stack.loading import lexicon_behind

    chosen = chosen_stack(catalogue, encoder.fingerprint)
    return lexicon_behind(shipped if chosen is None else Path(chosen.path), bank.stack)


def required_refiner(refiner: Refiner | None, encoder: str, budget: str) -> Refiner:
    """The refiner; LibraryError if there is none for this encoder's vectors and this budget."""
    if refiner is None:
        raise LibraryError(
            f"nothing refines vectors of '{encoder}' with the budget '{budget}': this library is"
            " searched by the encoder's own vectors"
        )
    return refiner
