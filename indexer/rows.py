"""How outcomes become rows: the small steps of one transaction of the catalogue."""

import time
from datetime import UTC, datetime

import numpy as np
from jaxtyping import Float32
from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.photo_facts import FACTS_VERSION, PhotoFacts
from indexer.records import EncodedFile, FailedFile, FileEvidence, Outcome, SpaceRow
from indexer.schema import Content, Evidence, Failure, Location, Space, StoredVector
from indexer.searchable_text import searchable_folder, searchable_name
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
        location = Location(
            path=outcome.path,
            folder=searchable_folder(outcome.path),
            name=searchable_name(outcome.path),
            state="",
            changed_at=now(),
        )
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
        difference_hash=file.difference_hash,
        **({} if file.facts is None else fact_values(file.facts)),
    )
    session.add(content)
    session.flush()
    return content


def fact_values(facts: PhotoFacts) -> dict[str, object]:
    """The columns of `contents` that hold the facts."""
    return {
        "taken_at": facts.taken_at,
        "camera_maker": facts.camera_maker,
        "camera_model": facts.camera_model,
        "camera": facts.camera,
        "exif_orientation": facts.exif_orientation,
        "facts_version": FACTS_VERSION,
    }


def store_vector(
    session: Session, space_id: int, content_id: int, vector: Float32[np.ndarray, "D"]
) -> None:
    """Stores a content's vector, unless it has one."""
    # Two copies of one new picture may be encoded in one batch: the first vector stays.
    if session.get(StoredVector, (space_id, content_id)) is None:
        base = vector.astype("<f4").tobytes()
        session.add(StoredVector(space_id=space_id, content_id=content_id, base=base))


def store_evidence(
    session: Session, space_id: int, content_id: int, evidence: FileEvidence
) -> None:
    """Stores what was seen of a content that has its base vector, unless this stack's is there.

    Kept is what the local vector adds to the base vector, in half precision: where a stack adds
    nothing, nothing is lost, and elsewhere only the addition is rounded.
    """
    row = session.get(Evidence, (content_id, space_id))
    if row is not None and row.stack == evidence.stack:
        return
    stored = session.get_one(StoredVector, (space_id, content_id))
    base = np.frombuffer(stored.base, dtype="<f4")[: len(evidence.semantic)]
    row = row or Evidence(content_id=content_id, space_id=space_id)
    row.stack = evidence.stack
    row.shift = (evidence.semantic - base).astype("<f2").tobytes()
    row.prompt = evidence.prompt.astype("<f2").tobytes()
    session.add(row)


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
