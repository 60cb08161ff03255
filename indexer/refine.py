"""The bridge to SPECTRUM's second phase: stored vectors, refined over a frozen bank.

    evidence   phase 1: a picture by itself, stored when it is encoded      indexer.evidence
    bank       the pictures whose evidence others are shown                 indexer.banks
    refined    phase 2: a picture among its nearest of the bank             here

A refined vector depends on its picture and on the bank, and on nothing else: not on what shares a
batch with it, nor on what is added later. A new bank is refined beside the current one, which
answers searches until the new one takes its place in one transaction; a run that is killed goes on
where it was.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from indexer.banks import (
    BankRow,
    begin_bank,
    chosen_members,
    current_bank,
    drop_bank,
    make_current,
    member_ids,
    newest_bank,
    refined_ids,
    store_refined,
    superseded_banks,
)
from indexer.catalogue import Catalogue
from indexer.evidence import evidence_ids, fill_evidence, local_blocks
from indexer.images import Limits
from indexer.neighbourhoods import IMAGES_PER_BLOCK, frozen_bank, refined_blocks
from indexer.pipeline import Flow, encoded_batches
from indexer.progress import Progress
from indexer.records import EncodedFile, SpaceRow
from indexer.spaces import publish, require_same_encoder
from indexer.walk import FoundFile
from indexer.writer_lock import only_writer
from spectrum.encoders.protocol import Encoder
from spectrum.stack.protocol import Refiner

MOST_MEMBERS = 200_000
"""Of a bank: its vectors are in memory while others are refined over it."""

IMAGES_PER_TRANSACTION = IMAGES_PER_BLOCK
"""A killed run loses this one, and the few that are made ready behind it."""


@dataclass(kw_only=True)
class RefineReport:
    """What a run did."""

    opened: int = 0
    """Pictures whose files were encoded once more, since this stack had not seen them."""
    unread: int = 0
    """Pictures whose files are not as they were indexed, or cannot be read now."""
    refined: int = 0
    resumed: int = 0
    """Pictures that an earlier run, which did not end, had refined."""
    unrefined: int = 0
    """Pictures that stand unrefined at the end."""
    version: int | None = None
    """Of the bank that searches rank by; None if there is none."""
    bank_size: int = 0
    interrupted: bool = False


def refine_library(
    folder: Path,
    catalogue: Catalogue,
    space: SpaceRow,
    encoder: Encoder,
    refiner: Refiner,
    *,
    budget: str,
    progress: Progress,
    limits: Limits | None = None,
    flow: Flow | None = None,
) -> RefineReport:
    """Makes a bank of all pictures that are present, and refines them all over it.

    Pictures that this stack has not seen are opened and encoded once more; those that cannot be
    are left as the encoder saw them. Nothing happens if the current bank is the one that would be
    made. Raises LibraryBusyError, LibraryError; what was done is kept, and the next run goes on.
    """
    with only_writer(folder):
        require_same_encoder(space, encoder)
        report = RefineReport()
        flow, limits = flow or Flow(), limits or Limits()
        _complete_evidence(catalogue, space, encoder, refiner, limits, flow, progress, report)
        if not report.interrupted:
            _rebuild(catalogue, space, refiner, budget, progress, report)
        publish(folder, catalogue, space)
        return _with_standing(catalogue, space, report)


def refine_added(
    catalogue: Catalogue, space: SpaceRow, refiner: Refiner, *, budget: str, progress: Progress
) -> RefineReport:
    """Refines what is not refined yet over the current bank; nothing else that is stored changes.

    Without a bank one is made of all pictures, if this stack has seen them all. Pictures that it
    has not seen, or that a bank of another stack waits for, stay unrefined until `spectrum refine`.
    """
    report = RefineReport()
    bank = current_bank(catalogue, space.id)
    searchable, seen = _searchable_and_seen(catalogue, space, refiner)
    if bank is None and len(seen) == len(searchable):
        _rebuild(catalogue, space, refiner, budget, progress, report)
    elif bank is not None and bank.stack == refiner.identity.fingerprint:
        _drop_superseded(catalogue, space)
        _refine_over(catalogue, space, bank, seen, refiner, progress, report)
    return _with_standing(catalogue, space, report)


def has_unrefined(catalogue: Catalogue, space: SpaceRow) -> bool:
    """Whether there is a picture that searches rank by its base vector."""
    return _with_standing(catalogue, space, RefineReport()).unrefined > 0


# The bank ----------------------------------------------------------------------------------------


def _rebuild(
    catalogue: Catalogue,
    space: SpaceRow,
    refiner: Refiner,
    budget: str,
    progress: Progress,
    report: RefineReport,
) -> None:
    """Refines all that this stack has seen over a bank of them, and makes that bank the current."""
    _drop_superseded(catalogue, space)
    _, seen = _searchable_and_seen(catalogue, space, refiner)
    stack = refiner.identity.fingerprint
    members = chosen_members(catalogue, seen, MOST_MEMBERS)
    current = current_bank(catalogue, space.id)
    if current is not None and _is_of(catalogue, current, stack, members):
        _refine_over(catalogue, space, current, seen, refiner, progress, report)
        return
    bank = newest_bank(catalogue, space.id)
    if bank is not None and (bank == current or not _is_of(catalogue, bank, stack, members)):
        if bank != current:
            drop_bank(catalogue, bank)
        bank = None
    if bank is not None:
        report.resumed = len(refined_ids(catalogue, bank))
    elif len(members):
        bank = begin_bank(catalogue, space, stack=stack, budget=budget, members=members)
    else:
        return
    _refine_over(catalogue, space, bank, seen, refiner, progress, report)
    if not report.interrupted:
        make_current(catalogue, space, bank)
        _drop_superseded(catalogue, space)


def _is_of(
    catalogue: Catalogue, bank: BankRow, stack: str, members: Int64[np.ndarray, "N"]
) -> bool:
    return bank.stack == stack and np.array_equal(member_ids(catalogue, bank), members)


def _drop_superseded(catalogue: Catalogue, space: SpaceRow) -> None:
    for bank in superseded_banks(catalogue, space.id):
        drop_bank(catalogue, bank)


def _searchable_and_seen(
    catalogue: Catalogue, space: SpaceRow, refiner: Refiner
) -> tuple[Int64[np.ndarray, "N"], Int64[np.ndarray, "M"]]:
    """What can be searched, and what of it this stack has seen; ascending."""
    searchable = catalogue.searchable_ids(space.id)
    seen = evidence_ids(catalogue, space, refiner.identity.fingerprint)
    return searchable, np.intersect1d(searchable, seen, assume_unique=True)


def _with_standing(catalogue: Catalogue, space: SpaceRow, report: RefineReport) -> RefineReport:
    searchable = catalogue.searchable_ids(space.id)
    report.unrefined = len(searchable)
    bank = current_bank(catalogue, space.id)
    if bank is not None:
        report.version, report.bank_size = bank.version, bank.size
        report.unrefined = len(np.setdiff1d(searchable, refined_ids(catalogue, bank)))
    return report


def _refine_over(
    catalogue: Catalogue,
    space: SpaceRow,
    bank: BankRow,
    ids: Int64[np.ndarray, "N"],
    refiner: Refiner,
    progress: Progress,
    report: RefineReport,
) -> None:
    """Refines those of the pictures that are not refined over the bank yet, a block at a time."""
    lacking = np.setdiff1d(ids, refined_ids(catalogue, bank), assume_unique=True)
    if not len(lacking):
        return
    progress.enter("refining", len(lacking))
    frozen = frozen_bank(catalogue, space, member_ids(catalogue, bank), refiner)
    blocks = local_blocks(catalogue, lacking, space, bank.stack, size=IMAGES_PER_TRANSACTION)
    with closing(refined_blocks(blocks, frozen, refiner)) as refined:
        for rows in refined:
            if progress.stop_requested():
                report.interrupted = True
                return
            store_refined(catalogue, space, bank, rows)
            report.refined += len(rows)
            progress.advance(len(rows), 0)


# The files ---------------------------------------------------------------------------------------


def _complete_evidence(
    catalogue: Catalogue,
    space: SpaceRow,
    encoder: Encoder,
    refiner: Refiner,
    limits: Limits,
    flow: Flow,
    progress: Progress,
    report: RefineReport,
) -> None:
    """Encodes once more, for what the refiner sees, the pictures that this stack has not seen."""
    searchable, seen = _searchable_and_seen(catalogue, space, refiner)
    lacking = np.setdiff1d(searchable, seen, assume_unique=True).tolist()
    if not lacking:
        return
    progress.enter("encoding once more", len(lacking))
    ids = {hash: id for id, hash in catalogue.hashes(lacking).items()}
    files = [
        FoundFile(path=paths[0], size_bytes=0, mtime_ns=0)
        for paths in catalogue.paths_of(lacking).values()
        if paths
    ]
    batches = encoded_batches(
        files,
        encoder,
        is_encoded=lambda hash: hash not in ids,  # other bytes than were indexed
        limits=limits,
        flow=flow,
        refiner=refiner,
    )
    for batch in batches:
        if progress.stop_requested():
            report.interrupted = True
            return
        found = [
            (ids[file.hash], file.evidence)
            for file in batch
            if isinstance(file, EncodedFile) and file.evidence is not None
        ]
        fill_evidence(catalogue, space, found)
        report.opened += len(found)
        report.unread += len(batch) - len(found)
        progress.advance(len(batch), len(batch) - len(found))
