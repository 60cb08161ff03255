"""The library's database file: connected with the right settings, and brought up to date."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from indexer.errors import LibraryBusyError, LibraryError
from indexer.schema import SCHEMA_REVISION

CATALOGUE_FILE = "catalogue.sqlite"
"""The database of a library, in its folder."""

BUSY_TIMEOUT_SECONDS = 30
"""How long a reader or writer waits for another process's short transaction."""

SMALLEST_PAGE_BYTES = 512
"""Of SQLite."""


def connect(file: Path) -> Engine:
    """An engine on the SQLite catalogue `file`, which is made or migrated first if need be.

    Raises LibraryError if the file is no catalogue, or one of a newer Spectrum, or cannot be
    opened; nothing is written to it then. LibraryBusyError if another process holds it.
    """
    url = URL.create("sqlite", database=str(file))  # names may hold what means something in a URL
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    try:
        _refuse_remnant(file)
        with plain_errors(engine):
            _migrate(engine, file)
    except BaseException:
        engine.dispose()
        raise
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, whose transactions hold the write lock from their first statement on.

    One that began by reading and wanted to write later would be refused at once, without any
    waiting, if another process had written in between.
    """
    return engine.execution_options(spectrum_begin="BEGIN IMMEDIATE")


@contextmanager
def plain_errors(engine: Engine) -> Iterator[None]:
    """Turns what the database refuses into LibraryBusyError or LibraryError, each one line."""
    try:
        yield
    except DatabaseError as error:
        # Its other subclasses, such as a broken constraint, are faults of this program.
        if type(error) not in (DatabaseError, OperationalError):
            raise
        raise _plain(error, engine.url.database or "") from error


def _plain(error: DatabaseError, file: str) -> LibraryError | LibraryBusyError:
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the rest is detail
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryBusyError(
            f"another process has kept {file} locked for {BUSY_TIMEOUT_SECONDS} seconds: wait for"
            " it, then run the same command again"
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return _damaged(file, str(error.orig))
    return LibraryError(
        f"cannot use the catalogue {file}: {error.orig}; see that its disk has room and may be"
        " written to, then run the same command again: what was done is kept"
    )


def _damaged(file: object, reason: str) -> LibraryError:
    return LibraryError(
        f"cannot open the catalogue {file}: {reason}; restore it from a backup, or delete the"
        " library's folder and index again"
    )


def _refuse_remnant(file: Path) -> None:
    # SQLite takes a file that is shorter than its smallest page for an empty one, and fills it.
    if file.is_file() and 0 < file.stat().st_size < SMALLEST_PAGE_BYTES:
        raise _damaged(file, "file is not a database")


def _set_up(connection: Any, _record: Any) -> None:
    # Python's driver would begin transactions late, and not at all for reading or for DDL.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(options.get("spectrum_begin", "BEGIN"))


def _migrate(engine: Engine, file: Path) -> None:
    """All of a migration is kept, or none: SQLite's DDL is transactional if it is let."""
    with engine.begin() as connection:
        if _revision(connection, file) == SCHEMA_REVISION:
            return
    # Alembic is slow to import, and only new or old libraries need it.
    from alembic import command
    from alembic.config import Config

    with writing(engine).begin() as connection:
        if _revision(connection, file) == SCHEMA_REVISION:
            return  # another process was quicker
        config = Config()
        config.set_main_option("script_location", "indexer:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection, file: Path) -> str | None:
    """The schema's revision, None for an empty database; LibraryError if it is not for us."""
    tables = set(inspect(connection).get_table_names())
    revision: str | None = None
    if "alembic_version" in tables:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is None and tables - {"alembic_version"}:
        raise LibraryError(
            f"{file} is a database, but not a Spectrum catalogue: name another --library"
        )
    if revision is not None and revision > SCHEMA_REVISION:
        raise LibraryError(
            f"the library {file.parent} was made by a newer Spectrum (schema {revision}, this"
            f" one knows {SCHEMA_REVISION}): upgrade spectrum-retrieval"
        )
    return revision
