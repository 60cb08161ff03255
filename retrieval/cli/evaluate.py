"""`spectrum eval`: how good the search is on labelled images."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.options import EncoderOption, Format, FormatOption, LibraryOption

if TYPE_CHECKING:
    from retrieval.evaluation.datasets import CaptionDataset, ClassDataset
    from retrieval.evaluation.run import Report


def evaluate(
    dataset: Annotated[
        Path, typer.Argument(help="captions.jsonl, or a folder with one folder per class.")
    ],
    split: Annotated[
        str | None, typer.Option(metavar="S", help="Only rows, or the folder, of this split.")
    ] = None,
    format: FormatOption = Format.TABLE,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Measure search on your own labels: hit@k, recall@k, mAP, MRR with 95 % intervals.

    With --library the images are looked up there. Without, they are indexed into a library of
    their own in the cache directory, which the next evaluation of this dataset uses again.
    """
    from retrieval.evaluation.datasets import open_dataset
    from retrieval.evaluation.run import evaluate as measured
    from retrieval.library import Library

    path = Path(os.path.abspath(dataset.expanduser()))
    data = open_dataset(path, split)
    if library is None:
        library = _cached_library(path, encoder)
        _index(data, library, encoder)
    with Library.open(library, encoder=encoder, create=False) as opened:
        report = measured(opened, data, name=str(dataset), seed=seed)
    write_report(report, format)


def _cached_library(dataset: Path, encoder: str | None) -> Path:
    from platformdirs import user_cache_path

    key = hashlib.blake2b(f"{dataset}\n{encoder}".encode(errors="surrogateescape"), digest_size=8)
    folder = user_cache_path("spectrum", appauthor=False) / "evaluation"
    return folder / f"{dataset.stem}-{key.hexdigest()}.library"


def _index(data: "CaptionDataset | ClassDataset", library: Path, encoder: str | None) -> None:
    from indexer.build import BuildOptions
    from retrieval.cli.index import index_with_progress

    # Datasets come and go: what is gone from them is simply forgotten.
    options = BuildOptions(only=frozenset(map(str, data.images)), hidden=True, prune=True)
    folders = sorted({str(path.parent) for path in data.images})
    index_with_progress(folders, library, encoder, options)


def write_report(report: "Report", format: Format) -> None:
    """Prints a report: JSON for programs, a table for people."""
    from rich.table import Table

    from retrieval.cli.output import json_text, note, printed
    from retrieval.evaluation.intervals import Estimate

    if format is not Format.TABLE:
        print(json_text(report.as_json()))
        return
    for name, block in report.blocks.items():
        table = Table(box=None, pad_edge=False)
        table.add_column(f"{name}, {block['n_queries']:,} queries")
        table.add_column("%", justify="right")
        table.add_column("95 % interval", justify="right")
        for key, figure in block.items():
            if isinstance(figure, Estimate):
                interval = f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
                table.add_row(key, f"{100 * figure.value:.1f}", interval)
        printed(table)
        print()
    note(f"{report.n_images:,} pictures, encoder {report.encoder}")
    if report.missing:
        note(
            f"{len(report.missing):,} images of the dataset are not in the library and count as"
            f" not found, the first: {report.missing[0]}"
        )
