"""Every question that is asked of the library's database, each a named method. Owns the engine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Int64
from sqlalchemy import BindParameter, ColumnElement, Engine, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from indexer.database import connect, plain_errors, writing
from indexer.records import (
    EncodedFile,
    FailedFile,
    FailureRow,
    KnownFile,
    Outcome,
    SpaceRow,
)
from indexer.rows import (
    add_content,
    grow,
    later,
    location_of,
    now,
    record_failure,
    set_state,
    space_row,
    store_evidence,
    store_vector,
)
from indexer.schema import Content, Failure, Location, Root, Space, StoredVector
from spectrum.encoders.protocol import EncoderIdentity

# SQLite binds at most 32,766 values in one statement; PostgreSQL about the same.
IDS_PER_STATEMENT = 10_000
VECTORS_PER_BLOCK = 4_096

T = TypeVar("T")


class Catalogue:
    """A library's database. Transactions are short: none is open while anything is encoded.

    Every method raises LibraryBusyError if another process keeps the database locked, and
    LibraryError if the database can be used no more: a full disk, a damaged file.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = writing(engine)

    @classmethod
    def open(cls, file: Path) -> "Catalogue":
        """Opens the SQLite catalogue `file`, made or migrated first if need be.

        Raises LibraryError if the file is no catalogue, or one of a newer Spectrum.
        """
        return cls(connect(file))

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session whose reads are all of one moment; for queries with a file of their own."""
        with plain_errors(self._engine), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose writes are all kept, or none."""
        with plain_errors(self._engine), Session(self._writer) as session, session.begin():
            yield session

    # Spaces -------------------------------------------------------------------------------------

    def space(self) -> SpaceRow | None:
        """The library's space, or None while nothing was ever indexed."""
        with self.reading() as session:
            row = session.scalar(select(Space).order_by(Space.id).limit(1))
            return None if row is None else space_row(row)

    def add_space(self, identity: EncoderIdentity) -> SpaceRow:
        """Makes the space of an encoder, empty."""
        with self.writing() as session:
            row = Space(
                fingerprint=identity.fingerprint,
                encoder=identity.name,
                weights_hash=identity.weights_hash,
                preprocessing=identity.preprocessing,
                semantic_dimension=identity.semantic_dimension,
                visual_dimension=identity.visual_dimension,
                licence=identity.licence,
                generation=later(0),
                created_at=now(),
            )
            session.add(row)
            session.flush()
            return space_row(row)

    def generation(self, space_id: int) -> int:
        """Grows whenever the set of searchable vectors changes; no other catalogue repeats it."""
        with self.reading() as session:
            return session.scalars(select(Space.generation).where(Space.id == space_id)).one()

    # Files --------------------------------------------------------------------------------------

    def known_under(self, root: str, space_id: int) -> dict[str, KnownFile]:
        """All files the catalogue knows at or below `root`, in one load."""
        query = (
            select(
                Location.path,
                Location.size_bytes,
                Location.mtime_ns,
                Location.state,
                Location.content_id,
                StoredVector.content_id.is_not(None),
                Failure.decoder,
                Failure.message,
            )
            .outerjoin(Failure, Failure.location_id == Location.id)
            .outerjoin(
                StoredVector,
                (StoredVector.content_id == Location.content_id)
                & (StoredVector.space_id == space_id),
            )
            .where(at_or_below(root))
        )
        with self.reading() as session:
            return {
                path: KnownFile(
                    size_bytes=size,
                    mtime_ns=mtime,
                    state=state,
                    content_id=content,
                    encoded=bool(encoded),
                    decoder=decoder,
                    message=message,
                )
                for path, size, mtime, state, content, encoded, decoder, message in session.execute(
                    query
                )
            }

    def is_encoded(self, hash: str, space_id: int) -> bool:
        """Whether these bytes have a vector already. Called from the decoding threads."""
        query = (
            select(StoredVector.content_id)
            .join(Content, Content.id == StoredVector.content_id)
            .where(Content.hash == hash, StoredVector.space_id == space_id)
        )
        with self.reading() as session:
            return session.scalar(query) is not None

    def hashes_of(self, paths: Sequence[str]) -> set[str]:
        """The content hashes that the catalogue holds for these paths."""
        found: set[str] = set()
        with self.reading() as session:
            for some in chunks(paths):
                query = select(Content.hash).join(Location).where(Location.path.in_(some))
                found.update(session.scalars(query))
        return found

    def record(self, outcomes: Sequence[Outcome], space_id: int) -> None:
        """Stores a batch, vectors and rows in one transaction: all of it is kept, or none."""
        with self.writing() as session:
            for outcome in outcomes:
                location = location_of(session, outcome)
                if isinstance(outcome, FailedFile):
                    record_failure(session, location, outcome)
                    continue
                content = session.scalar(select(Content).where(Content.hash == outcome.hash))
                if isinstance(outcome, EncodedFile):
                    content = content or add_content(session, outcome)
                    store_vector(session, space_id, content.id, outcome.vector)
                    if outcome.evidence is not None:
                        store_evidence(session, space_id, content.id, outcome.evidence)
                assert content is not None  # recognised files were looked up by this hash
                set_state(location, "present")
                location.content_id = content.id
                session.execute(delete(Failure).where(Failure.location_id == location.id))
            grow(session, space_id)

    def set_present(self, paths: Sequence[str], space_id: int) -> None:
        """Marks files that came back unchanged."""
        if not paths:
            return
        with self.writing() as session:
            _change_states(session, paths, "present")
            grow(session, space_id)

    def set_missing(self, paths: Sequence[str], space_id: int) -> None:
        """Marks files that are gone; a failure of a file that is gone is forgotten."""
        if not paths:
            return
        with self.writing() as session:
            for some in chunks(paths):
                session.execute(
                    delete(Location).where(Location.path.in_(some), Location.state == "failed")
                )
            _change_states(session, paths, "missing")
            grow(session, space_id)

    def delete_missing(self, root: str, space_id: int) -> int:
        """Turns what is missing below `root` into deleted and drops vectors nobody shows.

        Returns how many files were deleted.
        """
        with self.writing() as session:
            gone = session.execute(
                update(Location)
                .where(Location.state == "missing", at_or_below(root))
                .values(state="deleted", content_id=None, changed_at=now())
            )
            held = select(Location.content_id).where(Location.content_id.is_not(None))
            orphans = select(Content.id).where(Content.id.not_in(held))
            session.execute(delete(StoredVector).where(StoredVector.content_id.in_(orphans)))
            session.execute(delete(Content).where(Content.id.not_in(held)))
            grow(session, space_id)
            return int(gone.rowcount)  # type: ignore[attr-defined]

    # Roots --------------------------------------------------------------------------------------

    def roots(self) -> dict[str, int]:
        """Folder -> device number when it was last walked."""
        with self.reading() as session:
            return {
                path: device for path, device in session.execute(select(Root.path, Root.device))
            }

    def set_root(self, path: str, device: int) -> None:
        """Remembers that a folder was walked just now."""
        with self.writing() as session:
            root = session.scalar(select(Root).where(Root.path == path)) or Root(path=path)
            root.device, root.walked_at = device, now()
            session.add(root)

    # Vectors ------------------------------------------------------------------------------------

    def searchable_ids(self, space_id: int) -> Int64[np.ndarray, "N"]:
        """Contents that have a vector and at least one file that is present, ascending."""
        present = select(Location.content_id).where(Location.state == "present")
        query = (
            select(StoredVector.content_id)
            .where(StoredVector.space_id == space_id, StoredVector.content_id.in_(present))
            .order_by(StoredVector.content_id)
        )
        with self.reading() as session:
            return np.fromiter(session.scalars(query), dtype=np.int64)

    def ids_added_after(self, generation: int) -> set[int]:
        """Contents that no cache of this generation can know, though it may know their ids."""
        moment = datetime.fromtimestamp(generation / 1000, UTC)
        with self.reading() as session:
            return set(session.scalars(select(Content.id).where(Content.added_at > moment)))

    def vectors(self, ids: Int64[np.ndarray, "N"], space: SpaceRow) -> Float32[np.ndarray, "N D"]:
        """The stored vectors of these contents, in the order asked; KeyError if one has none."""
        held, vectors = self.held_vectors(ids, space)
        if len(held) < len(ids):
            raise KeyError(min(set(ids.tolist()) - set(held.tolist())))
        return vectors

    def held_vectors(
        self, ids: Int64[np.ndarray, "N"], space: SpaceRow
    ) -> tuple[Int64[np.ndarray, "M"], Float32[np.ndarray, "M D"]]:
        """Those of the contents that have a vector, in the order asked, and their vectors.

        For callers whose ids are a moment old: another process may have pruned some since.
        """
        rows: dict[int, bytes] = {}
        with self.reading() as session:
            for some in chunks(ids.tolist()):
                query = select(StoredVector.content_id, StoredVector.base).where(
                    StoredVector.space_id == space.id, StoredVector.content_id.in_(one_of(some))
                )
                rows.update((id, base) for id, base in session.execute(query))
        held = np.array([id for id in ids.tolist() if id in rows], dtype=np.int64)
        flat = np.frombuffer(b"".join(rows[id] for id in held.tolist()), dtype="<f4")
        vectors = flat.reshape(len(held), space.identity.dimension)
        return held, vectors.astype(np.float32, copy=False)

    def vector_blocks(
        self, ids: Int64[np.ndarray, "N"], space: SpaceRow
    ) -> Iterator[tuple[Int64[np.ndarray, "B"], Float32[np.ndarray, "B D"]]]:
        """`held_vectors` in blocks, so that memory does not grow with the library."""
        for start in range(0, len(ids), VECTORS_PER_BLOCK):
            yield self.held_vectors(ids[start : start + VECTORS_PER_BLOCK], space)

    def paths_of(self, ids: Sequence[int]) -> dict[int, list[str]]:
        """Content -> its present files, in order of path."""
        paths: dict[int, list[str]] = {id: [] for id in ids}
        with self.reading() as session:
            for some in chunks(list(ids)):
                query = (
                    select(Location.content_id, Location.path)
                    .where(Location.content_id.in_(one_of(some)), Location.state == "present")
                    .order_by(Location.path)
                )
                for id, path in session.execute(query):
                    paths[id].append(path)  # type: ignore[index]
        return paths

    def ids_of_paths(self, paths: Sequence[str]) -> dict[str, int]:
        """Path -> content, for those that are present."""
        found: dict[str, int] = {}
        with self.reading() as session:
            for some in chunks(paths):
                query = select(Location.path, Location.content_id).where(
                    Location.path.in_(some), Location.state == "present"
                )
                found.update((path, id) for path, id in session.execute(query) if id is not None)
        return found

    def id_of_hash(self, hash: str) -> int | None:
        """The content with this hash, or None."""
        with self.reading() as session:
            return session.scalar(select(Content.id).where(Content.hash == hash))

    def hashes(self, ids: Sequence[int]) -> dict[int, str]:
        """Content -> hash of its bytes."""
        found: dict[int, str] = {}
        with self.reading() as session:
            for some in chunks(list(ids)):
                query = select(Content.id, Content.hash).where(Content.id.in_(some))
                found.update((id, hash) for id, hash in session.execute(query))
        return found

    # Reports ------------------------------------------------------------------------------------

    def state_counts(self) -> dict[str, int]:
        """State -> number of files."""
        query = select(Location.state, func.count()).group_by(Location.state)
        with self.reading() as session:
            return {state: count for state, count in session.execute(query)}

    def failed_under(self, root: str) -> int:
        """How many files at or below `root` stand as failed."""
        query = select(func.count()).where(Location.state == "failed", at_or_below(root))
        with self.reading() as session:
            return session.scalars(query).one()

    def failures(self) -> list[FailureRow]:
        """Every file that stands as failed, with its reason, in order of path."""
        query = select(Location.path, Failure).join(Failure).order_by(Location.path)
        with self.reading() as session:
            return [
                FailureRow(
                    path=path,
                    stage=failure.stage,
                    error_class=failure.error_class,
                    message=failure.message,
                    attempts=failure.attempts,
                    failed_at=failure.failed_at,
                )
                for path, failure in session.execute(query)
            ]

    def missing(self) -> list[tuple[str, datetime]]:
        """Every file that is missing, and since when, in order of path."""
        query = (
            select(Location.path, Location.changed_at)
            .where(Location.state == "missing")
            .order_by(Location.path)
        )
        with self.reading() as session:
            return [(path, since) for path, since in session.execute(query)]


def at_or_below(root: str) -> ColumnElement[bool]:
    """Paths that are `root` or start with `root/`, as a range that the index on paths serves."""
    stem = root.rstrip("/")
    after = chr(ord("/") + 1)
    return (Location.path == root) | (
        (Location.path >= f"{stem}/") & (Location.path < f"{stem}{after}")
    )


def _change_states(session: Session, paths: Sequence[str], state: str) -> None:
    for some in chunks(paths):
        session.execute(
            update(Location).where(Location.path.in_(some)).values(state=state, changed_at=now())
        )


def one_of(items: Sequence[T]) -> BindParameter[T]:
    """The items as `in_` takes them: a list would be looked at one by one, each time."""
    return bindparam(None, items, expanding=True)


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in runs short enough for one statement."""
    for start in range(0, len(items), IDS_PER_STATEMENT):
        yield items[start : start + IDS_PER_STATEMENT]
