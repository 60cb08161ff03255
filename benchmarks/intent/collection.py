"""The rendered scenes with their labels, captions and vectors, kept below `.training`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from PIL import Image

from retrieval.ranking.composition import image_query
from retrieval.sample.collection import write_collection
from spectrum.encoders import Encoder

ATTRIBUTES = ("colour", "shape", "texture", "count", "size")
"""Of a scene's subject; each is exact."""
_PER_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Collection:
    """N scenes, and what the encoder makes of them."""

    attributes: list[dict[str, Any]]
    """As `Scene.attributes` has them: the subject's, the other thing's, the background."""
    captions: list[str]
    """The first of each scene's five: number, colour, texture, shape, and the other thing."""
    vectors: Float32[np.ndarray, "N D"]
    """[s; v], as an index stores them."""
    queries: Float32[np.ndarray, "N D"]
    """The image query that each scene makes."""
    semantic: int
    """S."""

    def values(self, attribute: str) -> np.ndarray:
        """The subjects' values, as text."""
        return np.array([str(scene[attribute]) for scene in self.attributes])


def collection(folder: Path, encoder: Encoder, *, n_scenes: int, seed: int) -> Collection:
    """Renders and encodes what is not in `folder` yet: a minute or two for 300 scenes."""
    named = folder / f"scenes-{n_scenes}-{seed}"
    captions = write_collection(named, n_scenes=n_scenes, seed=seed)
    scenes = _lines(named / "scenes.jsonl")
    cache = folder / f"{encoder.identity.fingerprint[:12]}-{n_scenes}-{seed}.npy"
    if cache.exists():
        vectors = np.load(cache)
    else:
        vectors = encoded(encoder, [named / scene["image"] for scene in scenes])
        np.save(cache, vectors)
    width = encoder.identity.semantic_dimension
    queries = [
        image_query(vector[:width], vector[width:], encoder.visual_weight) for vector in vectors
    ]
    return Collection(
        attributes=[scene["attributes"] for scene in scenes],
        captions=[line["captions"][0] for line in _lines(captions)],
        vectors=vectors,
        queries=np.stack(queries),
        semantic=width,
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def encoded(encoder: Encoder, paths: list[Path]) -> Float32[np.ndarray, "N D"]:
    """[s; v] of image files."""
    made = []
    for start in range(0, len(paths), _PER_BATCH):
        images = [
            np.asarray(Image.open(path).convert("RGB"))
            for path in paths[start : start + _PER_BATCH]
        ]
        encoded = encoder.encode_images([encoder.prepare(image) for image in images])
        made.append(np.concatenate([encoded.semantic, encoded.visual], axis=1))
    return np.concatenate(made)
