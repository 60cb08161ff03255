"""Pictures that users hand over (a path, bytes, an opened image) as pixels, always by one way."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from indexer.images import Limits, UnreadableImageError, content_hash, decode, read_file, rgb_of
from spectrum.encoders.protocol import RgbImage

if TYPE_CHECKING:
    from PIL.Image import Image


def rgb_of_source(source: "str | bytes | Image", side_pixels: int) -> RgbImage:
    """Decodes `source` as the indexer would. UnreadableImageError says what is wrong with it."""
    if isinstance(source, str):
        data = _bytes_of_file(source)
        with _named(source):
            return decode(data, limits=Limits(), side_pixels=side_pixels).rgb
    if isinstance(source, bytes):
        return decode(source, limits=Limits(), side_pixels=side_pixels).rgb
    return rgb_of(source, side_pixels=side_pixels)


def hash_of_source(source: str | bytes) -> str:
    """The content hash of a file or of its bytes, by which the library knows pictures."""
    return content_hash(source if isinstance(source, bytes) else _bytes_of_file(source))


def _bytes_of_file(path: str) -> bytes:
    with _named(path):
        return read_file(os.path.expanduser(path), Limits())


@contextmanager
def _named(path: str) -> Iterator[None]:
    """The indexer's rows name the file beside the reason; here the message stands alone."""
    try:
        yield
    except UnreadableImageError as error:
        raise UnreadableImageError(
            stage=error.stage, error_class=error.error_class, message=f"{path}: {error.message}"
        ) from error
