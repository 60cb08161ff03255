"""A file's bytes: read once, and never more of them than allowed. Knows no Pillow."""

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Stage = Literal["read", "decode"]
"""Where a file failed: the disk did not give its bytes, or the bytes did not give a picture."""

_MEBI = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a file may cost."""

    file_bytes: int = 512 * _MEBI
    """Greatest size of a file, bytes; > 0."""
    pixels: int = 200_000_000
    """Greatest width times height, as the header gives it, before anything is decoded; > 0."""

    def __post_init__(self) -> None:
        for name in ("file_bytes", "pixels"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than 0, got {getattr(self, name)}")


class UnreadableImageError(Exception):
    """A file that gives no picture. `str()` is the message: one line, without the path."""

    def __init__(self, *, stage: Stage, error_class: str, message: str) -> None:
        self.stage: Stage = stage
        self.error_class = error_class
        self.message = _one_line(message)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        # keyword-only arguments do not survive the default pickling between processes
        return _unpickled, (self.stage, self.error_class, self.message)


def read_file(path: str, limits: Limits) -> bytes:
    """The whole file, read once.

    The limit is checked before reading, and while reading for a file that grows.

    Raises:
        UnreadableImageError: stage `read`: permission, vanished, a folder or another special
            file, empty, larger than `limits.file_bytes`, or the device failed.
    """
    with opened_file(path, limits) as file:
        size = os.fstat(file.fileno()).st_size
        data = bytearray()
        while chunk := file.read(max(size + 1 - len(data), _MEBI)):
            data += chunk
            _check_bytes(len(data), limits)
    if not data:
        raise _unread("EmptyFileError", "empty: the file has 0 bytes")
    return bytes(data)


@contextmanager
def opened_file(path: str, limits: Limits) -> Iterator[io.FileIO]:
    """The file, open for reading, for callers that need a part of it only.

    Raises:
        UnreadableImageError: stage `read`, as `read_file` does, whenever the disk refuses.
    """
    try:
        # without O_NONBLOCK a named pipe would block until somebody writes into it
        with open(path, "rb", buffering=0, opener=_open_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _unread("SpecialFileError", "not a regular file")
            _check_bytes(found.st_size, limits)
            yield file
    except OSError as error:
        raise _unread(type(error).__name__, _reason(error)) from error
    except MemoryError as error:
        raise _unread("MemoryError", "too large for this machine's memory") from error


def content_hash(data: bytes) -> str:
    """BLAKE2b-128 of the bytes, 32 hexadecimal digits: the identity of an image."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _check_bytes(size: int, limits: Limits) -> None:
    if size > limits.file_bytes:
        said = f"{size / _MEBI:.4g} MiB, the limit is {limits.file_bytes / _MEBI:.4g}"
        raise _unread("FileTooLargeError", said)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "vanished: no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a file"
    return error.strerror or type(error).__name__


def _unread(error_class: str, message: str) -> UnreadableImageError:
    return UnreadableImageError(stage="read", error_class=error_class, message=message)


def _one_line(text: str) -> str:
    """At most 200 printable characters: plugins quote bytes of the file in their messages."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:200]


def _unpickled(stage: Stage, error_class: str, message: str) -> UnreadableImageError:
    return UnreadableImageError(stage=stage, error_class=error_class, message=message)
