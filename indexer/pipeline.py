"""Read, decode and encode files: decoding in threads, encoding in the caller's, bounded between.

Order is kept, so the same folder gives the same batches in every run.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from indexer.images import (
    DECODER_VERSION,
    Limits,
    UnreadableImageError,
    content_hash,
    decode,
    read_file,
)
from indexer.photo_facts import PhotoFacts
from indexer.records import EncodedFile, FailedFile, FileEvidence, Outcome, RecognisedFile
from indexer.walk import FoundFile
from spectrum.encoders.protocol import EncodedImages, Encoder, ModelUnavailableError, Pixels
from spectrum.stack.protocol import Refiner


@dataclass(frozen=True, kw_only=True)
class Flow:
    """How much is in flight at once."""

    batch_size: int = 32
    """Images per encoding, and per transaction; >= 1. A killed run loses one batch at most."""
    workers: int = max(2, os.cpu_count() or 2)
    """Decoding threads; >= 1. Pillow lets go of the interpreter while it decodes."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def ahead(self) -> int:
        """Files read but not yet encoded, at most: memory does not grow with the folder."""
        return 2 * self.batch_size


@dataclass(frozen=True, kw_only=True)
class PreparedFile:
    """A decoded image, ready for the encoder."""

    file: FoundFile
    hash: str
    width: int
    height: int
    format: str
    facts: PhotoFacts
    difference_hash: int
    pixels: Pixels


Step = PreparedFile | RecognisedFile | FailedFile


def encoded_batches(
    files: Sequence[FoundFile],
    encoder: Encoder,
    *,
    is_encoded: Callable[[str], bool],
    limits: Limits,
    flow: Flow,
    refiner: Refiner | None = None,
) -> Iterator[list[Outcome]]:
    """Yields the outcome of every file, a batch at a time; batches follow the order of `files`.

    `is_encoded` tells by content hash whether a vector is stored already; it is called from
    several threads. A file that fails is an outcome like any other and harms no companion. With a
    `refiner`, what its first phase sees is part of the outcome.
    """

    def step(file: FoundFile) -> Step:
        return prepare(file, encoder, is_encoded=is_encoded, limits=limits)

    for steps in _batches(_in_order(step, files, flow), flow.batch_size):
        outcomes: list[Outcome] = [s for s in steps if not isinstance(s, PreparedFile)]
        outcomes += encode([s for s in steps if isinstance(s, PreparedFile)], encoder, refiner)
        yield outcomes


def prepare(
    file: FoundFile, encoder: Encoder, *, is_encoded: Callable[[str], bool], limits: Limits
) -> Step:
    """Reads a file once: hash, and unless the content is known, decoded and prepared pixels."""
    try:
        data = read_file(file.path, limits)
        hash = content_hash(data)
        if is_encoded(hash):
            return RecognisedFile(
                path=file.path, size_bytes=file.size_bytes, mtime_ns=file.mtime_ns, hash=hash
            )
        image = decode(data, limits=limits, side_pixels=encoder.side_pixels)
    except UnreadableImageError as error:
        return _failed(file, error.stage, error.error_class, error.message)
    try:
        pixels = encoder.prepare(image.rgb)
    except ModelUnavailableError:
        raise
    except Exception as error:  # as in `encode`
        return _not_encoded(file, error)
    return PreparedFile(
        file=file,
        hash=hash,
        width=image.width,
        height=image.height,
        format=image.format,
        facts=image.facts,
        difference_hash=image.difference_hash,
        pixels=pixels,
    )


def encode(
    prepared: Sequence[PreparedFile], encoder: Encoder, refiner: Refiner | None = None
) -> list[EncodedFile | FailedFile]:
    """Encodes a batch; if that fails, halves it until only the culprits have failed.

    ModelUnavailableError is no fault of an image and passes through.
    """
    if not prepared:
        return []
    try:
        vectors, evidence = _seen(encoder, [one.pixels for one in prepared], refiner)
    except ModelUnavailableError:
        raise
    except Exception as error:  # whatever an inference engine raises, one image must not stop all
        if len(prepared) == 1:
            return [_not_encoded(prepared[0].file, error)]
        middle = len(prepared) // 2
        halves = prepared[:middle], prepared[middle:]
        return [outcome for half in halves for outcome in encode(half, encoder, refiner)]
    return [
        EncodedFile(
            path=one.file.path,
            size_bytes=one.file.size_bytes,
            mtime_ns=one.file.mtime_ns,
            hash=one.hash,
            width=one.width,
            height=one.height,
            format=one.format,
            vector=vector,
            facts=one.facts,
            difference_hash=one.difference_hash,
            evidence=seen,
        )
        for one, vector, seen in zip(prepared, vectors, evidence, strict=True)
    ]


def stored_vectors(encoder: Encoder, pixels: Sequence[Pixels]) -> Float32[np.ndarray, "B D"]:
    """What is stored of an image: F = [semantic; visual], each block of unit length.

    Source: SPECTRUM, reading 4 (one vector, two blocks). Raises ValueError for vectors that are
    not finite, which no ranking could order, and for others than the encoder promised.
    """
    return _checked(encoder, encoder.encode_images(pixels), len(pixels))


def _seen(
    encoder: Encoder, pixels: Sequence[Pixels], refiner: Refiner | None
) -> tuple[Float32[np.ndarray, "B D"], Sequence[FileEvidence | None]]:
    """The vectors, and what the refiner sees of each image while its tokens are in memory."""
    if refiner is None:
        return stored_vectors(encoder, pixels), [None] * len(pixels)
    images = encoder.encode_images(pixels, tokens=True)
    vectors = _checked(encoder, images, len(pixels))
    seen = refiner.evidence(images)
    width = encoder.identity.semantic_dimension
    if seen.local.shape != vectors.shape or seen.prompts.shape != images.semantic.shape:
        raise ValueError(f"the refiner saw {seen.local.shape} and {seen.prompts.shape}")
    if not (np.isfinite(seen.local).all() and np.isfinite(seen.prompts).all()):
        raise ValueError("the refiner gave a vector that is not finite")
    if not np.allclose(seen.local[:, width:], vectors[:, width:], atol=1e-5):
        raise ValueError("the refiner's first phase changed the visual block, which is not stored")
    stack = refiner.identity.fingerprint
    return vectors, [
        FileEvidence(stack=stack, semantic=local[:width], prompt=prompt)
        for local, prompt in zip(seen.local, seen.prompts, strict=True)
    ]


def _checked(encoder: Encoder, images: EncodedImages, n: int) -> Float32[np.ndarray, "B D"]:
    vectors = np.concatenate([images.semantic, images.visual], axis=1)
    promised = (n, encoder.identity.dimension)
    if vectors.shape != promised:
        raise ValueError(f"the encoder gave vectors of shape {vectors.shape}, not {promised}")
    if not np.isfinite(vectors).all():
        raise ValueError("the encoder gave a vector that is not finite")
    return vectors


def _in_order(
    step: Callable[[FoundFile], Step], files: Iterable[FoundFile], flow: Flow
) -> Iterator[Step]:
    waiting: deque[Future[Step]] = deque()
    with ThreadPoolExecutor(flow.workers, thread_name_prefix="decode") as pool:
        try:
            for file in files:
                waiting.append(pool.submit(step, file))
                if len(waiting) >= flow.ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # An abandoned run must not decode what it had queued.
            pool.shutdown(wait=True, cancel_futures=True)


def _batches(steps: Iterable[Step], size: int) -> Iterator[list[Step]]:
    """Cut after `size` images to encode or `size` times 16 other outcomes, whichever is first."""
    batch: list[Step] = []
    to_encode = 0
    for step in steps:
        batch.append(step)
        to_encode += isinstance(step, PreparedFile)
        if to_encode == size or len(batch) == 16 * size:
            yield batch
            batch, to_encode = [], 0
    if batch:
        yield batch


def _not_encoded(file: FoundFile, error: Exception) -> FailedFile:
    reason = " ".join(str(error).split()) or "the encoder failed"
    return _failed(file, "encode", type(error).__name__, reason)


def _failed(file: FoundFile, stage: str, error_class: str, message: str) -> FailedFile:
    return FailedFile(
        path=file.path,
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        stage=stage,
        error_class=error_class,
        message=message,
        decoder=DECODER_VERSION,
    )
