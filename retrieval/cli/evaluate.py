"""`spectrum eval`: how good the search is on labelled images."""

import csv
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.options import EncoderOption, Format, FormatOption, LibraryOption

if TYPE_CHECKING:
    from retrieval.evaluation.compare import Comparison
    from retrieval.evaluation.run import Dataset, Report


def evaluate(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="captions.jsonl, a folder with one folder per class, a folder with qrels.txt and"
            " queries.tsv, or COCO's captions JSON."
        ),
    ],
    split: Annotated[
        str | None, typer.Option(metavar="S", help="Only rows, or the folder, of this split.")
    ] = None,
    format: FormatOption = Format.TABLE,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a page with plots and the hardest queries."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RUN.json", help="Compare with an earlier --format json."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="FILE.trec", help="Write TREC runs and qrels, one a direction."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Measure search on your own labels: hit@k, recall@k, mAP, MRR, nDCG with 95 % intervals.

    With --library the images are looked up there. Without, they are indexed into a library of
    their own in the cache directory, which the next evaluation of this dataset uses again.
    """
    from retrieval.evaluation.datasets import open_dataset
    from retrieval.evaluation.directions import SHOWN
    from retrieval.evaluation.run import evaluate as measured
    from retrieval.evaluation.trec import DEPTH
    from retrieval.library import Library

    _refuse_what_cannot_be_written(format, report, run)
    path = Path(os.path.abspath(dataset.expanduser()))
    data = open_dataset(path, split)
    if library is None:
        library = _cached_library(path, encoder)
        _index(data, library, encoder)
    with Library.open(library, encoder=encoder, create=False) as opened:
        depth = SHOWN if run is None else DEPTH
        name = str(dataset) if split is None else f"{dataset}, split {split}"
        found = measured(opened, data, name=name, seed=seed, depth=depth)
    compared = None if against is None else _compared(found, against)
    write_report(found, format, compared)
    _write_files(found, compared, report, run)


def _refuse_what_cannot_be_written(format: Format, report: Path | None, run: Path | None) -> None:
    """Says so before the measuring, which may take minutes."""
    from retrieval.evaluation.report import missing_packages

    if format is Format.PATHS:
        raise typer.BadParameter("an evaluation holds no paths: use table, json, jsonl or csv")
    if report is not None and (missing := missing_packages()):
        raise typer.BadParameter(
            f"the page needs {' and '.join(missing)}: pip install 'spectrum-retrieval[report]'",
            param_hint="--report",
        )
    for file, option in ((report, "--report"), (run, "--run")):
        if file is not None and file.is_dir():
            raise typer.BadParameter(f"{file} is a folder: name a file", param_hint=option)
        if file is not None and not file.absolute().parent.is_dir():
            raise typer.BadParameter(
                f"the folder {file.absolute().parent} does not exist: make it", param_hint=option
            )


def _cached_library(dataset: Path, encoder: str | None) -> Path:
    from platformdirs import user_cache_path

    key = hashlib.blake2b(f"{dataset}\n{encoder}".encode(errors="surrogateescape"), digest_size=8)
    folder = user_cache_path("spectrum", appauthor=False) / "evaluation"
    return folder / f"{dataset.stem}-{key.hexdigest()}.library"


def _index(data: "Dataset", library: Path, encoder: str | None) -> None:
    from indexer.build import BuildOptions
    from retrieval.cli.index import index_with_progress
    from retrieval.evaluation.datasets import DatasetError

    # Datasets come and go: what is gone from them is simply forgotten.
    options = BuildOptions(only=frozenset(map(str, data.images)), hidden=True, prune=True)
    folders = sorted({str(path.parent) for path in data.images if path.parent.is_dir()})
    if not folders:
        raise DatasetError(
            f"none of the {len(data.images)} images exists, the first: {data.images[0]}; put them"
            " there, or mend the names in the dataset"
        )
    index_with_progress(folders, library, encoder, options)


def _compared(report: "Report", against: Path) -> "Comparison":
    from retrieval.evaluation.compare import compare

    directions = {
        name: ([query.identity for query in of.queries], of.ranked)
        for name, of in report.directions.items()
    }
    return compare(directions, against.expanduser(), seed=report.seed)


def _write_files(
    report: "Report", compared: "Comparison | None", page: Path | None, run: Path | None
) -> None:
    from retrieval.cli.output import note
    from retrieval.evaluation.report import write_report as write_page
    from retrieval.evaluation.trec import write_trec

    if page is not None:
        write_page(report, page, against=compared)
        note(f"page: {page}")
    if run is not None:
        directions = {
            name: (of.queries, of.items, of.ranked) for name, of in report.directions.items()
        }
        for file in write_trec(run, directions, tag=f"spectrum-{report.encoder}"):
            note(f"TREC: {file}")


def write_report(report: "Report", format: Format, compared: "Comparison | None" = None) -> None:
    """Prints a report: JSON and CSV for programs, a table for people."""
    from retrieval.cli.output import json_text, note

    match format:
        case Format.TABLE:
            _print_tables(report, compared)
            note(f"{report.n_images:,} pictures, encoder {report.encoder}")
            for said in (*report.notes, *(compared.notes if compared else ())):
                note(said)
        case Format.JSON:
            said_json = report.as_json()
            if compared is not None:
                said_json["against"] = compared.as_json()
            print(json_text(said_json))
        case Format.CSV:
            rows = list(_rows(report, compared))
            writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        case _:
            for row in _rows(report, compared):
                print(json.dumps(row))


def _rows(report: "Report", compared: "Comparison | None") -> Iterator[dict[str, Any]]:
    """One row for each direction and metric."""
    from retrieval.evaluation.intervals import Estimate

    for direction, block in report.blocks.items():
        for key, figure in block.items():
            if not isinstance(figure, Estimate):
                continue
            beside = report.baseline[direction][key]
            row: dict[str, Any] = {"direction": direction, "metric": key} | figure.as_json()
            row["baseline"] = beside.value if isinstance(beside, Estimate) else None
            if compared is not None:
                change = compared.changes.get(direction, {}).get(key)
                row["before"] = change.before if change else None
                row["difference"] = change.difference.value if change else None
                row["p"] = change.difference.p if change else None
            yield row | {"n_queries": block["n_queries"]}


def _print_tables(report: "Report", compared: "Comparison | None") -> None:
    from rich.table import Table

    from retrieval.cli.output import printed
    from retrieval.evaluation.intervals import Estimate

    for name, block in report.blocks.items():
        changes = compared.changes.get(name, {}) if compared else {}
        table = Table(box=None, pad_edge=False)
        table.add_column(f"{name}, {block['n_queries']:,} queries")
        columns = ["%", "95 % interval", "baseline %"]
        columns += ["before %", "difference", "95 % interval", "p"] if changes else []
        for column in columns:
            table.add_column(column, justify="right")
        for key, figure in block.items():
            beside = report.baseline[name][key]
            if not isinstance(figure, Estimate) or not isinstance(beside, Estimate):
                continue
            cells = [
                f"{100 * figure.value:.1f}",
                f"{100 * figure.low:.1f} to {100 * figure.high:.1f}",
            ]
            cells.append(f"{100 * beside.value:.1f}")
            if (change := changes.get(key)) is not None:
                gained = change.difference
                cells += [f"{100 * change.before:.1f}", f"{100 * gained.value:+.1f}"]
                cells += [f"{100 * gained.low:+.1f} to {100 * gained.high:+.1f}", f"{gained.p:.2g}"]
            table.add_row(key, *cells)
        printed(table)
        print()
