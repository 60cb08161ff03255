"""COCO's captions JSON as a dataset: one file for all images, `captions_val2017.json`."""

import json
import os
from pathlib import Path
from typing import Any

from retrieval.evaluation.datasets import CaptionDataset, DatasetError

_EXPECTED = (
    'expected {"images": [{"id": 1, "file_name": "a.jpg"}],'
    ' "annotations": [{"image_id": 1, "caption": "..."}]}'
)


def read_coco(path: Path) -> CaptionDataset:
    """Reads the images of a COCO captions file that have captions, in the file's order.

    The images lie beside the file, in `images`, or, as COCO unpacks them, in a folder named as
    the end of the file's name: `annotations/captions_val2017.json` and `val2017/`. Which one is
    told by the first image. Images without captions are counted and skipped; an annotation that
    says the same of an image as one before it counts once.

    Raises DatasetError naming the file and the entry.
    """
    document = _document(path)
    names = _file_names(path, document)
    captions: dict[Any, list[str]] = {id: [] for id in names}
    n_repeated = 0
    for number, annotation in enumerate(_entries(path, document, "annotations"), start=1):
        image, caption = _annotation(annotation, f"{path}: annotation {number}")
        if image not in captions:
            raise DatasetError(
                f'{path}: annotation {number} is of image {image}, which "images" does not list;'
                " remove it, or add the image"
            )
        if caption in captions[image]:
            n_repeated += 1
        else:
            captions[image].append(caption)
    described = [id for id in names if captions[id]]
    folder = _image_folder(path, names[described[0]])
    return CaptionDataset(
        images=[Path(os.path.abspath(folder / names[id])) for id in described],
        captions=[tuple(captions[id]) for id in described],
        n_without_captions=len(names) - len(described),
        n_repeated=n_repeated,
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}; give a captions JSON") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not JSON ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise DatasetError(f"{path}: not an object; {_EXPECTED}, or name a captions.jsonl")
    return document


def _entries(path: Path, document: dict[str, Any], key: str) -> list[Any]:
    entries = document.get(key)
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f'{path}: "{key}" is missing or empty; {_EXPECTED}')
    return entries


def _file_names(path: Path, document: dict[str, Any]) -> dict[Any, str]:
    """The file's name of each image id."""
    names: dict[Any, str] = {}
    for number, image in enumerate(_entries(path, document, "images"), start=1):
        id = image.get("id") if isinstance(image, dict) else None
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(id, int | str) or not isinstance(name, str) or not name:
            raise DatasetError(f'{path}: image {number} has no "id" or "file_name"; {_EXPECTED}')
        if names.setdefault(id, name) != name:
            raise DatasetError(
                f"{path}: image {number} has id {id} again for another file; give each its own"
            )
    return names


def _annotation(annotation: Any, place: str) -> tuple[Any, str]:
    if not isinstance(annotation, dict) or not isinstance(annotation.get("image_id"), int | str):
        raise DatasetError(f'{place} has no "image_id"; {_EXPECTED}')
    caption = annotation.get("caption")
    if caption is None and ("bbox" in annotation or "category_id" in annotation):
        raise DatasetError(f"{place} is a box, not a caption; give COCO's captions_*.json")
    if not isinstance(caption, str) or not caption.strip():
        raise DatasetError(f"{place} has no caption or an empty one; write one, or remove it")
    return annotation["image_id"], caption.strip()


def _image_folder(path: Path, first: str) -> Path:
    """The folder that the file's names are relative to; the file's own if none has the image."""
    folder = Path(os.path.abspath(path)).parent
    part = path.stem.removeprefix("captions_")
    for candidate in (folder, folder / "images", folder / part, folder.parent / part):
        if (candidate / first).is_file():
            return candidate
    return folder
