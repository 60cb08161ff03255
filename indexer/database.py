"""The library's database file: connected with the right settings, and brought up to date."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError

from indexer.errors import LibraryError
from indexer.schema import SCHEMA_REVISION

CATALOGUE_FILE = "catalogue.sqlite"
"""The database of a library, in its folder."""

BUSY_TIMEOUT_SECONDS = 30
"""How long a reader or writer waits for another process's short transaction."""


def connect(file: Path) -> Engine:
    """An engine on the SQLite catalogue `file`, which is made or migrated first if need be.

    Raises LibraryError if the file is no catalogue, or one of a newer Spectrum.
    """
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _set_pragmas)
    try:
        _migrate(engine, file)
    except DatabaseError as error:
        engine.dispose()
        raise LibraryError(
            f"cannot open the catalogue {file}: {error.orig}; restore it from a backup, or delete"
            " the library's folder and index again"
        ) from error
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine, file: Path) -> None:
    with engine.connect() as connection:
        exists = connection.dialect.has_table(connection, "alembic_version")
        revision = (
            connection.scalar(text("SELECT version_num FROM alembic_version")) if exists else None
        )
        if revision == SCHEMA_REVISION:
            return
        if revision is not None and revision > SCHEMA_REVISION:
            raise LibraryError(
                f"the library {file.parent} was made by a newer Spectrum (schema {revision}, this"
                f" one knows {SCHEMA_REVISION}): upgrade spectrum-retrieval"
            )
    # Alembic is slow to import, and only new or old libraries need it.
    from alembic import command
    from alembic.config import Config

    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "indexer:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
