"""The contract between an encoder and everything that stores or searches its vectors."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

RgbImage = UInt8[np.ndarray, "H W 3"]
"""A decoded image: 8-bit RGB, upright, rows from the top."""

Pixels = np.ndarray[Any, np.dtype[Any]]
"""What one encoder's `prepare` made of one image. All of one encoder share a dtype; shapes may
differ where the encoder keeps an image's aspect ratio."""


class ModelUnavailableError(Exception):
    """A model's files, or the package that reads them, are not here. One line, what to do in it."""


class UnsuitableModelError(ModelUnavailableError):
    """The model is here, and is no encoder of both images and texts."""


@dataclass(frozen=True, kw_only=True)
class EncoderIdentity:
    """What has to be equal for two vectors to be comparable. Known without loading weights."""

    name: str
    """The name that loads this encoder again: `embedded`, `open_clip:ARCH/TAG`, `hf:DIR`."""
    weights_hash: str
    """BLAKE2b-128 of the weight files, in hexadecimal."""
    preprocessing: str
    """How a decoded image becomes the network's input, in one line."""
    semantic_dimension: int
    """S, width of the block that is shared with texts; > 0."""
    visual_dimension: int
    """V, width of the block that only images have; >= 0."""
    licence: str
    """Terms of the weights, as an SPDX expression or in words."""

    @property
    def dimension(self) -> int:
        """D = S + V, width of a stored vector."""
        return self.semantic_dimension + self.visual_dimension

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that change when any vector could.

        The name and the licence take no part: the same weights moved to another folder are the
        same encoder.
        """
        said = asdict(self)
        del said["name"], said["licence"]
        text = "\n".join(f"{key}={value}" for key, value in sorted(said.items()))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class EncodedImages(NamedTuple):
    """The vectors of a batch of images."""

    semantic: Float32[np.ndarray, "B S"]
    """Unit length; comparable with texts."""
    visual: Float32[np.ndarray, "B V"]
    """Unit length; what the images look like. V = 0 where the encoder has no such vector."""
    tokens: Float[np.ndarray, "B H W C"] | None
    """Grid of local features; only if asked for, since it is large."""


@runtime_checkable
class Encoder(Protocol):
    """Turns images and texts into vectors of one space.

    Implementations load weights at the first `encode_*`, not before, and are safe to call from
    several threads.
    """

    @property
    def identity(self) -> EncoderIdentity: ...

    @property
    def side_pixels(self) -> int:
        """The shorter side that `prepare` needs to lose nothing; decoders may shrink to it."""
        ...

    @property
    def visual_weight(self) -> float:
        """omega in [0, 1], the visual block's share in an image query; 0 where there is none."""
        ...

    def prepare(self, image: RgbImage) -> Pixels:
        """Resizes and normalises one image. Cheap, called in decoding threads."""
        ...

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        """Encodes prepared images. A vector does not depend on its companions in the batch."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B S"]:
        """Encodes texts into the semantic space, unit length."""
        ...
