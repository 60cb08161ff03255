"""How a library stands: counts of files by state, and what it is made with."""

from dataclasses import dataclass
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.refinement_status import RefinementStatus, refinement_status
from indexer.stacks import StackFile, chosen_stack
from spectrum.encoders import EncoderIdentity


@dataclass(frozen=True, kw_only=True)
class LibraryStatus:
    """How a library stands."""

    folder: str
    encoder: EncoderIdentity | None
    """None while nothing was indexed."""
    present: int
    """Files that can be found."""
    images: int
    """Distinct pictures among them."""
    missing: int
    deleted: int
    failed: int
    roots: tuple[str, ...]
    bytes: int
    """Size of the library on disk."""
    refinement: RefinementStatus | None = None
    """None while nothing is refined."""
    stack: StackFile | None = None
    """The stack of the user's own that pictures are refined by; None: the encoder's, if it has
    one."""


def library_status(folder: Path, catalogue: Catalogue) -> LibraryStatus:
    """How the library in `folder` stands, by its catalogue."""
    counts = catalogue.state_counts()
    space = catalogue.space()
    return LibraryStatus(
        folder=str(folder),
        encoder=space.identity if space else None,
        present=counts.get("present", 0),
        images=len(catalogue.searchable_ids(space.id)) if space else 0,
        missing=counts.get("missing", 0),
        deleted=counts.get("deleted", 0),
        failed=counts.get("failed", 0),
        roots=tuple(sorted(catalogue.roots())),
        bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        refinement=refinement_status(catalogue, space) if space else None,
        stack=chosen_stack(catalogue, space.fingerprint) if space else None,
    )
