"""Pictures that users hand over (a path, bytes, an opened image) as pixels, always by one way."""

import os
from typing import TYPE_CHECKING

from indexer.images import Limits, decode, read_file, rgb_of
from spectrum.encoders.protocol import RgbImage

if TYPE_CHECKING:
    from PIL.Image import Image


def rgb_of_source(source: "str | bytes | Image", side_pixels: int) -> RgbImage:
    """Decodes `source` as the indexer would. UnreadableImageError says what is wrong with it."""
    if isinstance(source, str):
        source = read_file(os.path.expanduser(source), Limits())
    if isinstance(source, bytes):
        return decode(source, limits=Limits(), side_pixels=side_pixels).rgb
    return rgb_of(source, side_pixels=side_pixels)
