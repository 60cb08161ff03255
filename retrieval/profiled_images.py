"""The images that `spectrum profile` measures on: those of a captions file, or made-up ones."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from indexer.file_content import UnreadableImageError
from retrieval.evaluation.datasets import CaptionDataset
from retrieval.pictures import rgb_of_source
from retrieval.profiling import CaptionQueries
from spectrum.encoders.protocol import EncodedImages, Encoder, ModelUnavailableError, RgbImage

SYNTHETIC = 128
"""Enough to time: two batches."""

ENCODED_AT_ONCE = 32
TEXTS_AT_ONCE = 256
CELLS = 8
"""Rows and columns of a made-up image."""


class CaptionedImages(NamedTuple):
    """Images with their grids, what asks for them, and what could not be read, a line each."""

    encoded: EncodedImages
    queries: CaptionQueries
    failures: list[str]


def synthetic_images(encoder: Encoder) -> EncodedImages:
    """Random patches of colour, the same each time."""
    random = np.random.default_rng(0)
    patch = np.ones((-(-encoder.side_pixels // CELLS),) * 2 + (1,), dtype=np.uint8)

    def images() -> Iterator[RgbImage]:
        for _ in range(SYNTHETIC):
            yield np.kron(random.integers(0, 256, (CELLS, CELLS, 3), dtype=np.uint8), patch)

    return encoded_images(encoder, images())


def captioned_images(
    encoder: Encoder,
    dataset: CaptionDataset,
    limit: int,
    advance: Callable[[], None] = lambda: None,
) -> CaptionedImages:
    """The first `limit` images of a dataset, as far as they can be read."""
    of_image: dict[Path, list[str]] = {}
    for image, said in zip(dataset.images, dataset.captions, strict=True):
        of_image.setdefault(image, []).extend(said)
    read: list[Path] = []
    failures: list[str] = []

    def images() -> Iterator[RgbImage]:
        for path in list(of_image)[:limit]:
            try:
                rgb = rgb_of_source(str(path), encoder.side_pixels)
            except UnreadableImageError as error:
                failures.append(str(error))
            else:
                read.append(path)
                yield rgb
            advance()

    encoded = encoded_images(encoder, images())
    owners = [row for row, path in enumerate(read) for _ in of_image[path]]
    texts = [text for path in read for text in of_image[path]]
    queries = CaptionQueries(
        vectors=text_vectors(encoder, texts),
        owners=np.array(owners, dtype=np.int64),
        texts=tuple(texts),
    )
    return CaptionedImages(encoded, queries, failures)


def text_vectors(encoder: Encoder, texts: Sequence[str]) -> Float32[np.ndarray, "Q S"]:
    """The texts' vectors, encoded a batch at a time."""
    parts = [
        encoder.encode_texts(texts[start : start + TEXTS_AT_ONCE])
        for start in range(0, len(texts), TEXTS_AT_ONCE)
    ]
    nothing = np.empty((0, encoder.identity.semantic_dimension), dtype=np.float32)
    return np.concatenate([nothing, *parts])


def encoded_images(encoder: Encoder, images: Iterator[RgbImage]) -> EncodedImages:
    """All of the images, with their grids in float16 as training and indexing have them.

    Raises ModelUnavailableError for an encoder that has no grid.
    """
    parts: list[EncodedImages] = []
    tokens: list[np.ndarray] = []
    while prepared := [encoder.prepare(image) for image in islice(images, ENCODED_AT_ONCE)]:
        part = encoder.encode_images(prepared, tokens=True)
        if part.tokens is None:
            raise ModelUnavailableError(f"{encoder.identity.name} has no grid to refine by")
        tokens.append(part.tokens.astype(np.float16))
        parts.append(part._replace(tokens=None))
    identity = encoder.identity
    none = np.empty((0, identity.semantic_dimension), dtype=np.float32)
    unseen = np.empty((0, identity.visual_dimension), dtype=np.float32)
    return EncodedImages(
        np.concatenate([none, *(part.semantic for part in parts)]),
        np.concatenate([unseen, *(part.visual for part in parts)]),
        np.concatenate(tokens) if tokens else None,
    )
