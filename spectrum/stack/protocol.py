"""The contract between refinement and everything that stores what it makes."""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32

from spectrum.encoders.protocol import EncodedImages
from spectrum.stack.lexicon import Lexicon

Module = Literal["castle", "prism", "nexus", "oracle", "harmony"]

MODULES: tuple[Module, ...] = ("castle", "prism", "nexus", "oracle", "harmony")
"""Core, context, efficient, object and modal layer, in the order of 6.1a."""


@dataclass(frozen=True, kw_only=True)
class StackIdentity:
    """What has to be equal for two refined vectors to be comparable."""

    encoder: str
    """EncoderIdentity.fingerprint of the encoder whose vectors are refined."""
    weights_hash: str
    """BLAKE2b-128 of the stack's weight file, in hexadecimal."""
    modules: tuple[str, ...]
    """The modules that take part, in the order of `spectrum.stack.MODULES`."""
    neighbours: int
    """k: how many neighbours an image is refined over."""

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that change when any refined vector could."""
        said = asdict(self)
        text = "\n".join(f"{key}={value}" for key, value in sorted(said.items()))
        return blake2b(text.encode(), digest_size=16).hexdigest()


class ImageEvidence(NamedTuple):
    """Phase 1: what is known of each image by itself, from its vectors and its grid of tokens."""

    local: Float32[np.ndarray, "B D"]
    """[semantic; visual], each block unit length: the base vector, moved by the image's own
    grid and description. Neighbours are shown this."""
    prompts: Float32[np.ndarray, "B S"]
    """P of PRISM 2.1d, unit length."""


class Refined(NamedTuple):
    """Phase 2: what goes into the index."""

    vectors: Float32[np.ndarray, "B D"]
    """[semantic; visual], each block unit length."""
    hubness: Float32[np.ndarray, "B 2"]
    """What is taken off every similarity with a text, as `text_questions` weighs the two: how near
    an image is to all sentences, and to all words by themselves."""

    def rows(self) -> Float32[np.ndarray, "B E"]:
        """[F; -h], E = D + 2: what texts are compared with."""
        return np.concatenate([self.vectors, -self.hubness], axis=1)


class Explanation(NamedTuple):
    """Why one image's refined vector is what it is."""

    module_weights: dict[str, float]
    """w of 6.2a for text queries, by module; sums to 1."""
    visual_module_weights: dict[str, float]
    """The same for image queries."""
    influences: Float32[np.ndarray, " K"]
    """How far each neighbour's replacement would move the vector: CASTLE 1.3a, squared."""


@runtime_checkable
class Refiner(Protocol):
    """Refines vectors in two phases; neither result depends on what else is in a batch."""

    @property
    def identity(self) -> StackIdentity: ...

    @property
    def lexicon(self) -> Lexicon | None:
        """What words look like among refined vectors; None where that was not learned."""
        ...

    def evidence(self, encoded: EncodedImages) -> ImageEvidence:
        """Phase 1 of images whose `tokens` are there. ValueError where they are missing."""
        ...

    def likeness(self, local: Float32[np.ndarray, "B D"]) -> Float32[np.ndarray, "B D"]:
        """Vectors whose inner products say how alike images are; unit length."""
        ...

    def refine(
        self,
        local: Float32[np.ndarray, "B M D"],
        prompts: Float32[np.ndarray, "B M S"],
        member_mask: Bool[np.ndarray, "B M"],
    ) -> Refined:
        """Phase 2 of anchors (member 0) among up to M - 1 = `neighbours` images of a bank.

        Neighbours are the nearest by inner product of `likeness(local)`; their order changes
        nothing.
        """
        ...

    def explain(
        self,
        local: Float32[np.ndarray, "M D"],
        prompts: Float32[np.ndarray, "M S"],
        member_mask: Bool[np.ndarray, " M"],
    ) -> Explanation:
        """What moved one anchor."""
        ...
