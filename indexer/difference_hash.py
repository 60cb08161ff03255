"""A picture's perceptual hash: which of 64 small patches are brighter than the next one.

Two files of one picture, of other sizes, formats or compressions, differ in few bits. Alone it
proves nothing: pictures that have nothing in common may agree too.
"""

import numpy as np
from jaxtyping import Bool, Int64, UInt8

ROWS, COLUMNS = 8, 9
"""Of the greyscale thumbnail; each row gives COLUMNS - 1 bits."""

FEWEST_BITS = 4
"""A hash with fewer ones, or fewer zeros, is that of a plain surface and tells nothing."""


def difference_hash(grey: UInt8[np.ndarray, "8 9"]) -> int:
    """64 bits as a signed number: bit 8 r + c is set if patch (r, c) is brighter than (r, c + 1).

    Bit 0 is the lowest. Source: "dHash", N. Krawetz, hackerfactor.com, 2013 (it compares the other
    way round). Signed, because databases know no others.
    """
    brighter = grey[:, :-1] > grey[:, 1:]
    packed = np.packbits(brighter.ravel(), bitorder="little")
    return int(packed.view("<i8")[0])


def differing_bits(
    first: Int64[np.ndarray, "..."], second: Int64[np.ndarray, "..."]
) -> UInt8[np.ndarray, "..."]:
    """In how many of 64 bits the hashes differ."""
    counts: UInt8[np.ndarray, "..."] = np.bitwise_count((first ^ second).view(np.uint64))
    return counts


def tells_something(hashes: Int64[np.ndarray, "..."]) -> Bool[np.ndarray, "..."]:
    """Whether a picture has enough light and shade for its hash to mean anything."""
    ones = np.bitwise_count(hashes.view(np.uint64))
    told: Bool[np.ndarray, "..."] = (ones >= FEWEST_BITS) & (ones <= 64 - FEWEST_BITS)
    return told
