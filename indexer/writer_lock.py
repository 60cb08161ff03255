"""One writer at a time in a library, however many processes read it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from indexer.errors import LibraryBusyError


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds the library's writer lock; LibraryBusyError names the holder if another has it.

    The system gives the lock back when its holder dies, however it dies.
    """
    holder = folder / "index.pid"
    try:
        with FileLock(folder / "index.lock", timeout=0):
            holder.write_text(str(os.getpid()))
            yield
    except Timeout as error:
        pid = holder.read_text() if holder.exists() else ""
        raise LibraryBusyError(
            f"process {pid or 'unknown'} is indexing into {folder}; wait for it, or use another"
            " --library"
        ) from error
