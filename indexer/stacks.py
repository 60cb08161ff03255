"""The stack of the user's own that a library is refined by, in the library's database."""

from dataclasses import dataclass

from indexer.catalogue import Catalogue
from indexer.schema import ChosenStack


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A trained stack, as `spectrum train` wrote it."""

    path: str
    """Absolute."""
    weights_hash: str
    """BLAKE2b-128 of the file when it was named, in hexadecimal."""


def chosen_stack(catalogue: Catalogue, encoder: str) -> StackFile | None:
    """The stack that was named for the encoder of this fingerprint; None if none ever was."""
    with catalogue.reading() as session:
        row = session.get(ChosenStack, encoder)
        return None if row is None else StackFile(path=row.path, weights_hash=row.weights_hash)


def choose_stack(catalogue: Catalogue, encoder: str, stack: StackFile | None) -> None:
    """Remembers the stack for this encoder; None forgets the one that was named."""
    with catalogue.writing() as session:
        row = session.get(ChosenStack, encoder)
        if row is not None:
            session.delete(row)
            session.flush()
        if stack is not None:
            session.add(
                ChosenStack(encoder=encoder, path=stack.path, weights_hash=stack.weights_hash)
            )
