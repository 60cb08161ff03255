"""An encoder that knows colours only: quick, exact, and plain enough to reason about."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from spectrum.encoders import EncodedImages, EncoderIdentity

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}


class ColourEncoder:
    """Semantic: the mean colour's direction. Visual: the mean colour of the four quarters."""

    side_pixels = 8
    visual_weight = 0.5

    def __init__(self, name: str = "colours", weights: str = "first") -> None:
        self.identity = EncoderIdentity(
            name=name,
            weights_hash=hashlib.blake2b(weights.encode(), digest_size=16).hexdigest(),
            preprocessing="8 x 8 means",
            semantic_dimension=4,
            visual_dimension=12,
            licence="Apache-2.0",
        )
        self.n_prepared = 0
        self.batches: list[int] = []

    def prepare(self, image: UInt8[np.ndarray, "H W 3"]) -> np.ndarray:
        self.n_prepared += 1
        height, width = image.shape[:2]
        rows = np.linspace(0, height - 1, 8).astype(int)
        columns = np.linspace(0, width - 1, 8).astype(int)
        return image[np.ix_(rows, columns)].astype(np.float32) / 255

    def encode_images(self, pixels: Sequence[np.ndarray], *, tokens: bool = False) -> EncodedImages:
        self.batches.append(len(pixels))
        batch = np.stack(pixels)
        quarters = batch.reshape(-1, 2, 4, 2, 4, 3).mean(axis=(2, 4)).reshape(len(batch), 12)
        return EncodedImages(
            semantic=_colour_vector(batch.mean(axis=(1, 2))),
            visual=_unit(quarters + np.float32(0.01)),
            tokens=batch if tokens else None,
        )

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B 4"]:
        colours = [
            np.mean([COLOURS[w] for w in text.split() if w in COLOURS] or [(90, 90, 90)], axis=0)
            for text in texts
        ]
        return _colour_vector(np.array(colours, dtype=np.float32) / 255)


def _colour_vector(colours: Float32[np.ndarray, "B 3"]) -> Float32[np.ndarray, "B 4"]:
    brightness = np.full((len(colours), 1), 0.1, dtype=np.float32)
    return _unit(np.concatenate([colours, brightness], axis=1))


def _unit(vectors: Float32[np.ndarray, "B D"]) -> Float32[np.ndarray, "B D"]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
