"""How far a library is refined, and how old its bank is."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from indexer.banks import current_bank, member_ids, refined_ids
from indexer.catalogue import Catalogue
from indexer.records import SpaceRow
from indexer.schema import Content


@dataclass(frozen=True, kw_only=True)
class RefinementStatus:
    """How far a library's pictures are refined, and how old their bank is."""

    version: int
    """Of the bank."""
    budget: str
    """By which the stack was chosen."""
    bank_size: int
    """Members when it was made."""
    made_at: str
    """ISO 8601, UTC."""
    refined: int
    """Pictures that can be searched, and are refined over the bank."""
    unrefined: int
    """Pictures that can be searched, by their base vectors."""
    added: int
    """Pictures that came after the bank was made."""
    removed: int
    """Members that were deleted from the library since."""


def refinement_status(catalogue: Catalogue, space: SpaceRow) -> RefinementStatus | None:
    """None while nothing is refined."""
    bank = current_bank(catalogue, space.id)
    if bank is None:
        return None
    searchable = catalogue.searchable_ids(space.id)
    refined = np.intersect1d(searchable, refined_ids(catalogue, bank), assume_unique=True)
    later = select(Content.id).where(Content.added_at > bank.created_at)
    with catalogue.reading() as session:
        added = np.fromiter(session.scalars(later), dtype=np.int64)
    return RefinementStatus(
        version=bank.version,
        budget=bank.budget,
        bank_size=bank.size,
        made_at=bank.created_at.isoformat(timespec="seconds"),
        refined=len(refined),
        unrefined=len(searchable) - len(refined),
        added=len(np.intersect1d(searchable, added, assume_unique=True)),
        removed=bank.size - len(member_ids(catalogue, bank)),
    )
