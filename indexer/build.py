"""From folders to a searchable index: survey, decode, encode, record, publish. Resumable."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.formats import IMAGE_SUFFIXES
from indexer.images import (
    DECODER_VERSION,
    Limits,
    UnreadableImageError,
    content_hash,
    read_file,
)
from indexer.pipeline import Flow, encoded_batches
from indexer.progress import Progress
from indexer.records import EncodedFile, FailedFile, RecognisedFile, SpaceRow
from indexer.refine import has_unrefined, refine_added
from indexer.refresh import fill_facts
from indexer.spaces import publish, space_of
from indexer.survey import Survey, compare, refuse_lost_root
from indexer.walk import UnreachableFile, walk
from indexer.writer_lock import only_writer
from spectrum.encoders.protocol import Encoder
from spectrum.stack.protocol import Refiner

__all__ = ["BuildOptions", "BuildReport", "Progress", "build", "only_writer"]


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What a user may choose about a run."""

    exclude: tuple[str, ...] = ()
    """Globs of names, or of paths relative to the root."""
    hidden: bool = False
    """Whether names that start with a dot are walked."""
    retry_failed: bool = False
    prune: bool = False
    """Whether files that are gone are deleted from the catalogue, however many they are."""
    dry_run: bool = False
    """Only survey."""
    only: frozenset[str] | None = None
    """If given, every other file below the roots is passed over, as if it were unchanged."""
    limits: Limits = field(default_factory=Limits)
    flow: Flow = field(default_factory=Flow)


@dataclass(kw_only=True)
class BuildReport:
    """What a run did."""

    encoded: int = 0
    recognised: int = 0
    """Moved and copied files, which cost no encoding."""
    returned: int = 0
    unchanged: int = 0
    missing: int = 0
    deleted: int = 0
    failed: int = 0
    """Files that failed in this run."""
    failed_standing: int = 0
    """Files below the roots that stand as failed, this run's included."""
    to_do: int = 0
    """Files that the survey found new or changed."""
    facts_read: int = 0
    """Photographs, indexed by an older version, whose facts were read in this run."""
    refined: int = 0
    unrefined: int = 0
    """Pictures that stand unrefined though the run had a refiner: `spectrum refine` is for them."""
    interrupted: bool = False


def build(
    folder: Path,
    catalogue: Catalogue,
    roots: Sequence[str],
    encoder: Encoder,
    options: BuildOptions,
    progress: Progress,
    *,
    load_refiner: Callable[[], Refiner | None] = lambda: None,
    budget: str = "",
) -> BuildReport:
    """Brings the library in `folder` up to date with `roots`.

    With a refiner, of which `budget` is the name, new pictures are refined at the end: over the
    library's bank, or if it has none over one of all pictures. It is loaded only if there is
    something for it to do.

    Raises RootLostError (nothing was changed), LibraryBusyError, LibraryError if the library
    belongs to another encoder or its disk is full, OSError for a root that cannot be read.
    Whatever is raised, the batches that were recorded stay, and the next run goes on from there.
    """
    with only_writer(folder):
        space = space_of(catalogue, encoder)
        surveys = [_survey(catalogue, space, root, options) for root in _outermost(roots)]
        report = BuildReport(
            unchanged=sum(s.unchanged for s in surveys), to_do=sum(len(s.work) for s in surveys)
        )
        if options.dry_run:
            report.missing = sum(len(s.vanished) for s in surveys)
            report.returned = sum(len(s.returned) for s in surveys)
            report.failed = sum(len(s.unreachable) for s in surveys)
            report.failed_standing = report.failed + sum(s.standing for s in surveys)
            return report
        refiner = load_refiner() if report.to_do or has_unrefined(catalogue, space) else None
        progress.start(report.to_do)
        for survey in surveys:
            _apply(catalogue, space, survey, encoder, options, progress, report, refiner)
            if report.interrupted:
                break
        if refiner is not None and not report.interrupted:
            _refine(catalogue, space, refiner, budget, progress, report)
        publish(folder, catalogue, space)
        for survey in () if report.interrupted else surveys:
            report.facts_read += fill_facts(
                catalogue,
                survey.root,
                limits=options.limits,
                workers=options.flow.workers,
                stop_requested=progress.stop_requested,
            )
        report.failed_standing = sum(catalogue.failed_under(s.root) for s in surveys)
        return report


def _refine(
    catalogue: Catalogue,
    space: SpaceRow,
    refiner: Refiner,
    budget: str,
    progress: Progress,
    report: BuildReport,
) -> None:
    refinement = refine_added(catalogue, space, refiner, budget=budget, progress=progress)
    report.refined, report.unrefined = refinement.refined, refinement.unrefined
    report.interrupted = refinement.interrupted


def _survey(catalogue: Catalogue, space: SpaceRow, root: str, options: BuildOptions) -> Survey:
    known = catalogue.known_under(root, space.id)
    try:
        entries = list(
            walk(root, exclude=options.exclude, hidden=options.hidden, suffixes=IMAGE_SUFFIXES)
        )
    except (FileNotFoundError, NotADirectoryError):
        if not known:
            raise
        entries = []  # gone, which only --prune may believe; other errors say nothing of the files
    if options.only is not None:
        entries = [entry for entry in entries if entry.path in options.only]
        known = {path: file for path, file in known.items() if path in options.only}
    survey = compare(
        root, entries, known, decoder=DECODER_VERSION, retry_failed=options.retry_failed
    )
    if not options.prune:
        refuse_lost_root(
            survey,
            catalogue.roots().get(root),
            lambda: _count_moved(catalogue, survey, {known[p].size_bytes for p in survey.vanished}),
        )
    return survey


def _count_moved(catalogue: Catalogue, survey: Survey, sizes: set[int]) -> int:
    """How many vanished files are among the new ones of their sizes, by content."""
    moved = set()
    gone = catalogue.hashes_of(survey.vanished)
    for file in survey.work:
        if file.size_bytes in sizes:
            try:
                moved.add(content_hash(read_file(file.path, Limits())))
            except UnreadableImageError:
                continue  # it will be reported when its turn comes
    return len(moved & gone)


def _apply(
    catalogue: Catalogue,
    space: SpaceRow,
    survey: Survey,
    encoder: Encoder,
    options: BuildOptions,
    progress: Progress,
    report: BuildReport,
    refiner: Refiner | None,
) -> None:
    if survey.device is not None:
        catalogue.set_root(survey.root, survey.device)
    catalogue.set_present(survey.returned, space.id)
    report.returned += len(survey.returned)
    if survey.unreachable:
        catalogue.record([_unreachable(entry) for entry in survey.unreachable], space.id)
        report.failed += len(survey.unreachable)
    batches = encoded_batches(
        survey.work,
        encoder,
        is_encoded=lambda hash: catalogue.is_encoded(hash, space.id),
        limits=options.limits,
        flow=options.flow,
        refiner=refiner,
    )
    for batch in batches:
        catalogue.record(batch, space.id)
        n_failed = sum(isinstance(outcome, FailedFile) for outcome in batch)
        report.failed += n_failed
        report.encoded += sum(isinstance(outcome, EncodedFile) for outcome in batch)
        report.recognised += sum(isinstance(outcome, RecognisedFile) for outcome in batch)
        progress.advance(len(batch), n_failed)
        if progress.stop_requested():
            # What vanished is left for the next run: a file that moved may not be recorded yet.
            report.interrupted = True
            return
    catalogue.set_missing(survey.vanished, space.id)
    report.missing += len(survey.vanished)
    if options.prune:
        report.deleted += catalogue.delete_missing(survey.root, space.id)


def _outermost(roots: Iterable[str]) -> list[str]:
    """Absolute roots in the order given, without those that lie inside another."""
    # "//x" is "/x" on every system of today, though POSIX, and so abspath, keeps the two apart.
    absolute = list(dict.fromkeys(re.sub("^//", "/", os.path.abspath(root)) for root in roots))
    return [
        root
        for root in absolute
        if not any(
            other != root and os.path.commonpath([root, other]) == other for other in absolute
        )
    ]


def _unreachable(entry: UnreachableFile) -> FailedFile:
    return FailedFile(
        path=entry.path,
        size_bytes=0,
        mtime_ns=0,
        stage="walk",
        error_class=entry.error_class,
        message=entry.message,
        decoder=DECODER_VERSION,
    )
