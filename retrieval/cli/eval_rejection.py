"""`spectrum eval-rejection`: which detector tells your known queries from your unknown ones."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.options import (
    EncoderOption,
    FalseRejectOption,
    Format,
    FormatOption,
    LibraryOption,
)

if TYPE_CHECKING:
    from retrieval.rejection.contest import Contestant


def eval_rejection(
    known: Annotated[
        Path,
        typer.Argument(
            help="Queries that the library has something for: captions.jsonl, a text file with one"
            " query a line, or a folder of images."
        ),
    ],
    unknown: Annotated[
        list[Path], typer.Argument(help="Sets of queries of the same kind that it has nothing for.")
    ],
    split: Annotated[str | None, typer.Option(metavar="S", help="Of the known captions.")] = None,
    false_reject: FalseRejectOption = 0.05,
    detector: Annotated[
        list[str] | None, typer.Option(metavar="D", help="Only these; repeatable.")
    ] = None,
    format: FormatOption = Format.TABLE,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Compare all detectors on your own known and unknown queries.

    Each is fitted to the library as `calibrate` would; nothing that is saved is changed.
    """
    from retrieval.cli.output import json_text, note
    from retrieval.library import Library
    from retrieval.rejection.comparison import compared

    with Library.open(library, encoder=encoder, create=False) as opened:
        found = compared(
            opened,
            Path(os.path.abspath(known.expanduser())),
            [Path(os.path.abspath(path.expanduser())) for path in unknown],
            split=split,
            false_reject=false_reject,
            names=tuple(detector or ()),
            say=note,
        )
    if format is Format.TABLE:
        _print(found)
    else:
        rows = [
            asdict(each) | {"false_rejects": one.false_rejects}
            for one in found
            for each in one.separations
        ]
        print(json_text(rows))


def _print(found: "list[Contestant]") -> None:
    from rich.table import Table

    from retrieval.cli.output import printed

    table = Table(box=None, pad_edge=False)
    table.add_column("AUROC / FPR@95TPR / accepted, %")
    table.add_column("known refused", justify="right")
    for separation in found[0].separations:
        table.add_column(separation.unknown, justify="right")
    for one in found:
        cells = [
            f"{100 * each.auroc:.1f} / {100 * each.fpr_at_95_tpr:.0f} / {100 * each.accepted:.0f}"
            for each in one.separations
        ]
        table.add_row(one.detector, f"{100 * one.false_rejects:.1f}", *cells)
    printed(table)
