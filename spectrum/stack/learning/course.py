"""What an encoder says of captioned images and of their captions, asked once and kept."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from spectrum.encoders import Encoder
from spectrum.oracle.proposals import ProposalConfig
from spectrum.stack.learning.captions import even_captions
from spectrum.stack.learning.grid_cache import GridCache
from spectrum.stack.learning.views import ViewsEncoder
from spectrum.stack.material import CaptionedImages
from spectrum.stack.settings import StackTraining
from spectrum.students.knowledge import Progress, Silence
from spectrum.students.vector_cache import VectorCache

TEXT_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Course:
    """An encoder, how a stack for it is trained, and where what it said is kept."""

    encoder: Encoder
    """Any that gives a grid of tokens."""
    work: Path
    """Folder that the next run with the same encoder goes on from."""
    training: StackTraining = field(default_factory=StackTraining)
    mirrored: bool = True
    """Whether an image's mirror image is a second view of it, at the cost of encoding it too."""
    progress: Progress = field(default_factory=Silence)

    @cached_property
    def views(self) -> ViewsEncoder:
        """Encodes images; what it says goes to `keep`. UnsuitableModelError without a grid."""
        encoder = ViewsEncoder(self.encoder, mirrored=self.mirrored)
        _ = encoder.grid
        return encoder

    @cached_property
    def images(self) -> GridCache:
        """What the encoder said of images, by content hash."""
        proposed = repr(sorted(asdict(ProposalConfig()).items()))
        return GridCache(self._folder("images", self.views.identity.fingerprint, proposed))

    @cached_property
    def texts(self) -> VectorCache:
        """What it said of texts, by the texts' hashes."""
        identity = self.encoder.identity
        width = identity.semantic_dimension
        return VectorCache(self._folder("texts", identity.fingerprint), width, exact=width)

    def keep(self, hashes: Sequence[str], vectors: Float32[np.ndarray, "N W"]) -> None:
        """Puts into the cache what `views` said of images, its two blocks side by side."""
        self.images.add(hashes, *self.views.parts(vectors))

    def material(
        self, hashes: Sequence[str], captions: Mapping[str, Sequence[str]]
    ) -> CaptionedImages:
        """What a stack is trained on; `captions` by content hash."""
        even = even_captions([captions[hash] for hash in hashes], self.training.seed)
        vectors = self.said([text for own in even for text in own])
        return CaptionedImages(
            views=self.images.views(hashes),
            captions=vectors.reshape(len(even), len(even[0]), -1),
            texts=tuple(map(tuple, even)),
        )

    def said(self, texts: Sequence[str]) -> Float32[np.ndarray, "M S"]:
        """The encoder's vectors of texts; it is asked about those that are new."""
        cache = self.texts
        unknown = [text for text in dict.fromkeys(texts) if _key(text) not in cache]
        if unknown:
            self.progress.stage("encoding captions", len(unknown))
        for start in range(0, len(unknown), TEXT_BATCH):
            batch = unknown[start : start + TEXT_BATCH]
            cache.add([_key(text) for text in batch], self.encoder.encode_texts(batch))
            self.progress.advance(len(batch))
        return cache.exact_vectors([_key(text) for text in texts])

    def checkpoint(self, hashes: Sequence[str], captions: Mapping[str, Sequence[str]]) -> Path:
        """Where training on this material is kept; another material, or setting, has another."""
        said = [
            self.views.identity.fingerprint,
            repr(self.training),
            *(f"{hash} {list(captions[hash])!r}" for hash in hashes),
        ]
        digest = _key("\n".join(said))[:16]
        return self.work / f"stack-{digest}.pt"

    def _folder(self, what: str, *identity: str) -> Path:
        """Another encoder has another folder."""
        return self.work / f"{what}-{_key(' '.join(identity))[:16]}"


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
