"""Greyscale of more than 8 bits to 8 bits, by the range of its values. Knows no Pillow."""

import numpy as np
from jaxtyping import Shaped, UInt8

SIXTEEN_BITS = 65535


def eight_bit_grey(
    values: Shaped[np.ndarray, "H W"],
    *,
    peak: int = SIXTEEN_BITS,
    transparent: int | None = None,
) -> UInt8[np.ndarray, "H W"]:
    """The values from 0 (black) to 255 (white), rounded.

    dtype             black    white
    unsigned, 16 bit  0        `peak`; the value `transparent` is white too
    integer, 32 bit   0        65535, if that holds the data
    floating point    0        the smallest of 1, 255 and 65535 that holds the data
    otherwise         least    greatest finite value; NaN is black, infinities are at their ends

    By the greatest value of the type, not of the data, where there is one: a night scene is to
    stay dark, and the same scene in 8 and in 16 bits is to give the same vector.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        table = np.rint(np.minimum(np.arange(65536) / peak, 1) * 255).astype(np.uint8)
        if transparent is not None and 0 <= transparent <= SIXTEEN_BITS:
            table[transparent] = 255
        return np.asarray(table[values])
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        low = float(np.min(values, where=finite, initial=np.inf))
        high = float(np.max(values, where=finite, initial=-np.inf))
    else:
        low, high = float(values.min()), float(values.max())
    if low > high:  # not one finite value
        low, high = 0.0, 1.0
    ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    held = [greatest for greatest in ranges if low >= 0 and high <= greatest]
    low, high = (0.0, held[0]) if held else (low, high)
    scale = 255 / max(high - low, float(np.finfo(np.float32).tiny))
    # In place, in single precision: a scan of 200 megapixels must not take ten gigabytes.
    grey = values.astype(np.float32)
    np.clip(grey, low, high, out=grey)
    grey *= scale
    grey -= low * scale
    np.nan_to_num(grey, copy=False, nan=0.0)
    np.rint(grey, out=grey)
    return np.clip(grey, 0, 255, out=grey).astype(np.uint8)
