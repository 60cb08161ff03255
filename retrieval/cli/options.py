"""Options that several commands share. Each has a twin in the environment, SPECTRUM_NAME."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PATHS = "paths"


LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        "-l",
        envvar="SPECTRUM_LIBRARY",
        metavar="DIR",
        help="Folder of the library; by default one in your data directory.",
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        envvar="SPECTRUM_ENCODER",
        metavar="E",
        help="embedded, open_clip:ARCH/PRETRAINED_OR_PATH or hf:ID_OR_DIR;"
        " a library keeps the one that it was built with.",
    ),
]
TopOption = Annotated[
    int,
    typer.Option("--top", "-t", envvar="SPECTRUM_TOP", metavar="N", min=1, help="How many hits."),
]
FormatOption = Annotated[
    Format,
    typer.Option("--format", envvar="SPECTRUM_FORMAT", case_sensitive=False, help="Output format."),
]
PathsOnlyOption = Annotated[
    bool,
    typer.Option(
        "--filepath-only",
        "-f",
        envvar="SPECTRUM_FILEPATH_ONLY",
        help="Print paths only, one a line; short for --format paths.",
    ),
]
NulOption = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        envvar="SPECTRUM_NULL",
        help="With paths: end each with a NUL byte, for xargs -0.",
    ),
]
ExitStatusOption = Annotated[
    bool, typer.Option("--exit-status", help="Exit with 1 if nothing was found.")
]
ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Show each part's similarity, and for each hit its caption, how the modules of the"
        " refinement weigh, and the neighbours that moved it most.",
    ),
]
StackOption = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="SPECTRUM_STACK",
        metavar="FILE",
        help="Refine by a stack of your own, from 'spectrum train', or by the one that is 'shipped'"
        " with the encoder; a library keeps the last one named.",
    ),
]


WhereOption = Annotated[
    str | None,
    typer.Option(
        "--where",
        "-w",
        envvar="SPECTRUM_WHERE",
        metavar="EXPR",
        help="Only pictures that fit, such as 'taken>=2019-06 and folder:Holiday'.",
    ),
]
DuplicatesOption = Annotated[
    bool,
    typer.Option(
        "--duplicates",
        envvar="SPECTRUM_DUPLICATES",
        help="Show near-identical pictures one by one, not under the best of them.",
    ),
]


FalseRejectOption = Annotated[
    float,
    typer.Option(
        "--false-reject",
        envvar="SPECTRUM_FALSE_REJECT",
        metavar="A",
        help="Refuse at most this share of good queries, above 0 and below 1.",
    ),
]


def chosen_format(format: Format, paths_only: bool, nul: bool) -> Format:
    """`-f` and `-0` both mean paths."""
    return Format.PATHS if paths_only or nul else format
