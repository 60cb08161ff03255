"""What the catalogue is told about files, and what it tells: plain values, no database behind."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from jaxtyping import Float32

from indexer.photo_facts import PhotoFacts
from spectrum.encoders.protocol import EncoderIdentity


@dataclass(frozen=True, kw_only=True)
class KnownFile:
    """What the catalogue holds of one path."""

    size_bytes: int
    mtime_ns: int
    state: str
    """present | missing | deleted | failed"""
    content_id: int | None
    encoded: bool
    """Whether its content has a vector in the space that was asked about."""
    decoder: str | None
    """If it failed: the versions that failed."""
    message: str | None
    """If it failed: why."""


@dataclass(frozen=True, kw_only=True)
class FileEvidence:
    """What refinement's first phase saw of a picture, beside its base vector."""

    stack: str
    """StackIdentity.fingerprint of what saw it."""
    semantic: Float32[np.ndarray, "S"]
    """The local vector's semantic block; its visual block is the base vector's."""
    prompt: Float32[np.ndarray, "S"]


@dataclass(frozen=True, kw_only=True)
class EncodedFile:
    """A file whose content was encoded just now."""

    path: str
    size_bytes: int
    mtime_ns: int
    hash: str
    width: int
    height: int
    format: str
    vector: Float32[np.ndarray, "D"]
    facts: PhotoFacts | None = None
    """None if nobody looked for any."""
    difference_hash: int | None = None
    """Of `indexer.difference_hash`; None if it was not computed."""
    evidence: FileEvidence | None = None
    """None if nothing refines."""


@dataclass(frozen=True, kw_only=True)
class RecognisedFile:
    """A file whose content has a vector already: moved, copied, or changed back."""

    path: str
    size_bytes: int
    mtime_ns: int
    hash: str


@dataclass(frozen=True, kw_only=True)
class FailedFile:
    """A file that could not be read, decoded or encoded."""

    path: str
    size_bytes: int
    mtime_ns: int
    stage: str
    """walk | read | decode | encode"""
    error_class: str
    message: str
    decoder: str


Outcome = EncodedFile | RecognisedFile | FailedFile


@dataclass(frozen=True, kw_only=True)
class FailureRow:
    """One line of `spectrum status --failed`."""

    path: str
    stage: str
    error_class: str
    message: str
    attempts: int
    failed_at: datetime


@dataclass(frozen=True, kw_only=True)
class SpaceRow:
    """A space as the catalogue stores it."""

    id: int
    identity: EncoderIdentity
    fingerprint: str
    generation: int
