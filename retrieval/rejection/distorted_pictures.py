"""Vectors of the library's own pictures, distorted: what the gate for images learns to refuse."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from retrieval.rejection.distortions import distorted
from spectrum.encoders.protocol import Encoder, RgbImage

if TYPE_CHECKING:
    from retrieval.library import Library

ENCODED_AT_ONCE = 32


def distorted_vectors(
    library: "Library",
    ids: np.ndarray[Any, np.dtype[np.int64]],
    count: int,
    seed: int,
    say: Callable[[str], None],
) -> Float32[np.ndarray, "V D"]:
    """[semantic; visual] of the distortions of `count` of the pictures, as far as they are there.

    Says how many files could not be read. Pictures whose files are gone are left out.
    """
    from indexer.images import UnreadableImageError
    from retrieval.pictures import rgb_of_source

    encoder = library.encoder
    rng = np.random.default_rng(seed)
    chosen = ids[rng.permutation(len(ids))[:count]].tolist()
    paths = library.catalogue.paths_of(chosen)
    unread = 0

    def pictures() -> Iterator[RgbImage]:
        nonlocal unread
        for id in chosen:
            try:
                if paths[id]:
                    yield rgb_of_source(paths[id][0], encoder.side_pixels)
            except UnreadableImageError:
                unread += 1

    vectors = encoded_distortions(encoder, pictures(), rng)
    if unread:
        say(f"{unread} of {len(chosen)} pictures could not be read to be distorted")
    return vectors


def encoded_distortions(
    encoder: Encoder, pictures: Iterable[RgbImage], dice: np.random.Generator
) -> Float32[np.ndarray, "V D"]:
    """[semantic; visual] of each distortion of each picture."""
    identity = encoder.identity
    width = identity.semantic_dimension + identity.visual_dimension
    found = [np.empty((0, width), dtype=np.float32)]
    waiting: list[Any] = []

    def encode() -> None:
        images = encoder.encode_images(waiting)
        found.append(np.concatenate([images.semantic, images.visual], axis=1))
        waiting.clear()

    for picture in pictures:
        waiting += map(encoder.prepare, distorted(picture, encoder.side_pixels, dice))
        if len(waiting) >= ENCODED_AT_ONCE:
            encode()
    if waiting:
        encode()
    return np.concatenate(found)
