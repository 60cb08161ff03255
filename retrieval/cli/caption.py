"""`spectrum caption`: one plain sentence for each picture."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.exits import Exit
from retrieval.cli.options import Format, FormatOption

if TYPE_CHECKING:
    from retrieval.cli.progress import BarProgress
    from spectrum.captioners import Captioner

BATCH = 32
"""Pictures that are decoded, and then described, together."""


@dataclass(frozen=True, kw_only=True)
class CaptionedFile:
    """A picture and what was said of it. The fields are the columns of every format."""

    path: str
    """As it was given, or as the folder's walk found it."""
    caption: str
    """One sentence."""
    confidence: float
    """In (0, 1], see the captioner."""


@dataclass(frozen=True, kw_only=True)
class Uncaptioned:
    """A file that gave no picture."""

    path: str
    message: str
    """One line for people."""


def caption(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.")
    ],
    beam: Annotated[
        int,
        typer.Option(
            "--beam",
            envvar="SPECTRUM_BEAM",
            metavar="N",
            min=1,
            max=20,
            help="Sentences followed at the same time; 1 is fastest, 3 to 5 write best.",
        ),
    ] = 3,
    captioner: Annotated[
        str,
        typer.Option(
            "--captioner",
            envvar="SPECTRUM_CAPTIONER",
            metavar="C",
            help="embedded or embedded:FOLDER.",
        ),
    ] = "embedded",
    format: FormatOption = Format.TABLE,
) -> None:
    """Describe pictures, each in one plain sentence."""
    from retrieval.cli.output import note
    from retrieval.cli.progress import BarProgress
    from spectrum.captioners import load_captioner

    if format is Format.PATHS:
        raise typer.BadParameter("a list of paths holds no caption: use table, json, jsonl or csv")
    loaded = load_captioner(captioner)
    paths, failures = _found(images)
    # A bar between printed rows would only be in the way.
    streamed = format in (Format.JSONL, Format.CSV) and sys.stdout.isatty()
    with nullcontext() if streamed else BarProgress("captioning", lambda: False) as progress:
        rows = _successes(_described(paths, loaded, beam, progress), failures)
        _write(rows, format)
    for failure in failures:
        note(f"{failure.path}: {failure.message}")
    if failures:
        raise typer.Exit(Exit.SOME_FAILED)
    if not paths:
        note("no image was found there: names need an image's suffix, and no leading dot")


def _found(images: Sequence[Path]) -> tuple[list[str], list[Uncaptioned]]:
    """The files to describe, folders walked as `spectrum index` does; what could not be reached."""
    from indexer.formats import IMAGE_SUFFIXES
    from indexer.walk import FoundFile, walk

    paths: dict[str, None] = {}
    failures = []
    for image in images:
        given = os.path.expanduser(image)
        if not os.path.lexists(given):
            failures.append(Uncaptioned(path=given, message="no such file"))
            continue
        if not os.path.isdir(given):
            paths[given] = None
            continue
        try:
            entries = list(walk(given, suffixes=IMAGE_SUFFIXES))
        except OSError as error:
            failures.append(Uncaptioned(path=given, message=error.strerror or str(error)))
            continue
        for entry in entries:
            if isinstance(entry, FoundFile):
                paths[entry.path] = None
            else:
                failures.append(Uncaptioned(path=entry.path, message=entry.message))
    return list(paths), failures


def _described(
    paths: Sequence[str], captioner: "Captioner", beam: int, progress: "BarProgress | None"
) -> Iterator[CaptionedFile | Uncaptioned]:
    """What is said of each file, or why nothing is, in the order given."""
    if progress:
        progress.start(len(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            read = list(pool.map(lambda path: _prepared(path, captioner), batch))
            pixels = [made for made in read if not isinstance(made, Uncaptioned)]
            captions = iter(captioner.caption(pixels, beam=beam))
            for path, made in zip(batch, read, strict=True):
                if isinstance(made, Uncaptioned):
                    yield made
                else:
                    said = next(captions)
                    yield CaptionedFile(
                        path=path, caption=said.text, confidence=round(said.confidence, 6)
                    )
            if progress:
                progress.advance(len(batch), len(batch) - len(pixels))


def _prepared(path: str, captioner: "Captioner") -> Any:
    """The captioner's pixels of a file, or an Uncaptioned."""
    from indexer.images import Limits, UnreadableImageError, decode, read_file

    try:
        data = read_file(path, Limits())
        image = decode(data, limits=Limits(), side_pixels=captioner.side_pixels)
        return captioner.prepare(image.rgb)
    except (UnreadableImageError, ValueError) as error:
        return Uncaptioned(path=path, message=str(error))


def _successes(
    outcomes: Iterator[CaptionedFile | Uncaptioned], failures: list[Uncaptioned]
) -> Iterator[dict[str, Any]]:
    """The rows to print; failures are put aside."""
    for outcome in outcomes:
        if isinstance(outcome, Uncaptioned):
            failures.append(outcome)
        else:
            yield asdict(outcome)


def _write(rows: Iterator[dict[str, Any]], format: Format) -> None:
    """Prints captions; JSONL and CSV as they come, the others when all are there."""
    import csv
    import json

    from retrieval.cli.output import json_text, shown

    match format:
        case Format.JSON:
            print(json_text(list(rows)))
        case Format.JSONL:
            for row in rows:
                print(json.dumps(row), flush=True)
        case Format.CSV:
            names = list(CaptionedFile.__dataclass_fields__)
            writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
            writer.writeheader()
            for row in rows:
                writer.writerow({**row, "path": shown(row["path"])})
        case _:
            _write_table(list(rows))


def _write_table(rows: Sequence[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from retrieval.cli.output import printed, shown

    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("confidence", justify="right")
    table.add_column("caption", overflow="fold")
    table.add_column("path", overflow="fold")
    for row in rows:
        cells = (f"{row['confidence']:.3f}", escape(row["caption"]), escape(shown(row["path"])))
        table.add_row(*cells)
    printed(table)
