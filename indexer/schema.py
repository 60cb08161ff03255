"""The catalogue's tables. SQL is the truth; every other file of a library can be rebuilt from it.

    roots ── folders that were indexed          spaces ── one encoder each
    locations ── a path; what was seen there    vectors ── one per content and space
    contents ── distinct bytes, by hash         failures ── why a location has no content
    captions ── words for a content             evidence ── of a content, before its neighbours
    caption_words ── of all captions            caption_word_uses ── which content's hold them
    banks ── whose neighbours count             bank_members ── a bank's contents
    chosen_stacks ── of one's own               refined ── vectors made over a bank

A location points to a content, so that a moved or copied file costs no second encoding.
"""

import os
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

SCHEMA_REVISION = "0006"
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
    taken_at: Mapped[datetime | None] = mapped_column(DateTime)
    """By the camera's clock, which knows no time zone."""
    camera_maker: Mapped[str | None] = mapped_column(Text)
    camera_model: Mapped[str | None] = mapped_column(Text)
    camera: Mapped[str | None] = mapped_column(Text)
    """Maker and model as `indexer.searchable_text` has them."""
    exif_orientation: Mapped[int | None]
    """EXIF's number from 1 to 8; what is stored of the picture is upright already."""
    facts_version: Mapped[int | None]
    """Which reader read the five facts above; None before any did."""
    difference_hash: Mapped[int | None] = mapped_column(BigInteger)
    """`indexer.difference_hash` of the upright picture; None before it was computed."""

    __table_args__ = (
        Index("contents_by_taken", "taken_at"),
        Index("contents_by_camera", "camera"),
        Index("contents_by_shape", "width", "height", "format"),
        Index("contents_by_facts", "facts_version"),
        # Caches know pictures by id, so the id of a deleted one must never come back.
        {"sqlite_autoincrement": True},
    )


class Location(Table):
    """A path, and what was last seen there."""

    __tablename__ = "locations"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(FilePath, unique=True)
    folder: Mapped[str] = mapped_column(Text)
    """Of the path, with the slash that ends it, as `indexer.searchable_text` has it."""
    name: Mapped[str] = mapped_column(Text)
    """Of the file, as `indexer.searchable_text` has it."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8))
    """present | missing | deleted | failed"""
    changed_at: Mapped[datetime] = mapped_column(UtcTime)
    """When the state last changed."""
    content_id: Mapped[int | None] = mapped_column(ForeignKey("contents.id"))

    __table_args__ = (
        Index("locations_by_content", "content_id", "state"),
        # Wide enough that a filter need not read the table.
        Index("locations_by_folder", "folder", "name", "state", "content_id"),
        Index("locations_by_name", "name", "state", "content_id"),
        Index("locations_by_size", "size_bytes", "state", "content_id"),
    )


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


class Caption(Table):
    """What a captioner, or a person, says of a picture."""

    __tablename__ = "captions"
    content_id: Mapped[int] = mapped_column(
        ForeignKey("contents.id", ondelete="CASCADE"), primary_key=True
    )
    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    """Who says it: a captioner's name and weights."""
    prompt: Mapped[str] = mapped_column(String(255), primary_key=True)
    """What it was asked; empty if nothing."""
    text: Mapped[str] = mapped_column(Text)
    searchable: Mapped[str] = mapped_column(Text)
    """The text as `indexer.searchable_text` has it."""
    confidence: Mapped[float | None]
    """In [0, 1], if the captioner gives one."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (Index("captions_by_text", "searchable", "content_id"),)


class CaptionWord(Table):
    """A word that captions hold, or held."""

    __tablename__ = "caption_words"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(Text, unique=True)
    """As `indexer.caption_words` parts them."""


class CaptionWordUse(Table):
    """A content of which a caption holds a word."""

    __tablename__ = "caption_word_uses"
    word_id: Mapped[int] = mapped_column(
        ForeignKey("caption_words.id", ondelete="CASCADE"), primary_key=True
    )
    content_id: Mapped[int] = mapped_column(
        ForeignKey("contents.id", ondelete="CASCADE"), primary_key=True
    )

    __table_args__ = (
        Index("caption_word_uses_by_content", "content_id"),
        {"sqlite_with_rowid": False},
    )


class Evidence(Table):
    """What refinement's first phase knows of a content by itself, beside its base vector.

    Numbers are little-endian float16: what they add to is stored in full.
    """

    __tablename__ = "evidence"
    # Contents come first in these keys, so that deleting one need not read whole tables.
    content_id: Mapped[int] = mapped_column(
        ForeignKey("contents.id", ondelete="CASCADE"), primary_key=True
    )
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"), primary_key=True)
    stack: Mapped[str] = mapped_column(String(32))
    """StackIdentity.fingerprint of what saw it."""
    shift: Mapped[bytes] = mapped_column(LargeBinary)
    """The local vector's semantic block less the base vector's; their visual blocks are equal."""
    prompt: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (Index("evidence_by_stack", "space_id", "stack", "content_id"),)


class ChosenStack(Table):
    """A stack of the user's own, which refines an encoder's vectors in place of one that ships."""

    __tablename__ = "chosen_stacks"
    encoder: Mapped[str] = mapped_column(String(32), primary_key=True)
    """EncoderIdentity.fingerprint."""
    path: Mapped[str] = mapped_column(FilePath)
    """Absolute."""
    weights_hash: Mapped[str] = mapped_column(String(32))
    """BLAKE2b-128 of the file when it was named: one that changed is another stack."""


class Bank(Table):
    """The contents over which vectors are refined; never changed, only replaced by a newer one."""

    __tablename__ = "banks"
    id: Mapped[int] = mapped_column(primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("spaces.id"))
    version: Mapped[int]
    """From 1 within a space. Above the current one's: being built; below: to be deleted."""
    stack: Mapped[str] = mapped_column(String(32))
    """StackIdentity.fingerprint of what refines over it."""
    budget: Mapped[str] = mapped_column(String(16))
    """By which the stack was chosen."""
    size: Mapped[int]
    """Members when it was made."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    current: Mapped[bool]
    """Whether searches rank by what was refined over it; at most one of a space."""
    mean_hubness: Mapped[float]
    """Stands in for pictures that are not refined yet; 0 until all of the bank's are."""
    mean_word_hubness: Mapped[float | None]
    """Likewise; NULL where an older version made the bank."""

    __table_args__ = (
        UniqueConstraint("space_id", "version"),
        # The id of a bank that is gone must never name another.
        {"sqlite_autoincrement": True},
    )


class BankMember(Table):
    """A content whose local vector and prompt others of the bank may see."""

    __tablename__ = "bank_members"
    content_id: Mapped[int] = mapped_column(
        ForeignKey("contents.id", ondelete="CASCADE"), primary_key=True
    )
    bank_id: Mapped[int] = mapped_column(
        ForeignKey("banks.id", ondelete="CASCADE"), primary_key=True
    )


class RefinedVector(Table):
    """The vector of one content, refined over one bank."""

    __tablename__ = "refined"
    content_id: Mapped[int] = mapped_column(
        ForeignKey("contents.id", ondelete="CASCADE"), primary_key=True
    )
    bank_id: Mapped[int] = mapped_column(
        ForeignKey("banks.id", ondelete="CASCADE"), primary_key=True
    )
    generation: Mapped[int] = mapped_column(BigInteger)
    """Of the space, when this was stored; 0 if it was before searches knew the bank."""
    hubness: Mapped[float]
    """Among sentences."""
    word_hubness: Mapped[float | None]
    """Among words by themselves; NULL where an older version stored it, and then as the other."""
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    """[semantic; visual], little-endian float32."""
    neighbours: Mapped[bytes] = mapped_column(LargeBinary)
    """The members that it was refined over, ascending ids, little-endian int64."""

    __table_args__ = (Index("refined_by_generation", "bank_id", "generation", "content_id"),)
