"""Where a library lies, and whether there is one."""

import os
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.database import CATALOGUE_FILE
from indexer.errors import LibraryError


class LibraryNotFoundError(Exception):
    """There is no library where one was looked for."""


def library_folder(folder: str | os.PathLike[str] | None) -> Path:
    """The absolute path of the folder that is named, by default the user's own."""
    return default_folder() if folder is None else Path(folder).expanduser().absolute()


def default_folder() -> Path:
    """Where a library lies when none is named: the user's data directory."""
    from platformdirs import user_data_path

    return user_data_path("spectrum", appauthor=False) / "default.library"


def opened_catalogue(folder: Path, *, create: bool) -> Catalogue:
    """The catalogue in that folder, an empty one if there is none and `create`.

    Raises LibraryNotFoundError if there is none, LibraryError if none can be made.
    """
    file = folder / CATALOGUE_FILE
    if not file.exists() and not create:
        raise LibraryNotFoundError(
            f"there is no library in {folder}: make one with 'spectrum index FOLDER', or name"
            " another with --library"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(f"cannot make the library {folder}: {error.strerror}") from error
    return Catalogue.open(file)
