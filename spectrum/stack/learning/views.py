"""What an encoder makes of an image and of its mirror image, as one encoder."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from spectrum.encoders import (
    EncodedImages,
    Encoder,
    EncoderIdentity,
    Pixels,
    RgbImage,
    UnsuitableModelError,
)

MOST_CHANNELS = 1024
"""Of a token. What the stack reads an image with grows with the square of it."""


class ViewsEncoder:
    """Vectors and grids of each view of an image: the whole, and mirrored if asked for.

    The semantic block holds [semantic; visual] of each view, the visual block their grids. So an
    image is read and decoded once, by whatever encodes images.
    """

    def __init__(self, encoder: Encoder, *, mirrored: bool = True) -> None:
        self.encoder = encoder
        self.count = 2 if mirrored else 1
        self.visual_weight = 0.0

    @cached_property
    def grid(self) -> tuple[int, int, int]:
        """Y, X, C of every image's grid; the encoder is asked about a grey image.

        UnsuitableModelError where it gives none, or one that is too wide.
        """
        side = self.encoder.side_pixels
        grey = self.encoder.prepare(np.full((side, side, 3), 127, dtype=np.uint8))
        tokens = self.encoder.encode_images([grey], tokens=True).tokens
        name = self.encoder.identity.name
        if tokens is None:
            raise UnsuitableModelError(
                f"the encoder '{name}' gives no grid of tokens, which a stack reads: choose another"
            )
        _, rows, columns, channels = tokens.shape
        if channels > MOST_CHANNELS:
            raise UnsuitableModelError(
                f"the encoder '{name}' gives tokens of {channels} channels and {MOST_CHANNELS} can"
                " be read: choose a smaller one"
            )
        return rows, columns, channels

    @cached_property
    def identity(self) -> EncoderIdentity:
        """Its widths, and a fingerprint of its own; a library of such vectors makes no sense."""
        said, count = self.encoder.identity, self.count
        return EncoderIdentity(
            name=f"{count} views by {said.name}",
            weights_hash=said.weights_hash,
            preprocessing=f"{said.preprocessing}; {count} views",
            semantic_dimension=count * said.dimension,
            visual_dimension=count * int(np.prod(self.grid)),
            licence=said.licence,
        )

    @property
    def side_pixels(self) -> int:
        """The encoder's."""
        return self.encoder.side_pixels

    def prepare(self, image: RgbImage) -> Pixels:
        """An array of objects, a view each."""
        views = [image, np.ascontiguousarray(image[:, ::-1])][: self.count]
        prepared = np.empty(self.count, dtype=object)
        for place, view in enumerate(views):
            prepared[place] = self.encoder.prepare(view)
        return prepared

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        """Vectors and grids of prepared images. ValueError for a grid of another shape."""
        views = [view for prepared in pixels for view in prepared]
        made = self.encoder.encode_images(views, tokens=True)
        expected = (len(views), *self.grid)
        if made.tokens is None or made.tokens.shape != expected:
            shape = None if made.tokens is None else made.tokens.shape
            raise ValueError(f"the encoder gave grids of shape {shape}, not {expected}")
        features = np.concatenate([made.semantic, made.visual], axis=1, dtype=np.float32)
        widths = self.identity.semantic_dimension, self.identity.visual_dimension
        return EncodedImages(
            semantic=features.reshape(len(pixels), widths[0]),
            visual=made.tokens.reshape(len(pixels), widths[1]).astype(np.float32),
            tokens=None,
        )

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B S"]:
        """The encoder's."""
        return self.encoder.encode_texts(texts)

    def parts(
        self, vectors: Float32[np.ndarray, "N W"]
    ) -> tuple[Float32[np.ndarray, "N V D"], Float32[np.ndarray, "N V Y X C"]]:
        """Features and grids, of stored vectors: the two blocks side by side."""
        width = self.identity.semantic_dimension
        return (
            vectors[:, :width].reshape(len(vectors), self.count, -1),
            vectors[:, width:].reshape(len(vectors), self.count, *self.grid),
        )
