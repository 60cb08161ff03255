"""`spectrum profile`: what refinement costs here, and what each part of it is worth."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.options import EncoderOption, Format, FormatOption

if TYPE_CHECKING:
    from retrieval.cli.progress import BarProgress
    from retrieval.profiling import CaptionQueries, Measured
    from spectrum.encoders import EncodedImages, Encoder
    from spectrum.stack.selection import Profile

SHOWN_FAILURES = 10
"""Unreadable images that are named."""


def profile(
    captions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A captions.jsonl: measure accuracy too, on its images."),
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="S", help="Only rows of this split.")] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=2, help="At most so many images of the captions.")
    ] = 1000,
    encoder: EncoderOption = None,
    stack: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A stack of your own, from 'spectrum train'; by default the encoder's own.",
        ),
    ] = None,
    format: FormatOption = Format.TABLE,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html|.svg", help="Write the frontier as a page, or its plot."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Let --budget choose by what is measured now.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Measure what each module of SPECTRUM costs on this machine, and what it is worth.

    With --captions all 32 subsets of the modules are searched with, and those that nothing beats
    in accuracy and cost are listed; --keep makes them what --budget chooses from.
    """
    from retrieval.profiled_images import synthetic_images
    from retrieval.profiling import profiled, wanted_subsets
    from spectrum.encoders import load_encoder
    from spectrum.stack.loading import load_subsets

    _check(format, report, keep, captions)
    chosen = load_encoder(encoder or "embedded")
    refiner_of = (
        load_subsets(chosen.identity)
        if stack is None
        else load_subsets(chosen.identity, stack.expanduser().absolute())
    )
    with _bar("encoding") as bar:
        encoded, queries = (
            (synthetic_images(chosen), None)
            if captions is None
            else _captioned(chosen, captions, split, limit, bar)
        )
        bar.enter("measuring", len(wanted_subsets(queries)))
        measured = profiled(
            refiner_of, encoded, queries, seed=seed, done=lambda modules: bar.advance(1, 0)
        )
    _print(measured, format)
    if report is not None:
        from retrieval.evaluation.frontier import write_frontier

        write_frontier(measured, report)
    if keep:
        _keep(measured.profile)


def _check(format: Format, report: Path | None, keep: bool, captions: Path | None) -> None:
    """Says before the measuring what could not be written after it."""
    from retrieval.evaluation.report import missing_packages

    if format not in (Format.TABLE, Format.JSON):
        raise typer.BadParameter("a profile is a table or json", param_hint="--format")
    if keep and captions is None:
        raise typer.BadParameter(
            "budgets are chosen by accuracy too: add --captions FILE", param_hint="--keep"
        )
    if report is None:
        return
    if captions is None:
        raise typer.BadParameter(
            "the plot shows accuracy too: add --captions FILE", param_hint="--report"
        )
    if report.suffix not in (".html", ".svg"):
        raise typer.BadParameter(f"{report} is no .html or .svg file", param_hint="--report")
    if missing := missing_packages():
        raise typer.BadParameter(
            f"it needs {' and '.join(missing)}: pip install 'spectrum-retrieval[report]'",
            param_hint="--report",
        )
    if not report.absolute().parent.is_dir():
        raise typer.BadParameter(
            f"the folder {report.absolute().parent} does not exist: make it", param_hint="--report"
        )


def _bar(what: str) -> "BarProgress":
    from retrieval.cli.progress import BarProgress

    return BarProgress(what, lambda: False)


def _captioned(
    encoder: "Encoder", captions: Path, split: str | None, limit: int, bar: "BarProgress"
) -> "tuple[EncodedImages, CaptionQueries]":
    """Images of the captions file and what asks for them; says which cannot be read."""
    from retrieval.cli.output import note
    from retrieval.evaluation.datasets import CaptionDataset, DatasetError, open_dataset
    from retrieval.profiled_images import captioned_images

    dataset = open_dataset(Path(os.path.abspath(captions.expanduser())), split)
    if not isinstance(dataset, CaptionDataset):
        raise DatasetError(f"{captions}: profile needs captions; give a captions.jsonl")
    bar.start(min(limit, len(set(dataset.images))))
    encoded, queries, failures = captioned_images(
        encoder, dataset, limit, advance=lambda: bar.advance(1, 0)
    )
    for failure in failures[:SHOWN_FAILURES]:
        note(f"left out {failure}")
    if len(failures) > SHOWN_FAILURES:
        note(f"left out {len(failures) - SHOWN_FAILURES} more")
    if len(encoded.semantic) < 2:
        raise DatasetError(
            f"{captions}: {len(encoded.semantic)} of its images can be read; give at least 2"
        )
    return encoded, queries


def _print(measured: "Measured", format: Format) -> None:
    from retrieval.cli.output import json_text, note

    if format is Format.JSON:
        print(json_text(_as_json(measured)))
        return
    _print_tables(measured)
    profile = measured.profile
    asked = f"{profile.n_queries:,} captions, " if profile.n_queries else ""
    note(f"{profile.n_images:,} pictures, {asked}{profile.machine}")
    if not profile.subsets:
        note("what it is worth: spectrum profile --captions CAPTIONS.jsonl")


def _as_json(measured: "Measured") -> dict[str, Any]:
    """The profile, with each subset's hit@10, whether nothing beats it, and its names."""
    from retrieval.evaluation.frontier import named_subsets
    from spectrum.stack.selection import frontier, profile_as_json

    said = profile_as_json(measured.profile)
    subsets = measured.profile.subsets
    on_it = set(frontier(subsets))
    for row, subset in zip(said["subsets"], subsets, strict=True):
        row["hit@10"] = measured.hits[subset.modules].as_json()
        row["frontier"] = subset in on_it
    if subsets:
        said["budgets"] = {name: each.modules for name, each in named_subsets(subsets).items()}
    return said


def _print_tables(measured: "Measured") -> None:
    """The modules' costs, and the frontier."""
    from rich.table import Table

    from retrieval.cli.output import printed
    from retrieval.evaluation.frontier import named_subsets, said_modules
    from spectrum.stack.selection import frontier

    costs = Table(box=None, pad_edge=False)
    costs.add_column("module")
    for column in ("phase 1, ms", "phase 2, ms"):
        costs.add_column(column, justify="right")
    for name, cost in measured.profile.modules.items():
        costs.add_row(name, f"{cost.first:.2f}", f"{cost.second:.2f}")
    printed(costs)
    subsets = measured.profile.subsets
    if not subsets:
        return
    print()
    table = Table(box=None, pad_edge=False)
    for column in ("ms", "MRR %", "95 % interval", "hit@10 %"):
        table.add_column(column, justify="right")
    table.add_column("modules")
    table.add_column("budget")
    named = named_subsets(subsets)
    shown = {each.modules: each for each in (*frontier(subsets), *named.values())}
    for each in sorted(shown.values(), key=lambda each: each.milliseconds):
        table.add_row(
            f"{each.milliseconds:.2f}",
            f"{100 * each.accuracy:.1f}",
            f"{100 * each.low:.1f} to {100 * each.high:.1f}",
            f"{100 * measured.hits[each.modules].value:.1f}",
            said_modules(each.modules),
            ", ".join(name for name, subset in named.items() if subset == each),
        )
    printed(table)


def _keep(profile: "Profile") -> None:
    from retrieval.cli.output import note
    from spectrum.stack.selection import kept_profile, write_profile

    path = kept_profile(profile.weights_hash)
    write_profile(profile, path)
    note(f"kept: {path}; 'spectrum refine' brings a library up to date where its budget changes")
