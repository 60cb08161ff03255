"""Neighbourhoods: a picture among its nearest of a bank, as SPECTRUM's second phase takes them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int64

from indexer.banks import BankRow, RefinedRow, neighbours_of
from indexer.catalogue import Catalogue
from indexer.evidence import LocalVectors, local_blocks, local_vectors
from indexer.records import SpaceRow
from indexer.vectors.exact_neighbours import exact_neighbours
from spectrum.stack.protocol import Refiner

IMAGES_PER_BLOCK = 1_024
"""Whose neighbours are looked up at once."""

IMAGES_PER_CALL = 256
"""Given to the refiner at once, each with its neighbours."""


class FrozenBank(NamedTuple):
    """A bank's members in memory, ascending by id; what is shown of them in half precision."""

    ids: Int64[np.ndarray, "N"]
    likeness: Float32[np.ndarray, "N D"]
    """By which the nearest are found."""
    local: Float16[np.ndarray, "N D"]
    prompts: Float16[np.ndarray, "N S"]


def frozen_bank(
    catalogue: Catalogue, space: SpaceRow, members: Int64[np.ndarray, "N"], refiner: Refiner
) -> FrozenBank:
    """Loads these members, ascending ids, as far as this stack has seen them."""
    shape = len(members), space.identity.dimension
    ids = np.empty(len(members), dtype=np.int64)
    likeness = np.empty(shape, dtype=np.float32)
    local = np.empty(shape, dtype=np.float16)
    prompts = np.empty((len(members), space.identity.semantic_dimension), dtype=np.float16)
    n = 0
    for block in local_blocks(catalogue, members, space, refiner.identity.fingerprint):
        some = slice(n, n + len(block.ids))
        ids[some], local[some], prompts[some] = block
        likeness[some] = refiner.likeness(block.local)
        n += len(block.ids)
    return FrozenBank(ids[:n], likeness[:n], local[:n], prompts[:n])


def refined_rows(block: LocalVectors, bank: FrozenBank, refiner: Refiner) -> Iterator[RefinedRow]:
    """Each picture of a block, refined among its nearest of the bank, itself left out."""
    own = np.searchsorted(bank.ids, block.ids)
    is_member = np.isin(block.ids, bank.ids)
    nearest = exact_neighbours(
        refiner.likeness(block.local),
        bank.likeness,
        np.where(is_member, own, -1),
        refiner.identity.neighbours,
    )
    for start in range(0, len(block.ids), IMAGES_PER_CALL):
        some = slice(start, start + IMAGES_PER_CALL)
        rows, mask = nearest[some], nearest[some] >= 0
        refined = refiner.refine(
            _among(block.local[some], bank.local, rows, mask),
            _among(block.prompts[some], bank.prompts, rows, mask),
            np.concatenate([np.ones((len(rows), 1), dtype=np.bool_), mask], axis=1),
        )
        if not (np.isfinite(refined.vectors).all() and np.isfinite(refined.hubness).all()):
            raise ValueError("the refiner gave a vector that is not finite")
        for place, id in enumerate(block.ids[some].tolist()):
            yield RefinedRow(
                content_id=id,
                vector=refined.vectors[place],
                hubness=float(refined.hubness[place]),
                neighbours=bank.ids[rows[place][mask[place]]],
            )


def _among(
    anchors: Float32[np.ndarray, "B W"],
    bank: Float16[np.ndarray, "N W"],
    rows: Int64[np.ndarray, "B K"],
    mask: Bool[np.ndarray, "B K"],
) -> Float32[np.ndarray, "B M W"]:
    """Each anchor and its neighbours; zeros where there is none."""
    members = np.zeros((len(rows), 1 + rows.shape[1], bank.shape[1]), dtype=np.float32)
    members[:, 0] = anchors
    members[:, 1:][mask] = bank[rows[mask]]
    return members


def refined_over(
    catalogue: Catalogue,
    space: SpaceRow,
    refiner: Refiner,
    ids: Int64[np.ndarray, "N"],
    members: Int64[np.ndarray, "M"],
) -> tuple[Int64[np.ndarray, "R"], Float32[np.ndarray, "R E"]]:
    """Rows [F; -h] as they would be over a bank of these members, for measuring; stores nothing.

    E = D + 1. Of those of `ids` that this stack has seen, in the order asked.
    """
    stack = refiner.identity.fingerprint
    frozen = frozen_bank(catalogue, space, np.sort(members), refiner)
    found: list[RefinedRow] = []
    for block in local_blocks(catalogue, ids, space, stack, size=IMAGES_PER_BLOCK):
        found.extend(refined_rows(block, frozen, refiner))
    rows = np.empty((len(found), space.identity.dimension + 1), dtype=np.float32)
    for place, row in enumerate(found):
        rows[place, :-1], rows[place, -1] = row.vector, -row.hubness
    return np.array([row.content_id for row in found], dtype=np.int64), rows


class Neighbourhood(NamedTuple):
    """What one picture was refined among, as `Refiner.explain` takes it."""

    neighbour_ids: Int64[np.ndarray, "K"]
    """Ascending; those deleted since are left out."""
    local: Float32[np.ndarray, "M D"]
    """M = 1 + K; the picture itself first."""
    prompts: Float32[np.ndarray, "M S"]
    member_mask: Bool[np.ndarray, "M"]
    """All true."""


def neighbourhood(catalogue: Catalogue, space: SpaceRow, bank: BankRow, id: int) -> Neighbourhood:
    """What a picture was refined among; KeyError if it is not refined over this bank."""
    asked = np.concatenate([[id], neighbours_of(catalogue, bank, id)]).astype(np.int64)
    held = local_vectors(catalogue, asked, space, bank.stack)
    if held.ids[:1].tolist() != [id]:
        raise KeyError(id)
    local = held.local
    local[1:] = local[1:].astype(np.float16)  # as a bank shows it
    return Neighbourhood(held.ids[1:], local, held.prompts, np.ones(len(local), dtype=np.bool_))
