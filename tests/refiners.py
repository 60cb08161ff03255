"""Stand-ins for the SPECTRUM stack: plain enough to know each vector beforehand; numpy only."""

import hashlib

import numpy as np
from jaxtyping import Bool, Float32

from spectrum.encoders.protocol import EncodedImages
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.protocol import Explanation, ImageEvidence, Refined, StackIdentity
from tests.stand_ins import ColourEncoder

SEMANTIC = 4


class StillRefiner:
    """Moves nothing: every gate is shut."""

    def __init__(self, neighbours: int = 3, weights: str = "first") -> None:
        self.identity = StackIdentity(
            encoder=ColourEncoder().identity.fingerprint,
            weights_hash=hashlib.blake2b(weights.encode(), digest_size=16).hexdigest(),
            modules=(type(self).__name__,),
            neighbours=neighbours,
        )
        self.lexicon: Lexicon | None = None
        self.n_seen = 0
        self.calls: list[int] = []

    def evidence(self, encoded: EncodedImages) -> ImageEvidence:
        if encoded.tokens is None:
            raise ValueError("no tokens")
        self.n_seen += len(encoded.semantic)
        return ImageEvidence(self.local(encoded), encoded.semantic)

    def local(self, encoded: EncodedImages) -> Float32[np.ndarray, "B D"]:
        return np.concatenate([encoded.semantic, encoded.visual], axis=1)

    def likeness(self, local: Float32[np.ndarray, "B D"]) -> Float32[np.ndarray, "B D"]:
        return local * np.float32(0.5**0.5)

    def refine(
        self,
        local: Float32[np.ndarray, "B M D"],
        prompts: Float32[np.ndarray, "B M S"],
        member_mask: Bool[np.ndarray, "B M"],
    ) -> Refined:
        assert local.shape[1] == 1 + self.identity.neighbours
        assert member_mask[:, 0].all()
        self.calls.append(len(local))
        return Refined(self.vectors(local, member_mask), self.hubness(local))

    def vectors(
        self, local: Float32[np.ndarray, "B M D"], member_mask: Bool[np.ndarray, "B M"]
    ) -> Float32[np.ndarray, "B D"]:
        return local[:, 0]

    def hubness(self, local: Float32[np.ndarray, "B M D"]) -> Float32[np.ndarray, "B 2"]:
        return np.zeros((len(local), 2), dtype=np.float32)

    def explain(
        self,
        local: Float32[np.ndarray, "M D"],
        prompts: Float32[np.ndarray, "M S"],
        member_mask: Bool[np.ndarray, "M"],
    ) -> Explanation:
        return Explanation({}, {}, np.zeros(len(local) - 1, dtype=np.float32))


class MeanRefiner(StillRefiner):
    """Sees the brightest corner too; refines to the mean of the members; red is a hub,
    of words half as much as of sentences."""

    def local(self, encoded: EncodedImages) -> Float32[np.ndarray, "B D"]:
        assert encoded.tokens is not None
        corner = encoded.tokens.max(axis=(1, 2)).astype(np.float32)
        seen = encoded.semantic.copy()
        seen[:, :3] += 0.2 * corner
        return np.concatenate([_unit(seen), encoded.visual], axis=1)

    def vectors(
        self, local: Float32[np.ndarray, "B M D"], member_mask: Bool[np.ndarray, "B M"]
    ) -> Float32[np.ndarray, "B D"]:
        weights = member_mask / member_mask.sum(axis=1, keepdims=True)
        mean = np.einsum("bm,bmd->bd", weights, local)
        blocks = mean[:, :SEMANTIC], mean[:, SEMANTIC:]
        return np.concatenate([_unit(block) for block in blocks], axis=1)

    def hubness(self, local: Float32[np.ndarray, "B M D"]) -> Float32[np.ndarray, "B 2"]:
        return (local[:, 0, :1] * np.float32([0.25, 0.125])).astype(np.float32)


def _unit(vectors: Float32[np.ndarray, "B D"] | np.ndarray) -> Float32[np.ndarray, "B D"]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
