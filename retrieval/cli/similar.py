"""`spectrum similar`: pictures like one picture, itself left out."""

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.exits import Exit
from retrieval.cli.options import (
    DuplicatesOption,
    EncoderOption,
    ExitStatusOption,
    Format,
    FormatOption,
    LibraryOption,
    NulOption,
    PathsOnlyOption,
    TopOption,
    WhereOption,
    chosen_format,
)


def similar(
    image: Annotated[Path, typer.Argument(help="Any image file, in the library or not.")],
    top: TopOption = 10,
    itself: Annotated[
        bool, typer.Option("--itself", help="Keep files with the very bytes of IMAGE.")
    ] = False,
    where: WhereOption = None,
    duplicates: DuplicatesOption = False,
    paths_only: PathsOnlyOption = False,
    format: FormatOption = Format.TABLE,
    nul: NulOption = False,
    exit_status: ExitStatusOption = False,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Find pictures that look like IMAGE."""
    from retrieval.cli.output import write_answer
    from retrieval.library import Library
    from retrieval.query import QueryError

    if not image.expanduser().exists():
        raise QueryError(f"{image} is no file: check the path")
    with Library.open(library, encoder=encoder, create=False) as opened:
        answer = opened.similar(image, top=top, itself=itself, where=where, duplicates=duplicates)
    write_answer(
        answer, chosen_format(format, paths_only, nul), nul=nul, filtered=where is not None
    )
    if exit_status and not answer.hits:
        raise typer.Exit(Exit.NO_MATCH)
