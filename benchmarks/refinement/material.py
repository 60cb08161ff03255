"""The vectors that are ranked: each photograph and text is encoded once and kept."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from spectrum.encoders import Encoder
from spectrum.encoders.protocol import EncodedImages
from spectrum.training.caption_material import cached_grids
from spectrum.training.photographs import captioned, classified
from spectrum.training.sentences import caption_lines

TEXTS_PER_BATCH = 256


class Photographs(NamedTuple):
    """What the encoder made of some photographs; no label comes with it."""

    semantic: np.ndarray
    visual: np.ndarray
    tokens: tuple[np.ndarray, ...]
    """Grids of one photograph each, float16: their sides follow the photograph's."""

    @property
    def vectors(self) -> np.ndarray:
        """[s; v] in single precision."""
        return np.concatenate([self.semantic, self.visual], axis=1)

    def at(self, rows: np.ndarray) -> "Photographs":
        """Some of them."""
        tokens = tuple(self.tokens[row] for row in rows.tolist())
        return Photographs(self.semantic[rows], self.visual[rows], tokens)

    def encoded(self, row: int) -> EncodedImages:
        """One of them, as the encoder gave it."""
        grid = self.tokens[row].astype(np.float32)
        return EncodedImages(self.semantic[row : row + 1], self.visual[row : row + 1], grid[None])


class Captioned(NamedTuple):
    """Photographs with five captions each."""

    photographs: Photographs
    captions: np.ndarray
    """Of shape (photographs, 5, S)."""
    texts: tuple[str, ...]
    """What they say, five after five."""


class Classified(NamedTuple):
    """Photographs with a class each."""

    photographs: Photographs
    labels: np.ndarray


def captioned_split(encoder: Encoder, shared: Path, work: Path, split: str) -> Captioned:
    """A split of Flickr8k. Its photographs are squares, so their grids are of one size."""
    told = captioned(shared / "data/flickr8k", split)
    stem = work / f"grids_{encoder.identity.fingerprint[:12]}_{split}_whole"
    grids = cached_grids(encoder, told, "whole", None, stem)
    # What is kept as `train` may have other photographs after those of the split.
    semantic, visual, tokens = (
        part[: len(told)] for part in (grids.semantic, grids.visual, grids.tokens)
    )
    side = round(tokens.shape[1] ** 0.5)
    shaped = tokens.reshape(len(tokens), side, side, -1)
    texts = [caption for photograph in told for caption in photograph.captions[:5]]
    captions = text_vectors(encoder, texts, work, split)
    return Captioned(
        Photographs(semantic.astype(np.float32), visual.astype(np.float32), tuple(shaped)),
        captions.reshape(len(told), 5, -1),
        tuple(texts),
    )


def text_vectors(encoder: Encoder, texts: Sequence[str], work: Path, name: str) -> np.ndarray:
    """The texts' vectors."""
    kept = work / f"refinement_{encoder.identity.fingerprint[:12]}_texts_{name}.npy"
    if not kept.exists():
        starts = range(0, len(texts), TEXTS_PER_BATCH)
        made = [encoder.encode_texts(texts[start : start + TEXTS_PER_BATCH]) for start in starts]
        _save(kept, np.concatenate(made))
    return np.load(kept)


def coco_texts(encoder: Encoder, shared: Path, work: Path) -> np.ndarray:
    """Captions of photographs that are not here."""
    return text_vectors(encoder, caption_lines(shared), work, "coco")


def classified_folder(encoder: Encoder, shared: Path, work: Path, name: str) -> Classified:
    """A folder of class folders below `shared`/data, prepared as `spectrum index` does."""
    told = classified(shared / "data" / name)
    kept = work / f"refinement_{encoder.identity.fingerprint[:12]}_{name.replace('/', '-')}.npz"
    if not kept.exists():
        made = [_encoded(encoder, photograph.path) for photograph in told]
        _save(
            kept,
            semantic=np.concatenate([each.semantic for each in made]),
            visual=np.concatenate([each.visual for each in made]),
            sides=np.array([each.tokens.shape[1:3] for each in made]),
            tokens=np.concatenate(
                [each.tokens.reshape(-1, each.tokens.shape[-1]) for each in made]
            ).astype(np.float16),
        )
    with np.load(kept) as held:
        sides, rows = held["sides"], held["tokens"]
        grids = np.split(rows, np.cumsum(sides.prod(axis=1))[:-1])
        shaped = [grid.reshape(*side, -1) for grid, side in zip(grids, sides, strict=True)]
        photographs = Photographs(held["semantic"], held["visual"], tuple(shaped))
    _, labels = np.unique([photograph.label for photograph in told], return_inverse=True)
    return Classified(photographs, labels)


def _encoded(encoder: Encoder, path: Path) -> EncodedImages:
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
        return encoder.encode_images([encoder.prepare(np.asarray(upright))], tokens=True)


def _save(kept: Path, *array: np.ndarray, **arrays: np.ndarray) -> None:
    """Writes beside and renames, so that what is kept is whole."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_name(f".{os.getpid()}{kept.suffix}")
    if arrays:
        np.savez(unfinished, **arrays)
    else:
        np.save(unfinished, *array)
    unfinished.rename(kept)
