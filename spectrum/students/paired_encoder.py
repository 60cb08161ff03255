"""Teacher and embedded encoder as one encoder, so that each picture is read and decoded once."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from spectrum.encoders import EncodedImages, Encoder, EncoderIdentity, Pixels, RgbImage


class PairedEncoder:
    """What the teacher says of an image, and the embedded encoder's features of it.

    The semantic block is the teacher's vector, semantic and visual; the visual block holds the
    features: of the image, then of its mirror image.
    """

    def __init__(self, teacher: Encoder, base: Encoder) -> None:
        self.teacher, self.base = teacher, base
        self.visual_weight = 0.0

    @cached_property
    def features(self) -> int:
        """F: semantic and visual vector, and mean and maximum of the grid of tokens."""
        return int(base_features(self.base, []).shape[1])

    @cached_property
    def identity(self) -> EncoderIdentity:
        """Its width and fingerprint; a library of such vectors would make no sense."""
        teacher, base = self.teacher.identity, self.base.identity
        said = f"{teacher.fingerprint} {base.fingerprint}".encode()
        return EncoderIdentity(
            name=f"{teacher.name} and {base.name}",
            weights_hash=hashlib.blake2b(said, digest_size=16).hexdigest(),
            preprocessing=f"{teacher.preprocessing}; {base.preprocessing}",
            semantic_dimension=teacher.dimension,
            visual_dimension=2 * self.features,
            licence=f"{teacher.licence}; {base.licence}",
        )

    @property
    def side_pixels(self) -> int:
        """Enough for both."""
        return max(self.teacher.side_pixels, self.base.side_pixels)

    def prepare(self, image: RgbImage) -> Pixels:
        """An array of three objects: the teacher's input, the base's, and its mirror image's."""
        prepared = np.empty(3, dtype=object)
        prepared[0] = self.teacher.prepare(image)
        prepared[1] = self.base.prepare(image)
        prepared[2] = self.base.prepare(np.ascontiguousarray(image[:, ::-1]))
        return prepared

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        """The vectors of prepared images; there are no tokens."""
        said = self.teacher.encode_images([prepared[0] for prepared in pixels])
        views = [
            base_features(self.base, [prepared[view] for prepared in pixels]) for view in (1, 2)
        ]
        return EncodedImages(
            semantic=np.concatenate([said.semantic, said.visual], axis=1, dtype=np.float32),
            visual=np.concatenate(views, axis=1),
            tokens=None,
        )

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B S"]:
        """The teacher's."""
        return self.teacher.encode_texts(texts)


def base_features(base: Encoder, pixels: Sequence[Pixels]) -> Float32[np.ndarray, "N F"]:
    """What a head sees of an image: [semantic; visual; mean of the tokens; their maximum]."""
    made = base.encode_images(pixels, tokens=True)
    if made.tokens is None:
        raise ValueError(f"the encoder '{base.identity.name}' gives no tokens")
    pooled = [made.tokens.mean(axis=(1, 2)), made.tokens.max(axis=(1, 2))]
    return np.concatenate([made.semantic, made.visual, *pooled], axis=1, dtype=np.float32)
