"""Labelled images on disk: a captions.jsonl, or a folder of class folders.

COCO's captions JSON is read in `coco.py`, TREC judgements in `qrels.py`.
Only names and labels are read here; whether an image can be opened is the index's business.
"""

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from indexer.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from retrieval.evaluation.qrels import QrelsDataset

CAPTIONS_NAME = "captions.jsonl"
"""A folder that holds a file of this name is a caption dataset."""

_EXPECTED_ROW = 'expected {"image": "a.jpg", "captions": ["...", ...]}'


class DatasetError(ValueError):
    """A dataset, or a run to compare with, cannot be read. One line: where, what, what to do."""


@dataclass(frozen=True, kw_only=True)
class CaptionDataset:
    """Images, each with the captions that describe it."""

    images: list[Path]
    """Absolute, in the order of the file. They need not exist; one file may come twice."""
    captions: list[tuple[str, ...]]
    """The captions of each image; at least one, none blank."""
    n_without_captions: int
    """Rows of the split that were skipped since they have no captions."""
    n_repeated: int = 0
    """Rows that say the same of the same image as one before them, and were skipped."""


@dataclass(frozen=True, kw_only=True)
class ClassDataset:
    """Images, each of one class."""

    images: list[Path]
    """Absolute, by folder name, then by file name."""
    labels: list[int]
    """The class of each image, as its place in `class_names`."""
    class_names: list[str]
    """Unique; the folders' names with `-` and `_` as spaces."""
    n_empty_folders: int
    """Folders that were skipped since no image lies directly in them."""

    @property
    def queries(self) -> list[str]:
        """What is asked for each class: "a photo of a NAME"."""
        return [f"a photo of a {name}" for name in self.class_names]


def open_dataset(
    path: Path, split: str | None = None, *, suffixes: Collection[str] = IMAGE_SUFFIXES
) -> "CaptionDataset | ClassDataset | QrelsDataset":
    """Reads whichever dataset lies at the path.

    A folder that holds `captions.jsonl` is a caption dataset, one that holds `qrels.txt` (for a
    split, `qrels.SPLIT.txt`) is TREC judgements, any other is a folder of class folders, and a
    split is a folder in it: `clothing/test/shirt/1.jpg`. A file is TREC judgements where its name
    holds `qrels`, COCO's where it ends in `.json`, and else captions.

    Raises DatasetError where there is nothing, or it is malformed.
    """
    # These readers need the classes above.
    from retrieval.evaluation.coco import read_coco
    from retrieval.evaluation.qrels import qrels_in, read_qrels

    if (path / CAPTIONS_NAME).is_file():
        return read_captions(path / CAPTIONS_NAME, split)
    if (judgements := qrels_in(path, split)) is not None:
        return read_qrels(judgements, suffixes=suffixes)
    if not path.is_dir():
        if "qrels" not in path.name and path.suffix.lower() != ".json":
            return read_captions(path, split)
        if split is not None:
            raise DatasetError(f"{path}: such a file has no splits; leave --split out")
        return read_qrels(path, suffixes=suffixes) if "qrels" in path.name else read_coco(path)
    if split is None:
        return read_class_folders(path, suffixes=suffixes)
    folders = {folder.name: folder for folder in _visible_folders(path)}
    if split not in folders:
        raise _no_such_split(path, split, folders)
    return read_class_folders(folders[split], suffixes=suffixes)


def read_captions(path: Path, split: str | None = None) -> CaptionDataset:
    """Reads a JSON Lines file of `{"image", "captions", optional "split"}`, one image a line.

    `image` is relative to the file's folder. Only rows of the split are taken; None takes all.
    Rows whose captions are absent, null or an empty list (they may hold boxes), and rows that
    repeat one before them, are skipped and counted; blank lines and unknown keys are ignored.

    Raises DatasetError naming file and line for malformed rows, also those of other splits.
    """
    folder = Path(os.path.abspath(path)).parent
    images: list[Path] = []
    captions: list[tuple[str, ...]] = []
    splits: set[str] = set()
    seen: set[tuple[Path, tuple[str, ...]]] = set()
    n_rows = n_without_captions = n_repeated = 0
    for row in _caption_rows(path):
        n_rows += 1
        if row.split is not None:
            splits.add(row.split)
        if split is not None and row.split != split:
            continue
        if not row.captions:
            n_without_captions += 1
            continue
        image = Path(os.path.abspath(folder / row.image))
        if (image, row.captions) in seen:
            n_repeated += 1
            continue
        seen.add((image, row.captions))
        images.append(image)
        captions.append(row.captions)
    if not n_rows:
        raise DatasetError(f"{path}: the file is empty; {_EXPECTED_ROW} per line")
    if split is not None and split not in splits:
        raise _no_such_split(path, split, splits)
    if not images:
        raise DatasetError(
            f"{path}: none of {n_without_captions} rows has captions; {_EXPECTED_ROW} per line"
        )
    return CaptionDataset(
        images=images,
        captions=captions,
        n_without_captions=n_without_captions,
        n_repeated=n_repeated,
    )


def read_class_folders(path: Path, *, suffixes: Collection[str] = IMAGE_SUFFIXES) -> ClassDataset:
    """Reads a folder whose folders are classes, with the images directly in them.

    Suffixes are compared in lower case, with their dot; by default they are the index's.
    Hidden files and folders are ignored.
    Folders whose names differ only in `-`, `_` and spaces are one class: they ask the same query.

    Raises DatasetError where fewer than two classes have images.
    """
    images: list[Path] = []
    labels: list[int] = []
    class_names: list[str] = []
    n_empty_folders = 0
    folders = _visible_folders(path)
    for folder in folders:
        inside = _visible_images(folder, suffixes)
        if not inside:
            n_empty_folders += 1
            continue
        name = _class_name(folder.name)
        if name not in class_names:
            class_names.append(name)
        images += inside
        labels += [class_names.index(name)] * len(inside)
    if len(class_names) < 2:
        listed = _listed(folder.name for folder in folders)
        raise DatasetError(
            f"{path}: {len(class_names)} of its folders ({listed}) directly hold images and at "
            "least 2 are needed; give a folder of class folders, or name a split"
        )
    return ClassDataset(
        images=images, labels=labels, class_names=class_names, n_empty_folders=n_empty_folders
    )


class _CaptionRow(NamedTuple):
    """One line of a captions file, checked."""

    image: str
    captions: tuple[str, ...]
    split: str | None


def _caption_rows(path: Path) -> Iterator[_CaptionRow]:
    """The rows of a captions file; DatasetError with the line's number at the first bad one."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _caption_row(line, f"{path}, line {number}")
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}; give a captions.jsonl or a folder") from None


def _caption_row(line: bytes, place: str) -> _CaptionRow:
    """Checks one line; `place` opens every message."""
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        # A decoding error carries the bytes over several clauses; its class says enough.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise DatasetError(f"{place}: not JSON ({reason}); {_EXPECTED_ROW}") from None
    if not isinstance(row, dict):
        raise DatasetError(f"{place}: not an object; {_EXPECTED_ROW}")
    image, captions, split = row.get("image"), row.get("captions"), row.get("split")
    if not isinstance(image, str) or not image:
        raise DatasetError(f'{place}: no "image"; {_EXPECTED_ROW}')
    if captions is None:
        captions = []
    if not isinstance(captions, list):
        raise DatasetError(f'{place}: "captions" is not a list; {_EXPECTED_ROW}')
    if not all(isinstance(caption, str) and caption.strip() for caption in captions):
        raise DatasetError(
            f'{place}: "captions" holds an empty caption or one that is not text; remove it'
        )
    if split is not None and not isinstance(split, str):
        raise DatasetError(f'{place}: "split" is not text')
    return _CaptionRow(image=image, captions=tuple(captions), split=split)


def _visible_folders(path: Path) -> list[Path]:
    """The folders in a folder that are not hidden, by name."""
    try:
        inside = sorted(Path(os.path.abspath(path)).iterdir())
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}; give a folder of class folders") from None
    return [item for item in inside if not item.name.startswith(".") and item.is_dir()]


def _visible_images(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The image files directly in a folder that are not hidden, by name."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder}: {error.strerror}; make it readable or hide it") from None
    return [
        item
        for item in inside
        if not item.name.startswith(".") and item.suffix.lower() in suffixes and item.is_file()
    ]


def _class_name(folder_name: str) -> str:
    """The folder's name as words; the name itself where nothing else is left of it."""
    return " ".join(folder_name.replace("-", " ").replace("_", " ").split()) or folder_name


def _no_such_split(path: Path, split: str, splits: Collection[str]) -> DatasetError:
    """Says which splits there are."""
    return DatasetError(f"{path}: no split '{split}'; it has: {_listed(splits)}")


def _listed(names: Collection[str] | Iterator[str]) -> str:
    """Names in order on one line, the first ten of many."""
    ordered = sorted(names)
    more = f", and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    return (", ".join(ordered[:10]) or "none") + more
