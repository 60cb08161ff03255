"""Banks in the library's database: whose neighbours count, and the vectors refined over them.

A picture that is deleted from the library leaves its bank too: nothing of it is kept. Vectors that
were refined over it stay as they are, and what is refined later sees the bank without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from sqlalchemy import delete as deletion
from sqlalchemy import func, insert, select, update

from indexer.catalogue import Catalogue, chunks, one_of
from indexer.records import SpaceRow
from indexer.rows import grow, now
from indexer.schema import Bank, BankMember, RefinedVector, Space, StoredVector

HUBNESSES = 2
"""Numbers behind the vector in a row that is searched: among sentences, and among words."""

_WORD_HUBNESS = func.coalesce(RefinedVector.word_hubness, RefinedVector.hubness)


@dataclass(frozen=True, kw_only=True)
class BankRow:
    """A bank as the catalogue stores it."""

    id: int
    version: int
    """From 1, in its space."""
    stack: str
    """StackIdentity.fingerprint of what refines over it."""
    budget: str
    """By which the stack was chosen."""
    size: int
    """Members when it was made."""
    created_at: datetime
    mean_hubness: tuple[float, float]
    """Of the vectors refined over it, when it became the current one."""

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that no other bank has, of this library or of another."""
        text = f"{self.stack} {self.version} {self.created_at.isoformat()}"
        return blake2b(text.encode(), digest_size=16).hexdigest()


class RefinedRow(NamedTuple):
    """What refinement made of one content."""

    content_id: int
    vector: Float32[np.ndarray, "D"]
    hubness: tuple[float, float]
    """Among sentences, and among words by themselves."""
    neighbours: Int64[np.ndarray, "K"]
    """Members that it was refined over, ascending."""


def current_bank(catalogue: Catalogue, space_id: int) -> BankRow | None:
    """The bank that searches rank by; None while nothing is refined."""
    query = select(Bank).where(Bank.space_id == space_id, Bank.current)
    with catalogue.reading() as session:
        row = session.scalar(query)
        return None if row is None else _bank_row(row)


def newest_bank(catalogue: Catalogue, space_id: int) -> BankRow | None:
    """The bank that was begun last: the current one, or one that no run has completed."""
    newest = select(Bank).where(Bank.space_id == space_id).order_by(Bank.version.desc()).limit(1)
    with catalogue.reading() as session:
        row = session.scalar(newest)
        return None if row is None else _bank_row(row)


def begin_bank(
    catalogue: Catalogue,
    space: SpaceRow,
    *,
    stack: str,
    budget: str,
    members: Int64[np.ndarray, "N"],
) -> BankRow:
    """Makes a bank of these contents, beside the current one."""
    newest = select(func.max(Bank.version)).where(Bank.space_id == space.id)
    with catalogue.writing() as session:
        row = Bank(
            space_id=space.id,
            version=(session.scalar(newest) or 0) + 1,
            stack=stack,
            budget=budget,
            size=len(members),
            created_at=now(),
            current=False,
            mean_hubness=0.0,
            mean_word_hubness=0.0,
        )
        session.add(row)
        session.flush()
        for some in chunks(members.tolist()):
            session.execute(
                insert(BankMember), [{"content_id": id, "bank_id": row.id} for id in some]
            )
        return _bank_row(row)


def make_current(catalogue: Catalogue, space: SpaceRow, bank: BankRow) -> BankRow:
    """From now on searches rank by what was refined over this bank: all at once."""
    means = select(
        func.coalesce(func.avg(RefinedVector.hubness), 0.0),
        func.coalesce(func.avg(_WORD_HUBNESS), 0.0),
    ).where(RefinedVector.bank_id == bank.id)
    with catalogue.writing() as session:
        session.execute(update(Bank).where(Bank.space_id == space.id).values(current=False))
        row = session.get_one(Bank, bank.id)
        row.current = True
        row.mean_hubness, row.mean_word_hubness = session.execute(means).one()
        grow(session, space.id)
        return _bank_row(row)


def drop_bank(catalogue: Catalogue, bank: BankRow) -> None:
    """Deletes a bank and what was refined over it, in several short transactions."""
    for some in chunks(refined_ids(catalogue, bank).tolist()):
        with catalogue.writing() as session:
            session.execute(
                deletion(RefinedVector).where(
                    RefinedVector.content_id.in_(some), RefinedVector.bank_id == bank.id
                )
            )
    with catalogue.writing() as session:
        session.execute(deletion(BankMember).where(BankMember.bank_id == bank.id))
        session.execute(deletion(Bank).where(Bank.id == bank.id))


def superseded_banks(catalogue: Catalogue, space_id: int) -> list[BankRow]:
    """Banks that were current once."""
    current = select(Bank.version).where(Bank.space_id == space_id, Bank.current)
    query = select(Bank).where(Bank.space_id == space_id, Bank.version < current.scalar_subquery())
    with catalogue.reading() as session:
        return [_bank_row(row) for row in session.scalars(query)]


def chosen_members(
    catalogue: Catalogue, ids: Int64[np.ndarray, "N"], most: int
) -> Int64[np.ndarray, "M"]:
    """At most so many of these contents, ascending: those with the least hashes, as by lot."""
    if len(ids) <= most:
        return np.sort(ids)
    hashes = catalogue.hashes(ids.tolist())
    least = sorted(hashes, key=lambda id: hashes[id])[:most]
    return np.array(sorted(least), dtype=np.int64)


def member_ids(catalogue: Catalogue, bank: BankRow) -> Int64[np.ndarray, "N"]:
    """The bank's contents, ascending."""
    query = (
        select(BankMember.content_id)
        .where(BankMember.bank_id == bank.id)
        .order_by(BankMember.content_id)
    )
    with catalogue.reading() as session:
        return np.fromiter(session.scalars(query), dtype=np.int64)


# Refined vectors ---------------------------------------------------------------------------------


def store_refined(
    catalogue: Catalogue, space: SpaceRow, bank: BankRow, rows: Sequence[RefinedRow]
) -> None:
    """Stores vectors refined over a bank, all of them or none."""
    with catalogue.writing() as session:
        generation = 0
        if session.get_one(Bank, bank.id).current:
            grow(session, space.id)
            generation = session.get_one(Space, space.id).generation
        values = [
            {
                "content_id": row.content_id,
                "bank_id": bank.id,
                "generation": generation,
                "hubness": row.hubness[0],
                "word_hubness": row.hubness[1],
                "vector": row.vector.astype("<f4").tobytes(),
                "neighbours": row.neighbours.astype("<i8").tobytes(),
            }
            for row in rows
        ]
        session.execute(insert(RefinedVector), values)


def refined_ids(
    catalogue: Catalogue, bank: BankRow, *, after_generation: int = -1
) -> Int64[np.ndarray, "N"]:
    """Contents that are refined over this bank, ascending; those stored later than that only."""
    query = select(RefinedVector.content_id).where(
        RefinedVector.bank_id == bank.id, RefinedVector.generation > after_generation
    )
    with catalogue.reading() as session:
        return np.sort(np.fromiter(session.scalars(query), dtype=np.int64))


def neighbours_of(catalogue: Catalogue, bank: BankRow, id: int) -> Int64[np.ndarray, "K"]:
    """The members that a content was refined over, ascending; KeyError if it is not refined."""
    with catalogue.reading() as session:
        row = session.get(RefinedVector, (id, bank.id))
        if row is None:
            raise KeyError(id)
        return np.frombuffer(row.neighbours, dtype="<i8").astype(np.int64)


def searched_vectors(
    catalogue: Catalogue, ids: Int64[np.ndarray, "N"], space: SpaceRow, bank: BankRow | None
) -> tuple[Int64[np.ndarray, "M"], Float32[np.ndarray, "M E"]]:
    """What a search compares with: of those of the contents that have a vector, in the order asked.

    Without a bank these are base vectors, E = D. With one, E = D + 2: [F; -h], F the refined vector
    and h its hubness among sentences and among words. Of a picture that is not refined yet F is its
    base vector, and h the mean.
    """
    if bank is None:
        return catalogue.held_vectors(ids, space)
    rows: dict[int, tuple[Any, ...]] = {}
    refined = (RefinedVector.content_id == StoredVector.content_id) & (
        RefinedVector.bank_id == bank.id
    )
    with catalogue.reading() as session:
        for some in chunks(ids.tolist()):
            query = (
                select(
                    StoredVector.content_id,
                    func.coalesce(RefinedVector.vector, StoredVector.base),
                    func.coalesce(RefinedVector.hubness, bank.mean_hubness[0]),
                    func.coalesce(_WORD_HUBNESS, bank.mean_hubness[1]),
                )
                .outerjoin(RefinedVector, refined)
                .where(StoredVector.space_id == space.id, StoredVector.content_id.in_(one_of(some)))
            )
            rows.update((row[0], row[1:]) for row in session.execute(query))
    held = np.array([id for id in ids.tolist() if id in rows], dtype=np.int64)
    vectors = np.empty((len(held), space.identity.dimension + HUBNESSES), dtype=np.float32)
    for place, id in enumerate(held.tolist()):
        vector, *hubness = rows[id]
        vectors[place] = searched_row(np.frombuffer(vector, dtype="<f4"), hubness)
    return held, vectors


def searched_row(
    vector: Float32[np.ndarray, "D"], hubness: Sequence[float]
) -> Float32[np.ndarray, "E"]:
    """[F; -h] of one content."""
    return np.concatenate([vector, np.negative(hubness, dtype=np.float32)])


def _bank_row(row: Bank) -> BankRow:
    return BankRow(
        id=row.id,
        version=row.version,
        stack=row.stack,
        budget=row.budget,
        size=row.size,
        created_at=row.created_at,
        mean_hubness=(
            row.mean_hubness,
            row.mean_hubness if row.mean_word_hubness is None else row.mean_word_hubness,
        ),
    )
