"""How outcomes become rows: the small steps of one transaction of the catalogue."""

import time
from datetime import UTC, datetime

import numpy as np
from jaxtyping import Float32
from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.records import EncodedFile, FailedFile, Outcome, SpaceRow
from indexer.schema import Content, Failure, Location, Space, StoredVector
from spectrum.encoders.protocol import EncoderIdentity


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def space_row(row: Space) -> SpaceRow:
    """The row as a plain value, with the encoder that it names."""
    identity = EncoderIdentity(
        name=row.encoder,
        weights_hash=row.weights_hash,
        preprocessing=row.preprocessing,
        semantic_dimension=row.semantic_dimension,
        visual_dimension=row.visual_dimension,
        licence=row.licence,
    )
    return SpaceRow(
        id=row.id, identity=identity, fingerprint=row.fingerprint, generation=row.generation
    )


def location_of(session: Session, outcome: Outcome) -> Location:
    """The row of the outcome's path, made if need be, with the size and time just seen."""
    location = session.scalar(select(Location).where(Location.path == outcome.path))
    if location is None:
        location = Location(path=outcome.path, state="", changed_at=now())
        session.add(location)
    location.size_bytes, location.mtime_ns = outcome.size_bytes, outcome.mtime_ns
    if not location.state:
        set_state(location, "failed" if isinstance(outcome, FailedFile) else "present")
    session.flush()
    return location


def set_state(location: Location, state: str) -> None:
    """Changes the state, and with it the time of the last change."""
    if location.state != state:
        location.state, location.changed_at = state, now()


def record_failure(session: Session, location: Location, failed: FailedFile) -> None:
    """Stores why a location has no content, and counts the attempt."""
    set_state(location, "failed")
    location.content_id = None
    row = session.get(Failure, location.id) or Failure(location_id=location.id, attempts=0)
    row.stage, row.error_class, row.message = failed.stage, failed.error_class, failed.message
    row.decoder, row.attempts, row.failed_at = failed.decoder, row.attempts + 1, now()
    session.add(row)


def add_content(session: Session, file: EncodedFile) -> Content:
    """Stores a picture that was not known, and gives it its number."""
    content = Content(
        hash=file.hash,
        width=file.width,
        height=file.height,
        format=file.format,
        added_at=now(),
    )
    session.add(content)
    session.flush()
    return content


def store_vector(
    session: Session, space_id: int, content_id: int, vector: Float32[np.ndarray, "D"]
) -> None:
    """Stores a content's vector, unless it has one."""
    # Two copies of one new picture may be encoded in one batch: the first vector stays.
    if session.get(StoredVector, (space_id, content_id)) is None:
        base = vector.astype("<f4").tobytes()
        session.add(StoredVector(space_id=space_id, content_id=content_id, base=base))


def grow(session: Session, space_id: int) -> None:
    """Says that the set of searchable vectors has changed."""
    space = session.get_one(Space, space_id)
    space.generation = later(space.generation)


def later(generation: int) -> int:
    """A greater number, from the clock: milliseconds since 1970.

    A plain counter would come back in a catalogue that was restored from a backup or begun anew,
    and the cache of the other one would be believed.
    """
    return max(generation + 1, time.time_ns() // 1_000_000)
