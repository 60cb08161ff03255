"""Good text queries of a library: what people wrote of its own pictures, and nothing else.

Sentences of the built-in captioner do not serve: a gate calibrated on them refused four fifths of
what people wrote of the very same pictures (docs/rejection.md).
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.rejection.calibration import CalibrationError
from retrieval.rejection.storage import last_provenance
from retrieval.rejection.text_fitting import KnownTexts

if TYPE_CHECKING:
    from retrieval.library import Library

CAPTIONS_EACH = 5
"""Captions of one picture, at most, that are taken."""
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class CaptionSource:
    """Which captions a library was calibrated with, or will be."""

    file: Path
    """captions.jsonl."""
    split: str | None
    """Only rows of this split."""


def caption_source(
    library: "Library", captions: Path | None, split: str | None, say: Say
) -> CaptionSource | None:
    """The captions named, or else those of the last calibration; None where there are none.

    Says so where the last calibration's file is gone, or where it cannot be told which it was.
    """
    if captions is not None:
        return CaptionSource(file=captions, split=split)
    try:
        last = last_provenance(library.folder)
    except CalibrationError as error:
        say(f"the captions of the last calibration are unknown: {error}")
        return None
    if last is None or not last.captions_file:
        return None
    before = last.captions_file
    if not Path(before).is_file():
        say(f"{before} is gone, with which words were calibrated: name the captions anew")
        return None
    return CaptionSource(file=Path(before), split=split or last.captions_split or None)


def known_texts(
    library: "Library",
    source: CaptionSource,
    ids: np.ndarray[Any, np.dtype[np.int64]],
    say: Say,
) -> KnownTexts:
    """The captions of the library's pictures; those of other pictures are left out and counted.

    `ids` are the library's pictures in the order of its vectors. Raises DatasetError for captions
    that cannot be read, CalibrationError where not one is of a picture of the library.
    """
    from retrieval.evaluation.datasets import read_captions

    data = read_captions(source.file, source.split)
    paths = library.catalogue.ids_of_paths([os.fspath(path) for path in data.images])
    row_of = {id: row for row, id in enumerate(ids.tolist())}
    texts: list[str] = []
    rows: list[int] = []
    elsewhere = 0
    for image, captions in zip(data.images, data.captions, strict=True):
        row = row_of.get(paths.get(os.fspath(image), -1), -1)
        taken = captions[:CAPTIONS_EACH]
        if row < 0:
            elsewhere += len(taken)
            continue
        texts += taken
        rows += [row] * len(taken)
    if not texts:
        raise CalibrationError(
            f"{source.file}: not one caption is of a picture of this library; its images are"
            " looked for relative to its folder"
        )
    if elsewhere:
        say(f"{elsewhere:,} captions of pictures that are not here are left out")
    return KnownTexts(texts, np.array(rows, dtype=np.int64))


def hash_of(texts: Sequence[str]) -> str:
    """BLAKE2b-128 of the texts, a line each."""
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()
