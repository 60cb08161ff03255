"""What an encoder made of images, kept in a folder: encoded once, whatever happens to the run."""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float16, Float32

from spectrum.stack.material import View, view_of

IN_MEMORY_BYTES = 2_000_000_000
"""Grids of a view that take more are mapped from a file without a name in the cache's folder."""
HALF_LARGEST = float(np.finfo(np.float16).max)


class GridCache:
    """Features, grids and boxes of each view of images, by key.

    Every `add` writes one file, to a temporary name first, so a killed process leaves whole files
    only, and two processes may write at once. A file that is no archive is as good as absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, tuple[Path, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob("*.npz")):
            try:
                with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
                    self._hold(held["keys"].tolist(), file)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue  # encoded again, under the same name

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def add(
        self,
        keys: Sequence[str],
        features: Float32[np.ndarray, "N V D"],
        tokens: Float32[np.ndarray, "N V Y X C"],
    ) -> None:
        """Finds boxes, and keeps all of it, on disk when this returns.

        OSError if the disk takes no more.
        """
        if not keys:
            return
        # No token of a network is near the limits of half precision, but nothing promises it.
        half = np.clip(tokens, -HALF_LARGEST, HALF_LARGEST).astype(np.float16)
        views = [view_of(features[:, place], half[:, place]) for place in range(tokens.shape[1])]
        name = hashlib.blake2b("\n".join(keys).encode(), digest_size=16).hexdigest()
        unfinished = self.folder / f".{name}.{os.getpid()}.tmp"
        try:
            with unfinished.open("wb") as stream:
                np.savez(
                    stream,
                    keys=np.array(keys),
                    features=features,
                    tokens=half,
                    boxes=np.stack([view.boxes for view in views], axis=1),
                    object_mask=np.stack([view.object_mask for view in views], axis=1),
                )
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(unfinished, self.folder / f"{name}.npz")
        finally:
            unfinished.unlink(missing_ok=True)
        self._hold(keys, self.folder / f"{name}.npz")

    def views(self, keys: Sequence[str]) -> tuple[View, ...]:
        """The views of some images, in their order.

        KeyError for a key that was never added, ValueError for no key, OSError where a file was
        damaged: it is removed, and its images are as good as never added.
        """
        if not keys:
            raise ValueError("no image was asked for: give at least one key")
        rows: dict[Path, list[tuple[int, int]]] = {}
        for row, key in enumerate(keys):
            file, place = self._places[key]
            rows.setdefault(file, []).append((row, place))
        arrays: dict[str, list[np.ndarray[Any, np.dtype[Any]]]] = {}
        for file, wanted in rows.items():
            own, places = (list(each) for each in zip(*wanted, strict=True))
            for name, held in self._held(file).items():
                if name not in arrays:
                    arrays[name] = _empty(self.folder, len(keys), held)
                for view, array in enumerate(arrays[name]):
                    array[own] = held[places, view]
        return tuple(
            View(features=features, tokens=tokens, boxes=boxes, object_mask=mask)
            for features, tokens, boxes, mask in zip(
                *(arrays[name] for name in ("features", "tokens", "boxes", "object_mask")),
                strict=True,
            )
        )

    def _held(self, file: Path) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
                features: Float32[np.ndarray, "N V D"] = held["features"]
                tokens: Float16[np.ndarray, "N V Y X C"] = held["tokens"]
                boxes: Float32[np.ndarray, "N V P 4"] = held["boxes"]
                mask: Bool[np.ndarray, "N V P"] = held["object_mask"]
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            file.unlink(missing_ok=True)
            raise OSError(
                f"{file}: was damaged, and is removed now: run the same command again"
            ) from error
        return {"features": features, "tokens": tokens, "boxes": boxes, "object_mask": mask}

    def _hold(self, keys: Sequence[str], file: Path) -> None:
        self._places.update({key: (file, place) for place, key in enumerate(keys)})


def _empty(
    folder: Path, count: int, held: np.ndarray[Any, np.dtype[Any]]
) -> list[np.ndarray[Any, np.dtype[Any]]]:
    """An array of `count` rows for each view, in memory or, if it is large, in a file."""
    shape = (count, *held.shape[2:])
    made: list[np.ndarray[Any, np.dtype[Any]]] = []
    for _ in range(held.shape[1]):
        if held.itemsize * int(np.prod(shape)) <= IN_MEMORY_BYTES:
            made.append(np.empty(shape, dtype=held.dtype))
            continue
        # Without a name: gone with the process, also with a killed one.
        with tempfile.TemporaryFile(dir=folder) as stream:
            made.append(np.asarray(np.memmap(stream, dtype=held.dtype, mode="w+", shape=shape)))
    return made
