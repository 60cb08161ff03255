"""The files of an embedded encoder: in a folder, or together in one `.spectrum` file.

A `.spectrum` file is a zip whose members are stored as they are, so that it is as quick to read as
the folder and any unzip program opens it.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from spectrum.encoders.protocol import ModelUnavailableError

SUFFIX = ".spectrum"
"""What such a file is called by habit; any name is read."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""A member's date, always the same, so that the same weights make the same file."""


class WeightFiles:
    """Reads files by name from a folder, or from a `.spectrum` file if `place` is a file."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.is_archive = place.is_file()

    def path(self, name: str) -> Path:
        """Where the file is; for a member of an archive only what messages call it."""
        return self.place / name

    def reader(self, name: str) -> Callable[[], bytes] | None:
        """What reads the file, or None in a folder, where its path can be opened."""
        return partial(self.content, name) if self.is_archive else None

    def content(self, name: str) -> bytes:
        """The file's bytes.

        Raises OSError if it cannot be read, ModelUnavailableError if the archive is damaged or
        has no such file.
        """
        if not self.is_archive:
            return self.path(name).read_bytes()
        import zipfile

        try:
            with zipfile.ZipFile(self.place) as archive:
                return archive.read(name)
        except KeyError:
            raise ModelUnavailableError(
                f"{self.place}: holds no {name}, so it is no encoder; make it again with"
                " 'spectrum distill', or get the file again"
            ) from None
        # A damaged directory may also name methods and sizes that there are not.
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise ModelUnavailableError(
                f"{self.place}: not a readable encoder file ({str(error) or 'it ends early'});"
                " get the file again"
            ) from None


def write_archive(folder: Path, names: Sequence[str], target: Path) -> None:
    """Writes files of a folder into one `.spectrum` file, which is there whole or not at all.

    Raises OSError if it cannot be written; a file of that name is then still what it was.
    """
    import zipfile

    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
                for name in names:
                    member = zipfile.ZipInfo(name, _LONG_AGO)
                    member.external_attr = 0o644 << 16
                    archive.writestr(member, (folder / name).read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
