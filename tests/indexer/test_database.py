"""Opening the catalogue's file: what it may be, who else may hold it, what is left untouched."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, text

import indexer.database
from indexer.database import connect, writing
from indexer.errors import LibraryBusyError, LibraryError
from indexer.schema import SCHEMA_REVISION, Table
from tests.stories.doomed_runs import exit_code, started


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.sqlite"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer.database, "BUSY_TIMEOUT_SECONDS", 0.1)


@pytest.fixture
def held(file: Path) -> Iterator[sqlite3.Connection]:
    """A good catalogue that another connection is writing to."""
    connect(file).dispose()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def tables_of(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def said_by(error: pytest.ExceptionInfo[Exception]) -> str:
    """The message, which is to be one line."""
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_migrating_makes_the_tables_of_the_schema(file: Path) -> None:
    engine = connect(file)
    found = inspect(engine)
    for table in Table.metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
    with engine.begin() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("SELECT * FROM alembic_version")) == SCHEMA_REVISION
    engine.dispose()
    assert "sqlite_sequence" in tables_of(file)  # ids of pictures never come back


@pytest.mark.parametrize("name", ["a?b#c%20d&e", "file:x", "two words", os.fsdecode(b"\xff\xfe")])
def test_any_folder_may_hold_a_library(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "catalogue.sqlite"
    file.parent.mkdir()
    connect(file).dispose()
    assert "locations" in tables_of(file)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    "content", [b"garbage" * 1000, b"x", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_garbage_is_refused_and_left_alone(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(LibraryError) as error:
        connect(file)
    assert f"cannot open the catalogue {file}: " in said_by(error)
    assert "restore it from a backup, or delete" in said_by(error)
    assert file.read_bytes() == content


def test_half_a_catalogue_is_refused_and_left_alone(file: Path) -> None:
    connect(file).dispose()
    os.truncate(file, file.stat().st_size // 2)
    content = file.read_bytes()
    with pytest.raises(LibraryError, match="malformed; restore it from a backup"):
        connect(file)
    assert file.read_bytes() == content


def test_an_empty_file_is_a_catalogue_that_was_never_filled(file: Path) -> None:
    """SQLite makes such a file when it is opened; nothing is lost by filling it."""
    file.write_bytes(b"")
    connect(file).dispose()
    assert "locations" in tables_of(file)


def test_a_newer_catalogue_is_refused_and_left_alone(file: Path) -> None:
    connect(file).dispose()
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '0999'")
    content = file.read_bytes()
    with pytest.raises(LibraryError, match=r"newer Spectrum \(schema 0999.*: upgrade") as error:
        connect(file)
    assert said_by(error)
    assert file.read_bytes() == content


def test_the_database_of_another_program_is_refused_and_left_alone(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE addresses (name TEXT)")
    with pytest.raises(LibraryError, match="not a Spectrum catalogue: name another --library"):
        connect(file)
    assert tables_of(file) == {"addresses"}


def test_a_folder_in_the_place_of_the_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(LibraryError, match="cannot use the catalogue .*unable to open") as error:
        connect(file)
    assert "delete" not in said_by(error)


def _killed_while_migrating(file: Path, nth: int) -> None:
    connect_before = indexer.database.create_engine

    def create(*arguments: Any, **named: Any) -> Any:
        engine = connect_before(*arguments, **named)
        n_made = 0

        @event.listens_for(engine, "after_cursor_execute")
        def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            nonlocal n_made
            n_made += statement.lstrip().startswith(("CREATE", "INSERT"))
            if n_made == nth:
                os.kill(os.getpid(), 9)

        return engine

    indexer.database.create_engine = create
    connect(file)


@pytest.mark.parametrize("nth", [1, 2, 5, 9])
def test_killed_in_the_middle_of_a_migration(file: Path, nth: int) -> None:
    """Each CREATE on its own would leave tables that the next migration stumbles over."""
    assert exit_code(started(_killed_while_migrating, file, nth)) == -9
    assert tables_of(file) == set()
    connect(file).dispose()
    assert "vectors" in tables_of(file)


def _opened(file: Path) -> None:
    connect(file).dispose()


def test_many_open_a_new_library_at_once(file: Path) -> None:
    assert [exit_code(one) for one in [started(_opened, file) for _ in range(6)]] == [0] * 6


@pytest.mark.usefixtures("held", "impatient")
def test_a_writer_waits_and_then_says_why_it_gave_up(file: Path) -> None:
    engine = connect(file)  # reading needs no lock
    with (
        pytest.raises(LibraryBusyError, match="kept .* locked for 0.1 seconds: wait") as error,
        indexer.database.plain_errors(engine),
        writing(engine).begin(),
    ):
        pass
    assert said_by(error)
    engine.dispose()


@pytest.mark.usefixtures("impatient")
def test_a_locked_new_library_is_busy_and_not_corrupt(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LibraryBusyError, match="locked for 0.1 seconds"):
            connect(file)
        other.execute("ROLLBACK")
    connect(file).dispose()


def test_everything_read_in_a_transaction_is_of_one_moment(file: Path) -> None:
    engine = connect(file)
    insert = text("INSERT INTO roots (path, device, walked_at) VALUES (:path, 0, '2026-01-01')")
    count = text("SELECT count(*) FROM roots")
    with engine.begin() as reader:
        assert reader.scalar(count) == 0
        with writing(engine).begin() as writer:
            writer.execute(insert, {"path": b"/x"})
        assert reader.scalar(count) == 0
    with engine.begin() as reader:
        assert reader.scalar(count) == 1
    engine.dispose()
