"""Exit codes, and which error means which."""

from enum import IntEnum


class Exit(IntEnum):
    """What the process returns. `docs/commands.md` lists these for users."""

    FINE = 0
    NO_MATCH = 1
    """Only with --exit-status."""
    USAGE = 2
    SOME_FAILED = 3
    LIBRARY = 4
    MODEL = 5
    BUG = 70
    """EX_SOFTWARE of sysexits.h: an error that this program did not foresee."""
    INTERRUPTED = 130


def exit_of(error: Exception) -> Exit | None:
    """The exit code of an error that is the user's to mend, or None for one that is ours."""
    # Imported here: this runs once, when something went wrong, and must cost nothing before.
    from sqlalchemy.exc import DBAPIError

    from indexer.errors import LibraryBusyError, LibraryError, RootLostError
    from indexer.file_content import UnreadableImageError
    from retrieval.evaluation.datasets import DatasetError
    from retrieval.library_folder import LibraryNotFoundError
    from retrieval.query import QueryError
    from retrieval.rejection.calibration import CalibrationError
    from spectrum.encoders import ModelUnavailableError

    if isinstance(error, ModelUnavailableError):
        return Exit.MODEL
    if isinstance(error, LibraryError | DBAPIError):
        return Exit.LIBRARY
    usage = (
        QueryError,
        CalibrationError,
        DatasetError,
        RootLostError,
        LibraryBusyError,
        LibraryNotFoundError,
        UnreadableImageError,
        OSError,
    )
    return Exit.USAGE if isinstance(error, usage) else None


def message_of(error: Exception) -> str:
    """One line for people."""
    from sqlalchemy.exc import DBAPIError

    if isinstance(error, DBAPIError):
        return f"the library's database: {error.orig}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())
