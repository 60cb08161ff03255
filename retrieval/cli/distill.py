"""`spectrum distill`: a small encoder for one's own pictures, taught by a large one."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.exits import Exit
from retrieval.cli.trained_file import require_writable, tell_of_failures, work_folder

if TYPE_CHECKING:
    from indexer.pipeline import Flow
    from indexer.walk import FoundFile, UnreachableFile
    from retrieval.cli.stage_bars import StageBars
    from spectrum.encoders import RgbImage
    from spectrum.students.knowledge import Distillation
    from spectrum.students.settings import StudentTraining


def distill(
    teacher: Annotated[
        str,
        typer.Option(metavar="E", help="open_clip:…, hf:…, or an image network tflite:FILE[#N]."),
    ],
    images: Annotated[
        list[str], typer.Option(metavar="DIR", help="Pictures to learn from; repeatable.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The encoder to write, X.spectrum.")],
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A captions.jsonl of some of the pictures.")
    ] = None,
    epochs: Annotated[
        int, typer.Option(metavar="N", min=0, help="At most; 0 leaves ridge regression.")
    ] = 30,
    texts: Annotated[
        int, typer.Option(metavar="N", min=40, help="Made-up queries that the teacher is asked.")
    ] = 4000,
    seed: Annotated[int, typer.Option(metavar="S", min=0)] = 0,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What the teacher said is kept here; FILE.work."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="By default beside the encoder.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Leave out names or paths; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing FILE.")] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", "-b", envvar="SPECTRUM_BATCH_SIZE", metavar="N", min=1)
    ] = 32,
) -> None:
    """Distil a large encoder into one small file for pictures like yours.

    `--encoder embedded:FILE` then indexes and searches without the teacher and without torch.
    The teacher is asked about each picture once: after Ctrl-C the same command goes on.
    """
    from indexer.pipeline import Flow
    from retrieval.cli.output import note, shown
    from retrieval.cli.stage_bars import StageBars
    from spectrum.students.settings import StudentTraining

    page = report or out.with_suffix(".report.html")
    require_writable(out, page, force)
    files, failures = _found(images, exclude or [])
    described = _captions_by_path(captions, files)
    with StageBars() as bars:
        training = StudentTraining(epochs=epochs, generic_texts=texts, seed=seed)
        distillation = _distillation(teacher, work or work_folder(out), training, bars)
        try:
            path_of = _asked(distillation, files, failures, Flow(batch_size=batch_size), bars)
            said = _taught(distillation, path_of, described, out)
        except KeyboardInterrupt:
            bars.close()
            note(f"interrupted: what is done is kept in {shown(str(distillation.work))};"
                 " run the same command again to go on")  # fmt: skip
            raise
    said["unreadable"] = failures
    from spectrum.students.report import write_report

    _summarise(said, out, write_report(said, page), failures)
    if failures:
        raise typer.Exit(Exit.SOME_FAILED)


def _found(roots: Sequence[str], exclude: Sequence[str]) -> tuple[list["FoundFile"], list[str]]:
    """The pictures below the folders, each once, and what could not be reached, in words."""
    from indexer.images import IMAGE_SUFFIXES
    from indexer.walk import FoundFile, walk

    found: dict[str, FoundFile | UnreachableFile] = {}
    for root in roots:
        for entry in walk(root, exclude=exclude, suffixes=IMAGE_SUFFIXES):
            found.setdefault(entry.path, entry)
    files = [entry for entry in found.values() if isinstance(entry, FoundFile)]
    failures = [
        f"{entry.path}: {entry.message}"
        for entry in found.values()
        if not isinstance(entry, FoundFile)
    ]
    return files, failures


def _captions_by_path(
    captions: Path | None, files: Sequence["FoundFile"]
) -> dict[str, tuple[str, ...]]:
    """Captions of the files that were found, by their paths."""
    from retrieval.evaluation.datasets import CAPTIONS_NAME, DatasetError, read_captions

    if captions is None:
        return {}
    dataset = read_captions(captions / CAPTIONS_NAME if captions.is_dir() else captions)
    said: dict[str, tuple[str, ...]] = {}
    for image, own in zip(dataset.images, dataset.captions, strict=True):
        real = os.path.realpath(image)
        said[real] = said.get(real, ()) + own
    described = {
        file.path: said[real] for file in files if (real := os.path.realpath(file.path)) in said
    }
    if not described:
        raise DatasetError(
            f"{captions}: none of its {len(dataset.images)} images is among the"
            f" {len(files)} pictures of --images: give the folder that it describes"
        )
    return described


def _distillation(
    teacher: str, work: Path, training: "StudentTraining", bars: "StageBars"
) -> "Distillation":
    from spectrum.encoders.embedded import EmbeddedEncoder
    from spectrum.students.knowledge import Distillation
    from spectrum.students.teachers import load_teacher

    return Distillation(
        teacher=load_teacher(teacher),
        base=EmbeddedEncoder(),
        work=work,
        training=training,
        progress=bars,
    )


def _asked(
    distillation: "Distillation",
    files: Sequence["FoundFile"],
    failures: list[str],
    flow: "Flow",
    bars: "StageBars",
) -> dict[str, str]:
    """Asks the teacher about every picture that it has not seen; paths by content hash."""
    import numpy as np

    from indexer.images import Limits
    from indexer.pipeline import encoded_batches
    from indexer.records import EncodedFile, FailedFile

    cache = distillation.pictures
    path_of: dict[str, str] = {}
    bars.stage("asking the teacher", len(files))
    for outcomes in encoded_batches(
        files,
        distillation.paired,
        is_encoded=lambda hash: hash in cache,
        limits=Limits(),
        flow=flow,
    ):
        made = [outcome for outcome in outcomes if isinstance(outcome, EncodedFile)]
        if made:
            cache.add([one.hash for one in made], np.stack([one.vector for one in made]))
        for outcome in outcomes:
            if isinstance(outcome, FailedFile):
                failures.append(f"{outcome.path}: {outcome.message}")
            else:
                path_of.setdefault(outcome.hash, outcome.path)
        bars.advance(len(outcomes))
    return path_of


def _taught(
    distillation: "Distillation",
    path_of: dict[str, str],
    described: dict[str, tuple[str, ...]],
    out: Path,
) -> dict[str, Any]:
    from spectrum.students.lessons import TooFewPicturesError
    from spectrum.students.student import distilled

    captions = {hash: described[path] for hash, path in path_of.items() if path in described}
    side_pixels = distillation.paired.side_pixels
    try:
        return distilled(distillation, list(path_of), captions, _decoder(path_of, side_pixels), out)
    except TooFewPicturesError as error:
        raise typer.BadParameter(str(error), param_hint="--images") from None


def _decoder(
    path_of: dict[str, str], side_pixels: int
) -> Callable[[Sequence[str]], Iterator[tuple[str, "RgbImage"]]]:
    """Decodes pictures by hash; one that was changed or removed meanwhile is left out."""
    from indexer.images import Limits, UnreadableImageError, content_hash, decode, read_file

    def decoded(hashes: Sequence[str]) -> Iterator[tuple[str, "RgbImage"]]:
        for hash in hashes:
            try:
                data = read_file(path_of[hash], Limits())
                image = decode(data, limits=Limits(), side_pixels=side_pixels)
            except UnreadableImageError:
                continue
            if content_hash(data) == hash:
                yield hash, image.rgb

    return decoded


def _summarise(
    said: dict[str, Any], out: Path, written: Sequence[Path], failures: Sequence[str]
) -> None:
    from retrieval.cli.output import note
    from spectrum.students.card import other_lines, shown_interval

    tell_of_failures(failures, f"see {written[1]}")
    figures = said["images"]
    note(
        f"{out}: cosine to the teacher on {figures['n']} pictures it never saw:"
        f" {shown_interval(figures['cosine']['student'])};"
        f" ridge regression {shown_interval(figures['cosine']['linear'])};"
        f" always the mean vector {shown_interval(figures['cosine']['mean_vector'])}"
    )
    for line in other_lines(said):
        note(line)
    note(f"report: {written[0]}")
    note(f"use it: spectrum index DIR --encoder embedded:{out}")
