"""Why bytes gave no picture, in words for people. Knows no Pillow."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from indexer.file_content import UnreadableImageError


@contextmanager
def told_in_words(data: bytes) -> Iterator[None]:
    """Turns whatever decoding `data` runs into to an UnreadableImageError of stage `decode`."""
    try:
        yield
    except UnreadableImageError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever their parsing ran into
        raise _in_words(error, data) from error


def undecoded(error_class: str, message: str) -> UnreadableImageError:
    """An error of stage `decode`."""
    return UnreadableImageError(stage="decode", error_class=error_class, message=message)


def missing_extra(what: str, extra: str) -> UnreadableImageError:
    """`what` is a kind of file, `extra` the name of the optional dependencies that read it."""
    message = f"{what}: needs the extra: pip install 'spectrum-retrieval[{extra}]'"
    return undecoded("MissingDecoderError", message)


def _in_words(error: Exception, data: bytes) -> UnreadableImageError:
    """What a plugin ran into, in words."""
    said = str(error)
    short_webp = data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data)
    # ImageFile raises a short header as SyntaxError, from what reading past its end raised
    reasons = (error, error.__cause__)
    ends_early = any(isinstance(reason, (EOFError, IndexError, struct.error)) for reason in reasons)
    if ends_early or short_webp or re.search(r"truncated|not enough image data", said, re.I):
        message = "truncated: the file ends before the picture does"
    elif isinstance(error, MemoryError):
        message = "too large for this machine's memory"
    elif type(error).__name__ == "DecompressionBombError":
        # for what is told before the header's size is ours to check, and for tiles within
        pixels = re.search(r"\d+", said)
        size = f"{int(pixels[0]) / 1e6:.4g} megapixels" if pixels else "a tile of too many pixels"
        return undecoded("TooManyPixelsError", f"{size}: more than the limit (--max-megapixels)")
    else:
        message = f"damaged: {said or type(error).__name__}"
    return undecoded(type(error).__name__, message)
