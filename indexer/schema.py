"""The catalogue's tables. SQL is the truth; every other file of a library can be rebuilt from it.

    roots ── folders that were indexed          spaces ── one encoder each
    locations ── a path; what was seen there    vectors ── one per content and space
    contents ── distinct bytes, by hash         failures ── why a location has no content

A location points to a content, so that a moved or copied file costs no second encoding.
"""

import os
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

SCHEMA_REVISION = "0001"
"""The newest Alembic revision; a test holds it equal to the head of `migrations/`."""


class FilePath(TypeDecorator[str]):
    """A path as bytes: names on disk need not be valid in any encoding."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        return None if value is None else os.fsdecode(bytes(value))


class UtcTime(TypeDecorator[datetime]):
    """A moment, aware, in UTC. SQLite forgets time zones, so they are put back."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """All tables of one library."""


class Root(Table):
    """A folder or file that was named to `spectrum index`."""

    __tablename__ = "roots"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(FilePath, unique=True)
    device: Mapped[int] = mapped_column(BigInteger)
    """st_dev when last walked: an unmounted disk shows the device of its mount point."""
    walked_at: Mapped[datetime] = mapped_column(UtcTime)


class Content(Table):
    """One picture: distinct bytes."""

    __tablename__ = "contents"
    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(32), unique=True)
    """BLAKE2b-128 of the file's bytes, hexadecimal."""
    width: Mapped[int]
    """Pixels, upright."""
    height: Mapped[int]
    format: Mapped[str] = mapped_column(String(16))
    added_at: Mapped[datetime] = mapped_column(UtcTime)

    # Caches know pictures by id, so the id of a deleted one must never come back.
    __table_args__ = {"sqlite_autoincrement": True}


class Location(Table):
    """A path, and what was last seen there."""

    __tablename__ = "locations"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(FilePath, unique=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8))
    """present | missing | deleted | failed"""
    changed_at: Mapped[datetime] = mapped_column(UtcTime)
    """When the state last changed."""
    content_id: Mapped[int | None] = mapped_column(ForeignKey("contents.id"))

    __table_args__ = (Index("locations_by_content", "content_id", "state"),)


class Failure(Table):
    """Why a location has no content. Kept until the file or the decoder changes."""

    __tablename__ = "failures"
    location_id: Mapped[int] = mapped_column(
        ForeignKey("locations.id", ondelete="CASCADE"), primary_key=True
    )
    stage: Mapped[str] = mapped_column(String(8))
    """walk | read | decode | encode"""
    error_class: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(Text)
    decoder: Mapped[str] = mapped_column(String(128))
    """Versions of what failed; a newer decoder tries again."""
    attempts: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(UtcTime)


class Space(Table):
    """Vectors that can be compared with one another: one encoder, one preprocessing."""

    __tablename__ = "spaces"
    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(32), unique=True)
    """EncoderIdentity.fingerprint."""
    encoder: Mapped[str] = mapped_column(Text)
    weights_hash: Mapped[str] = mapped_column(String(32))
    preprocessing: Mapped[str] = mapped_column(Text)
    semantic_dimension: Mapped[int]
    visual_dimension: Mapped[int]
    licence: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(BigInteger)
    """Grows whenever the set of searchable vectors changes; caches are stamped with it."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class StoredVector(Table):
    """The vector of one content in one space: [semantic; visual], little-endian float32."""

    __tablename__ = "vectors"
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"), primary_key=True)
    content_id: Mapped[int] = mapped_column(
        ForeignKey("contents.id", ondelete="CASCADE"), primary_key=True
    )
    base: Mapped[bytes] = mapped_column(LargeBinary)
    """The encoder's own vector, before any refinement."""
