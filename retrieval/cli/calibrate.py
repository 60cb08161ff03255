"""`spectrum calibrate`: teaches a library to say that nothing here matches."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.options import EncoderOption, FalseRejectOption, LibraryOption

if TYPE_CHECKING:
    from retrieval.rejection.gate import Gate


def calibrate(
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="captions.jsonl with what people wrote of these pictures; without, words are"
            " judged by other photographs' captions.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="S", help="Only captions of this split.")
    ] = None,
    false_reject: FalseRejectOption = 0.05,
    detector: Annotated[
        str, typer.Option(metavar="D", help="Who judges words; by default what won.")
    ] = "",
    image_detector: Annotated[
        str, typer.Option(metavar="D", help="Who judges images; by default what won.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of voids, splits and training.")] = 0,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Calibrate the refusal of queries that the library has nothing for.

    `index` does this by itself for images. Captions by people tell far more of words: name them
    once with --captions; later calibrations read the same file.
    """
    from retrieval.cli.output import note
    from retrieval.library import Library
    from retrieval.rejection.calibration import CalibrationError
    from retrieval.rejection.library_gate import CalibrationOptions
    from retrieval.rejection.library_gate import calibrate as fitted

    options = CalibrationOptions(
        captions=captions.expanduser().absolute() if captions else None,
        split=split,
        false_reject=false_reject,
        text_detector=detector,
        image_detector=image_detector,
        seed=seed,
    )
    with Library.open(library, encoder=encoder, create=False) as opened:
        try:
            gate = fitted(opened, options, note)
        except ValueError as error:
            if isinstance(error, CalibrationError) or "there is no detector" not in str(error):
                raise
            raise typer.BadParameter(str(error)) from error
    _tell(gate, false_reject)


def _tell(gate: "Gate", false_reject: float) -> None:
    """Who judges what, by how many good queries, and what that promises."""
    from retrieval.cli.output import note
    from retrieval.rejection.calibration import rate_deviation

    for head in gate.heads.values():
        for group, scores in head.calibrating.items():
            deviation = rate_deviation(false_reject, len(scores))
            note(
                f"{group}: {head.detector_name}, n = {len(scores):,}; at most"
                f" {false_reject:.1%} of good queries refused, give or take {deviation:.1%}"
            )
