"""The contract between a captioner and everything that stores or shows its sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from spectrum.encoders.protocol import Pixels, RgbImage


@dataclass(frozen=True, kw_only=True)
class CaptionerIdentity:
    """What has to be equal for two captions to come from the same model."""

    name: str
    """The name that loads this captioner again: `embedded`, `embedded:FOLDER`."""
    weights_hash: str
    """BLAKE2b-128 of the weight files, in hexadecimal."""
    licence: str
    """Terms of the weights, as an SPDX expression or in words."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What a captioner says of one image."""

    text: str
    """One plain sentence."""
    confidence: float
    """In (0, 1], higher is surer; each captioner's documentation says what it is."""


@runtime_checkable
class Captioner(Protocol):
    """Turns images into sentences: the model that PRISM takes its texts from.

    Implementations load weights at the first `caption`, not before, and are safe to call from
    several threads.
    """

    @property
    def identity(self) -> CaptionerIdentity: ...

    @property
    def side_pixels(self) -> int:
        """The shorter side that `prepare` needs to lose nothing; decoders may shrink to it."""
        ...

    def prepare(self, image: RgbImage) -> Pixels:
        """Resizes and normalises one image. Cheap, called in decoding threads."""
        ...

    def caption(self, pixels: Sequence[Pixels], *, beam: int = 1) -> list[Caption]:
        """Captions of prepared images. A caption does not depend on its companions.

        `beam` is the number of sentences that are followed at the same time; 1 is greedy.
        """
        ...
