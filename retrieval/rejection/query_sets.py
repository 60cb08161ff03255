"""Queries that a user keeps in files: sentences, or images."""

from pathlib import Path
from typing import Literal, NamedTuple

from indexer.formats import IMAGE_SUFFIXES
from retrieval.evaluation.datasets import CAPTIONS_NAME, read_captions
from retrieval.rejection.calibration import CalibrationError


class Queries(NamedTuple):
    """A set of queries of one kind."""

    kind: Literal["text", "image"]
    queries: list[str]
    """Texts, or paths."""


def read_queries(path: Path, split: str | None) -> Queries:
    """What lies at the path: captions, lines of text, or the images of a folder and those below.

    Raises CalibrationError where nothing can be read, DatasetError for malformed captions.
    """
    captions = path / CAPTIONS_NAME if path.is_dir() else path
    if captions.is_file() and captions.suffix == ".jsonl":
        data = read_captions(captions, split)
        return Queries("text", [text for each in data.captions for text in each])
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        return Queries("image", [str(image) for image in found])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(
            f"{path}: cannot be read as queries; give captions.jsonl, a text file with one query a"
            " line, or a folder of images"
        ) from error
    return Queries("text", [line.strip() for line in lines if line.strip()])
