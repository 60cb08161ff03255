"""Camera negatives (DNG, CR2, CR3, NEF, ARW, RAF, ORF, RW2): known by their bytes, read by rawpy.

rawpy is the optional extra `raw`. Knows no Pillow.
"""

import importlib.util
import io
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from spectrum.encoders.protocol import RgbImage

DNG_VERSION, NEW_SUBFILE_TYPE, SUB_IFDS = 50706, 254, 330
"""Numbers of TIFF tags."""


def is_available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("rawpy") is not None


def decoder_version() -> str:
    """The decoder's part of `DECODER_VERSION`; empty where the extra is not installed."""
    return f"rawpy {version('rawpy')}" if is_available() else ""


def has_raw_signature(data: bytes) -> bool:
    """Whether the first bytes are those of a maker's own container."""
    return (
        data.startswith((b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"))
        or (data.startswith((b"II*\0", b"MM\0*")) and data[8:10] == b"CR")
        or data[4:12] == b"ftypcrx "
    )


def has_raw_tags(tags: Mapping[int, Any]) -> bool:
    """Whether a TIFF's first directory is a negative's: DNG, NEF and ARW are TIFF files.

    Read as TIFF they would give the thumbnail of a few pixels that makers put first.
    """
    kind = tags.get(NEW_SUBFILE_TYPE)
    reduced = isinstance(kind, int) and bool(kind & 1)
    return DNG_VERSION in tags or (reduced and SUB_IFDS in tags)


def develop(
    data: bytes, *, check_size: Callable[[int, int], None], side_pixels: int | None
) -> tuple[RgbImage, int, int]:
    """The upright picture in sRGB with the camera's white balance, and its full width and height.

    At half size where the shorter side stays at least twice `side_pixels`: no demosaicing then.
    `check_size` gets width and height before any pixel is decoded and raises if they are too much.
    """
    import rawpy

    with rawpy.imread(io.BytesIO(data)) as raw:
        width, height = int(raw.sizes.width), int(raw.sizes.height)
        check_size(width, height)
        half = side_pixels is not None and min(width, height) >= 4 * side_pixels
        rgb = np.asarray(raw.postprocess(use_camera_wb=True, half_size=half, output_bps=8))
        if raw.sizes.flip in (5, 6):  # LibRaw's numbers for a quarter turn; pixels come upright
            width, height = height, width
    return np.ascontiguousarray(rgb, dtype=np.uint8), width, height
