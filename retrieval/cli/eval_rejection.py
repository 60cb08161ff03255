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

    Each is fitted to the library as `calibrate` would, but for `expected-match`, which judges words
    without captions and comes with the encoder. Nothing that is saved is changed.
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
        _print(found, false_reject)
    else:
        rows = [
            asdict(each) | {"false_rejects": one.false_rejects}
            for one in found
            for each in one.separations
        ]
        print(json_text(rows))


def _print(found: "list[Contestant]", false_reject: float) -> None:
    """A table for each unknown set, best detector first: narrow, however many sets there are."""
    from rich.table import Table

    from retrieval.cli.output import note, printed, shown

    for place, separation in enumerate(found[0].separations):
        count = len(found[0].unknown[separation.unknown])
        print(f"{shown(separation.unknown)}: {count:,} queries")
        table = Table(box=None, pad_edge=False)
        table.add_column("detector", no_wrap=True)
        for name in ("AUROC", "FPR@95TPR", "accepted", "known refused"):
            table.add_column(name, justify="right", no_wrap=True)
        for one in sorted(found, key=lambda one: -one.separations[place].auroc):
            mine = one.separations[place]
            shares = (mine.fpr_at_95_tpr, mine.accepted, one.false_rejects)
            cells = [f"{100 * share:.1f} %" for share in shares]
            table.add_row(one.detector, f"{mine.auroc:.3f}", *cells)
        printed(table)
        print()
    note(
        f"{len(found[0].known):,} known queries. AUROC: how often a known query looks more known"
        " than an unknown one. FPR@95TPR: unknown queries accepted where 95 % of the known ones"
        f" are. Accepted and refused: by thresholds calibrated for at most {false_reject:.0%}"
        " refused."
    )
