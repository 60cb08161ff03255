"""Neighbourhoods: a picture among its nearest of a bank, as SPECTRUM's second phase takes them."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import faiss
import numpy as np
from jaxtyping import Bool, Float16, Float32, Int64
from threadpoolctl import threadpool_limits

from indexer.banks import HUBNESSES, BankRow, RefinedRow, neighbours_of, searched_row
from indexer.catalogue import Catalogue
from indexer.evidence import LocalVectors, local_blocks, local_vectors
from indexer.records import SpaceRow
from indexer.vectors.exact_neighbours import exact_neighbours
from indexer.vectors.sketch import Sketch, sketch_of
from spectrum.stack.protocol import Refiner

IMAGES_PER_BLOCK = 512
"""Whose neighbours are looked up at once."""

IMAGES_PER_CALL = 128
"""Given to the refiner at once, each with its neighbours."""


@dataclass(frozen=True)
class Likeness:
    """By which members of a bank are found, made of what is shown of them: a third of the room."""

    local: Float16[np.ndarray, "N D"]
    refiner: Refiner

    def __len__(self) -> int:
        return len(self.local)

    def __getitem__(self, rows: slice | Int64[np.ndarray, "B"]) -> Float32[np.ndarray, "B D"]:
        return self.refiner.likeness(self.local[rows].astype(np.float32))


class FrozenBank(NamedTuple):
    """A bank's members in memory, ascending by id; what is shown of them in half precision."""

    ids: Int64[np.ndarray, "N"]
    local: Float16[np.ndarray, "N D"]
    prompts: Float16[np.ndarray, "N S"]
    sketch: Sketch | None
    """Of their likeness, which makes finding the nearest quicker; None for a small bank."""


def frozen_bank(
    catalogue: Catalogue, space: SpaceRow, members: Int64[np.ndarray, "N"], refiner: Refiner
) -> FrozenBank:
    """Loads these members, ascending ids, as far as this stack has seen them."""
    shape = len(members), space.identity.dimension
    ids = np.empty(len(members), dtype=np.int64)
    local = np.empty(shape, dtype=np.float16)
    prompts = np.empty((len(members), space.identity.semantic_dimension), dtype=np.float16)
    n = 0
    stack = refiner.identity.fingerprint
    # Small blocks: what large ones leave of the heap in pieces would stay for the whole run.
    for block in _read_ahead(local_blocks(catalogue, members, space, stack, size=IMAGES_PER_BLOCK)):
        some = slice(n, n + len(block.ids))
        ids[some], local[some], prompts[some] = block
        n += len(block.ids)
    return FrozenBank(ids[:n], local[:n], prompts[:n], sketch_of(Likeness(local[:n], refiner)))


def _read_ahead(blocks: Iterator[LocalVectors]) -> Iterator[LocalVectors]:
    """The blocks, each read while the one before it is worked on."""
    with ThreadPoolExecutor(1) as reading:
        ahead = reading.submit(next, blocks, None)
        while (block := ahead.result()) is not None:
            ahead = reading.submit(next, blocks, None)
            yield block


def refined_blocks(
    blocks: Iterable[LocalVectors], bank: FrozenBank, refiner: Refiner
) -> Generator[list[RefinedRow], None, None]:
    """The pictures of each block, refined among their nearest of the bank, themselves left out.

    One thread refines, and several find the neighbours of the blocks after it; `blocks` is read in
    the caller's. What fails with a block is raised in its place.
    """
    searchers = os.cpu_count() or 1
    searching = ThreadPoolExecutor(searchers, initializer=_search_alone)
    refining = ThreadPoolExecutor(1)
    pending: deque[Future[list[RefinedRow]]] = deque()
    try:
        # BLAS's own threads would spin between the small products that they get to do.
        with threadpool_limits(1, user_api="blas"):
            for block in blocks:
                nearest = searching.submit(_nearest_rows, block, bank, refiner)
                pending.append(refining.submit(_refined_rows, block, nearest, bank, refiner))
                if len(pending) > searchers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        searching.shutdown(cancel_futures=True)
        refining.shutdown(cancel_futures=True)


def _search_alone() -> None:
    # Blocks are searched side by side, one thread each: FAISS's own threads wait for one another.
    faiss.omp_set_num_threads(1)


def _nearest_rows(
    block: LocalVectors, bank: FrozenBank, refiner: Refiner
) -> Int64[np.ndarray, "B K"]:
    own = np.searchsorted(bank.ids, block.ids)
    return exact_neighbours(
        refiner.likeness(block.local),
        Likeness(bank.local, refiner),
        np.where(np.isin(block.ids, bank.ids), own, -1),
        refiner.identity.neighbours,
        sketch=bank.sketch,
    )


def _refined_rows(
    block: LocalVectors,
    searched: Future[Int64[np.ndarray, "B K"]],
    bank: FrozenBank,
    refiner: Refiner,
) -> list[RefinedRow]:
    nearest, made = searched.result(), []
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
            found = RefinedRow(
                content_id=id,
                vector=refined.vectors[place],
                hubness=(float(refined.hubness[place, 0]), float(refined.hubness[place, 1])),
                neighbours=bank.ids[rows[place][mask[place]]],
            )
            made.append(found)
    return made


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

    E = D + 2. Of those of `ids` that this stack has seen, in the order asked.
    """
    stack = refiner.identity.fingerprint
    frozen = frozen_bank(catalogue, space, np.sort(members), refiner)
    blocks = local_blocks(catalogue, ids, space, stack, size=IMAGES_PER_BLOCK)
    found = [row for made in refined_blocks(blocks, frozen, refiner) for row in made]
    rows = np.empty((len(found), space.identity.dimension + HUBNESSES), dtype=np.float32)
    for place, row in enumerate(found):
        rows[place] = searched_row(row.vector, row.hubness)
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
