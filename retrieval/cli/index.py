"""`spectrum index`: brings a library up to date with folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.exits import Exit
from retrieval.cli.interruption import Interruption
from retrieval.cli.options import EncoderOption, LibraryOption, StackOption
from retrieval.cli.refine import BudgetOption

if TYPE_CHECKING:
    from indexer.build import BuildOptions, BuildReport
    from spectrum.encoders import Encoder


def index(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Folders or image files.")],
    library: LibraryOption = None,
    encoder: EncoderOption = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Leave out names or paths; repeatable."),
    ] = None,
    include_hidden: Annotated[
        bool, typer.Option("--include-hidden", help="Also names that start with a dot.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that failed before.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget files that are gone, however many they are.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and index again whenever something changes.")
    ] = False,
    max_megapixels: Annotated[
        float,
        typer.Option(envvar="SPECTRUM_MAX_MEGAPIXELS", metavar="N", help="Refuse larger images."),
    ] = 200.0,
    batch_size: Annotated[
        int, typer.Option("--batch-size", "-b", envvar="SPECTRUM_BATCH_SIZE", metavar="N", min=1)
    ] = 32,
    workers: Annotated[
        int | None,
        typer.Option(envvar="SPECTRUM_WORKERS", metavar="N", min=1, help="Decoding threads."),
    ] = None,
    no_calibrate: Annotated[
        bool,
        typer.Option(
            "--no-calibrate",
            envvar="SPECTRUM_NO_CALIBRATE",
            help="Leave the refusal of hopeless queries as it is: see 'spectrum calibrate'.",
        ),
    ] = False,
    budget: BudgetOption = None,
    stack: StackOption = None,
) -> None:
    """Index folders: new, changed and moved pictures are found, the rest is not opened.

    Ctrl-C keeps what is done; the next run goes on from there.
    """
    from indexer.build import BuildOptions
    from indexer.images import Limits
    from indexer.pipeline import Flow

    options = BuildOptions(
        exclude=tuple(exclude or ()),
        hidden=include_hidden,
        retry_failed=retry_failed,
        prune=prune,
        dry_run=dry_run,
        limits=Limits(pixels=int(max_megapixels * 1e6)),
        flow=Flow(batch_size=batch_size, **({"workers": workers} if workers else {})),
    )
    report = index_with_progress(paths, library, encoder, options, budget, stack)
    _summarise(report, dry_run)
    if not (dry_run or report.interrupted or no_calibrate):
        _calibrate(library, encoder)
    if watch and not report.interrupted:
        _watch(paths, library, encoder, options, budget, stack)
        raise typer.Exit(Exit.INTERRUPTED)
    if report.interrupted:
        raise typer.Exit(Exit.INTERRUPTED)
    if report.failed_standing:
        raise typer.Exit(Exit.SOME_FAILED)


def index_with_progress(
    paths: list[str],
    library: Path | None,
    encoder: "Encoder | str | None",
    options: "BuildOptions",
    budget: str | None = None,
    stack: str | None = None,
) -> "BuildReport":
    """Runs the build with a progress bar on stderr; the first Ctrl-C asks it to stop."""
    from retrieval.cli.progress import BarProgress
    from retrieval.library import Library

    with (
        Library.open(library, encoder=encoder, budget=budget, stack=stack) as opened,
        Interruption() as interruption,
        BarProgress("indexing", interruption.requested.is_set) as progress,
    ):
        return opened.index(*paths, options=options, progress=progress)


def _calibrate(library: Path | None, encoder: str | None) -> None:
    """Fits the gate where the library has none, or has drifted; too few pictures are no error."""
    from retrieval.cli.output import note
    from retrieval.library import Library
    from retrieval.rejection.library_gate import refit_if_drifted

    with Library.open(library, encoder=encoder) as opened:
        refit_if_drifted(opened, note)


def _watch(
    paths: list[str],
    library: Path | None,
    encoder: str | None,
    options: "BuildOptions",
    budget: str | None,
    stack: str | None,
) -> None:
    """Indexes again after every burst of changes, until Ctrl-C."""
    from watchfiles import watch

    from retrieval.cli.output import note

    note("watching for changes; Ctrl-C ends it")
    for _ in watch(*paths, raise_interrupt=False):
        report = index_with_progress(paths, library, encoder, options, budget, stack)
        if report.to_do or report.missing or report.returned:
            _summarise(report, dry_run=False)
        if report.interrupted:
            return


def _summarise(report: "BuildReport", dry_run: bool) -> None:
    from retrieval.cli.output import note

    if dry_run:
        counts = {
            "to index": report.to_do,
            "unchanged": report.unchanged,
            "returned": report.returned,
            "missing": report.missing,
            "unreadable": report.failed_standing,
        }
        note("dry run: " + _counted(counts, always="to index"))
        return
    counts = {
        "indexed": report.encoded,
        "recognised": report.recognised,
        "returned": report.returned,
        "unchanged": report.unchanged,
        "missing": report.missing,
        "deleted": report.deleted,
        "photo facts read": report.facts_read,
        "refined": report.refined,
    }
    note(_counted(counts, always="indexed"))
    if not any(counts.values()) and not report.failed_standing:
        note("no image was found there: names need an image's suffix, and no leading dot")
    if report.failed_standing:
        files = "file" if report.failed_standing == 1 else "files"
        note(f"{report.failed_standing} {files} failed: see 'spectrum status --failed'")
    if report.unrefined:
        pictures = "picture is" if report.unrefined == 1 else "pictures are"
        note(f"{report.unrefined} {pictures} not refined: run 'spectrum refine'")
    if report.interrupted:
        note("interrupted: what is done is saved; run the same command again to go on")


def _counted(counts: dict[str, int], *, always: str) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == always)
