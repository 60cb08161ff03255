"""`spectrum duplicates`: files that hold the same picture."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.exits import Exit
from retrieval.cli.options import (
    ExitStatusOption,
    Format,
    FormatOption,
    LibraryOption,
    NulOption,
    PathsOnlyOption,
    chosen_format,
)

if TYPE_CHECKING:
    from retrieval.duplicates import DuplicateGroup


def duplicates(
    exact: Annotated[
        bool, typer.Option("--exact", help="Only files with the very same bytes.")
    ] = False,
    omit_first: Annotated[
        bool,
        typer.Option("--omit-first", help="Leave out the best file of each group."),
    ] = False,
    paths_only: PathsOnlyOption = False,
    format: FormatOption = Format.TABLE,
    nul: NulOption = False,
    exit_status: ExitStatusOption = False,
    library: LibraryOption = None,
) -> None:
    """Find files that hold the same picture: copies, other sizes, formats and compressions.

    The best file of each group comes first: most pixels, then most bytes. Nothing is deleted.
    """
    from retrieval.library import Library

    with Library.open(library, create=False) as opened:
        groups = opened.duplicates(exact=exact)
    _write(groups, chosen_format(format, paths_only, nul), nul=nul, omit_first=omit_first)
    if exit_status and not groups:
        raise typer.Exit(Exit.NO_MATCH)


def _write(
    groups: "Sequence[DuplicateGroup]", format: Format, *, nul: bool, omit_first: bool
) -> None:
    from retrieval.cli.output import json_text, note, shown, write_paths

    rows = [
        [{"group": number, **asdict(file)} for file in group.files[int(omit_first) :]]
        for number, group in enumerate(groups, 1)
    ]
    match format:
        case Format.JSON:
            print(json_text([{"group": i, "files": _bare(some)} for i, some in enumerate(rows, 1)]))
        case Format.JSONL:
            for number, some in enumerate(rows, 1):
                print(json.dumps({"group": number, "files": _bare(some)}))
        case Format.CSV:
            columns = ["group", "path", "kind", "similarity", "image_id", "width", "height"]
            columns += ["size_bytes", "format"]
            writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "path": shown(row["path"])} for some in rows for row in some)
        case Format.PATHS:
            write_paths([row["path"] for some in rows for row in some], nul=nul)
        case Format.TABLE if not groups:
            note("no duplicates")
        case Format.TABLE:
            _print_table(rows)
            n_files = sum(len(group.files) - 1 for group in groups)
            spared = sum(file.size_bytes for group in groups for file in group.files[1:])
            note(f"{len(groups)} groups, {n_files} files beside the best, {spared / 1e6:.1f} MB")


def _bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "group"} for row in rows]


def _print_table(rows: list[list[dict[str, Any]]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from retrieval.cli.output import printed, shown

    table = Table(box=None, pad_edge=False)
    for column in ("group", "pixels", "kB"):
        table.add_column(column, justify="right")
    for column in ("kind", "path"):
        table.add_column(column, overflow="fold")
    for some in rows:
        for place, row in enumerate(some):
            table.add_row(
                "" if place else str(row["group"]),
                f"{row['width']} x {row['height']}",
                f"{row['size_bytes'] / 1000:,.0f}",
                row["kind"] if row["kind"] != "near" else f"near {row['similarity']:.3f}",
                escape(shown(row["path"])),
            )
    printed(table)
