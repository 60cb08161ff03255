"""What the catalogue is told about files, and what it tells: plain values, no database behind."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from jaxtyping import Float32

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
