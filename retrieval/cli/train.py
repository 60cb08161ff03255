"""`spectrum train`: a stack that refines an encoder's vectors, from captioned images."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.exits import Exit
from retrieval.cli.options import EncoderOption
from retrieval.cli.trained_file import require_writable, tell_of_failures, work_folder

if TYPE_CHECKING:
    from indexer.pipeline import Flow
    from indexer.walk import FoundFile
    from retrieval.cli.stage_bars import StageBars
    from retrieval.evaluation.datasets import CaptionDataset
    from spectrum.stack.learning.course import Course

LARGE_BYTES = 1_000_000_000
"""Grids that take more are told of before they are made."""


def _checked_epochs(epochs: str) -> str:
    parts = epochs.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"'{epochs}' is not three numbers of epochs, as in 16,3,5")
    return epochs


def train(
    captions: Annotated[
        Path, typer.Argument(metavar="CAPTIONS.jsonl", help="Or a folder that holds one.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The stack to write.")],
    encoder: EncoderOption = None,
    split: Annotated[str | None, typer.Option(metavar="S", help="Only rows of this split.")] = None,
    epochs: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            callback=_checked_epochs,
            help="At most, of the three stages: modules alone, together, integrated.",
        ),
    ] = "16,3,5",
    seed: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    mirror: Annotated[
        bool, typer.Option(help="Learn from mirror images too, which have to be encoded.")
    ] = True,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What the encoder said is kept here; FILE.work."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="By default beside the stack.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing FILE.")] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", "-b", envvar="SPECTRUM_BATCH_SIZE", metavar="N", min=1)
    ] = 32,
) -> None:
    """Train a SPECTRUM stack for an encoder that gives a grid of tokens.

    Each image is encoded once: after Ctrl-C, or a kill, the same command goes on.
    """
    from indexer.pipeline import Flow
    from retrieval.cli.output import note
    from retrieval.cli.stage_bars import StageBars

    page = report or out.with_suffix(".report.html")
    require_writable(out, page, force)
    dataset = _dataset(captions, split)
    failures: list[str] = []
    with StageBars() as bars:
        course = _course(
            encoder or "embedded", work or work_folder(out), epochs, seed, mirror, bars
        )
        try:
            _tell_of_size(course, len(dataset.images))
            described = _encoded(course, dataset, failures, Flow(batch_size=batch_size), bars)
            bars.close()
            tell_of_failures(failures, f"{page} will have them")
            said = _learned(course, described, out)
        except KeyboardInterrupt:
            bars.close()
            note(f"interrupted: what is done is kept in {course.work};"
                 " run the same command again to go on")  # fmt: skip
            raise
    said["unreadable"] = failures
    from spectrum.stack.learning.report import write_report

    _summarise(said, out, write_report(said, page))
    if failures:
        raise typer.Exit(Exit.SOME_FAILED)


def _dataset(path: Path, split: str | None) -> "CaptionDataset":
    from retrieval.evaluation.datasets import CaptionDataset, DatasetError, open_dataset

    dataset = open_dataset(path, split)
    if not isinstance(dataset, CaptionDataset):
        raise DatasetError(
            f"{path}: holds no captions; give a captions.jsonl, a folder that has one, or COCO's"
        )
    return dataset


def _course(
    encoder: str, work: Path, epochs: str, seed: int, mirror: bool, bars: "StageBars"
) -> "Course":
    """Raises ModelUnavailableError where the encoder is not here, or gives no grid."""
    from spectrum import encoders
    from spectrum.stack.learning.course import Course
    from spectrum.stack.settings import StackTraining

    alone, together, integrated = map(int, epochs.split(","))
    course = Course(
        encoder=encoders.load_encoder(encoder),
        work=work,
        training=StackTraining(alone=alone, together=together, integrated=integrated, seed=seed),
        mirrored=mirror,
        progress=bars,
    )
    _ = course.views
    return course


def _tell_of_size(course: "Course", n_images: int) -> None:
    from retrieval.cli.output import note

    n_bytes = 2 * n_images * course.views.identity.visual_dimension
    if n_bytes > LARGE_BYTES:
        rows, columns, channels = course.views.grid
        note(
            f"up to {n_bytes / 1e9:.1f} GB of grids, {rows} x {columns} x {channels} each, will be"
            f" kept in {course.work}"
        )


def _encoded(
    course: "Course",
    dataset: "CaptionDataset",
    failures: list[str],
    flow: "Flow",
    bars: "StageBars",
) -> dict[str, tuple[str, ...]]:
    """Encodes images that were not encoded before; captions of all that could be, by hash."""
    import numpy as np

    from indexer.images import Limits
    from indexer.pipeline import encoded_batches
    from indexer.records import EncodedFile, FailedFile

    said: dict[str, tuple[str, ...]] = {}
    for image, own in zip(dataset.images, dataset.captions, strict=True):
        said[str(image)] = said.get(str(image), ()) + own
    files = _files(list(said), failures)
    cache = course.images  # read now, since several threads ask it
    described: dict[str, tuple[str, ...]] = {}
    bars.stage("encoding images", len(files))
    for outcomes in encoded_batches(
        files,
        course.views,
        is_encoded=lambda hash: hash in cache,
        limits=Limits(),
        flow=flow,
    ):
        made = {one.hash: one.vector for one in outcomes if isinstance(one, EncodedFile)}
        if made:
            course.keep(list(made), np.stack(list(made.values())))
        for outcome in outcomes:
            if isinstance(outcome, FailedFile):
                failures.append(f"{outcome.path}: {outcome.message}")
            else:
                both = (*described.get(outcome.hash, ()), *said[outcome.path])
                described[outcome.hash] = tuple(dict.fromkeys(both))
        bars.advance(len(outcomes))
    return described


def _files(paths: Sequence[str], failures: list[str]) -> list["FoundFile"]:
    """The images that are there; the others are failures, in words."""
    from indexer.walk import FoundFile

    found = []
    for path in paths:
        try:
            told = os.stat(path)
        except OSError as error:
            failures.append(f"{path}: {error.strerror}")
            continue
        found.append(FoundFile(path=path, size_bytes=told.st_size, mtime_ns=told.st_mtime_ns))
    return found


def _learned(course: "Course", described: dict[str, tuple[str, ...]], out: Path) -> dict[str, Any]:
    from spectrum.stack.learning.captions import TooFewImagesError
    from spectrum.stack.learning.story import learned

    try:
        return learned(course, described, out)
    except TooFewImagesError as error:
        raise typer.BadParameter(str(error), param_hint="CAPTIONS.jsonl") from None


def _summarise(said: dict[str, Any], out: Path, written: Sequence[Path]) -> None:
    from retrieval.cli.output import note
    from spectrum.stack.learning.report import METRICS, ROWS, shown_interval

    held = said["held_out"]
    note(
        f"{held['captions']:,} captions among {held['images']:,} images that nothing was fitted to,"
        " per cent with 95 % intervals:"
    )
    for name, row in ROWS.items():
        figures = ", ".join(f"{metric} {shown_interval(held['rows'][name][metric])}"
                            for metric in METRICS)  # fmt: skip
        note(f"{row}: {figures}")
    note(f"stack: {out}, {said['stack']['bytes'] / 1e6:.1f} MB")
    note(f"report: {written[0]}")
