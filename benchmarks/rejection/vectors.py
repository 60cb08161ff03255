"""Vectors of the shipped encoder for photographs and captions, computed once."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from indexer.images import Limits, decode
from retrieval.pictures import rgb_of_source
from retrieval.rejection.distorted_pictures import encoded_distortions
from retrieval.rejection.fitting import Sizes
from spectrum.encoders import load_encoder
from spectrum.encoders.protocol import Encoder, Pixels


def flickr(data: Path, split: str) -> tuple[list[Path], list[list[str]]]:
    """The images of a split of Flickr8k and the captions of each."""
    folder = data / "flickr8k"
    lines = (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row.get("split") == split]
    return [folder / row["image"] for row in rows], [row["captions"] for row in rows]


def listed(data: Path, name: str) -> list[Path]:
    """The images of a set, in an order that stays."""
    if name.startswith("flickr_"):
        return flickr(data, name.removeprefix("flickr_"))[0]
    return sorted((data / name).rglob("*.jpg"))


def image_vectors(data: Path, cache: Path, name: str) -> Float32[np.ndarray, "N D"]:
    """[semantic; visual] of each image of a set."""
    file = cache / f"images_{name.replace('/', '_')}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, _encoded(load_encoder("embedded"), listed(data, name)))
    return np.asarray(np.load(file))


def distorted_pictures(data: Path, cache: Path, name: str) -> Float32[np.ndarray, "V D"]:
    """[semantic; visual] of the distortions of some images of a set, as calibrating has them."""
    file = cache / f"distorted_{name.replace('/', '_')}.npy"
    if not file.exists():
        encoder, dice = load_encoder("embedded"), np.random.default_rng(0)
        paths = listed(data, name)
        chosen = [paths[i] for i in dice.permutation(len(paths))[: Sizes().distorted]]
        pictures = (rgb_of_source(str(path), encoder.side_pixels) for path in chosen)
        np.save(file, encoded_distortions(encoder, pictures, dice))
    return np.asarray(np.load(file))


def _encoded(encoder: Encoder, paths: Sequence[Path]) -> Float32[np.ndarray, "N D"]:
    found = []
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(paths), 64):
            some = paths[start : start + 64]
            images = encoder.encode_images(list(pool.map(partial(_prepared, encoder), some)))
            found.append(np.concatenate([images.semantic, images.visual], axis=1))
    return np.concatenate(found)


def _prepared(encoder: Encoder, path: Path) -> Pixels:
    rgb = decode(path.read_bytes(), limits=Limits(), side_pixels=encoder.side_pixels).rgb
    return encoder.prepare(rgb)
