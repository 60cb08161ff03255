"""The sample collection on disk: pictures, captions, and everything that is known of each."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from PIL import Image

from retrieval.sample.captions import captions
from retrieval.sample.composition import scenes
from retrieval.sample.painter import Picture, paint
from retrieval.sample.scene import Scene, Thing

VERSION = 1
"""Raised whenever the same seed gives other pictures or other words."""

_CAPTIONS, _SCENES, _MANIFEST = "captions.jsonl", "scenes.jsonl", "sample.json"


def write_collection(folder: Path, *, n_scenes: int = 300, seed: int = 7) -> Path:
    """Write a collection into `folder` and return the path of its captions.jsonl.

    The folder then has `images/*.jpg`; `captions.jsonl`, a line per picture with "image", "split"
    and five "captions"; `scenes.jsonl`, a line per picture with "image", "width", "height",
    "attributes" and "things", each with its "box" of [left, top, right, bottom] pixels, right and
    bottom exclusive; and `sample.json`, which says how all this was made. The same arguments and
    Pillow give the same bytes.

    A collection of the same number, seed and version is left as it is; another one is replaced as
    a whole, at the end, so that an interruption leaves the old one or none. Raises FileExistsError
    if the folder holds anything that this function did not write.
    """
    folder = Path(folder)
    manifest = {"version": VERSION, "n_scenes": n_scenes, "seed": seed}
    if _manifest(folder) == manifest:
        return folder / _CAPTIONS
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(unfinished, n_scenes, seed)
        _write_lines(unfinished / _MANIFEST, [manifest])
        unfinished.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder / _CAPTIONS


def _manifest(folder: Path) -> Any:
    """How the collection in a folder was made; None if there is no whole collection."""
    path = folder / _MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        told = (folder / _CAPTIONS).read_text(encoding="utf-8").splitlines()
        names = [json.loads(line)["image"] for line in told]
    except (OSError, ValueError, KeyError):
        return None
    whole = (folder / _SCENES).is_file() and all((folder / name).is_file() for name in names)
    return manifest if whole else None


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give a folder for the sample collection")
    ours = {"images", _CAPTIONS, _SCENES, _MANIFEST}
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in ours)
    if foreign or (any(folder.iterdir()) and not (folder / _MANIFEST).is_file()):
        what = foreign[0] if foreign else "files"
        raise FileExistsError(
            f"{folder} holds {what}, which no sample collection does; give a new or empty folder"
        )


def _write(folder: Path, n_scenes: int, seed: int) -> None:
    (folder / "images").mkdir()
    told: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for name, picture in _pictures(n_scenes, seed):
        image = Image.fromarray(picture.pixels)
        image.save(folder / name, quality=90, subsampling=0)
        told.append({"image": name, "split": "demo", "captions": list(captions(picture.scene))})
        known.append(_ground_truth(name, picture.scene))
    _write_lines(folder / _CAPTIONS, told)
    _write_lines(folder / _SCENES, known)


def _pictures(n_scenes: int, seed: int) -> Iterator[tuple[str, Picture]]:
    for number, scene in enumerate(scenes(n_scenes, seed), start=1):
        yield f"images/{number:04d}-{scene.slug}.jpg", paint(scene)


def _ground_truth(name: str, scene: Scene) -> dict[str, Any]:
    return {
        "image": name,
        "width": scene.width,
        "height": scene.height,
        "attributes": scene.attributes,
        "things": [_thing(scene, index, thing) for index, thing in enumerate(scene.things)],
    }


def _thing(scene: Scene, index: int, thing: Thing) -> dict[str, Any]:
    kind = thing.kind
    return {
        "role": "subject" if index < scene.count else "other",
        "shape": kind.shape,
        "colour": kind.colour,
        "second_colour": kind.second_colour,
        "texture": kind.texture,
        "size": kind.size,
        "box": list(thing.box) if thing.box is not None else None,
    }


def _write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
