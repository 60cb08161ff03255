"""What refinement's first phase saw of each picture, in the library's database."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from sqlalchemy import select

from indexer.catalogue import Catalogue, chunks, one_of
from indexer.records import FileEvidence, SpaceRow
from indexer.rows import store_evidence
from indexer.schema import Evidence, StoredVector

VECTORS_PER_BLOCK = 4_096


class LocalVectors(NamedTuple):
    """Pictures as their neighbours see them."""

    ids: Int64[np.ndarray, "B"]
    local: Float32[np.ndarray, "B D"]
    """[semantic; visual], each block unit length."""
    prompts: Float32[np.ndarray, "B S"]


def fill_evidence(
    catalogue: Catalogue, space: SpaceRow, found: Sequence[tuple[int, FileEvidence]]
) -> None:
    """Stores, in one transaction, what was seen of contents that were encoded before."""
    with catalogue.writing() as session:
        for content_id, evidence in found:
            store_evidence(session, space.id, content_id, evidence)


def evidence_ids(catalogue: Catalogue, space: SpaceRow, stack: str) -> Int64[np.ndarray, "N"]:
    """The contents that this stack has seen, ascending."""
    query = (
        select(Evidence.content_id)
        .where(Evidence.space_id == space.id, Evidence.stack == stack)
        .order_by(Evidence.content_id)
    )
    with catalogue.reading() as session:
        return np.fromiter(session.scalars(query), dtype=np.int64)


def local_vectors(
    catalogue: Catalogue, ids: Int64[np.ndarray, "N"], space: SpaceRow, stack: str
) -> LocalVectors:
    """Those of the contents that this stack has seen, in the order asked."""
    rows: dict[int, tuple[bytes, bytes, bytes]] = {}
    with catalogue.reading() as session:
        for some in chunks(ids.tolist()):
            query = (
                select(Evidence.content_id, StoredVector.base, Evidence.shift, Evidence.prompt)
                .join(
                    StoredVector,
                    (StoredVector.content_id == Evidence.content_id)
                    & (StoredVector.space_id == Evidence.space_id),
                )
                .where(
                    Evidence.content_id.in_(one_of(some)),
                    Evidence.space_id == space.id,
                    Evidence.stack == stack,
                )
            )
            for id, base, shift, prompt in session.execute(query):
                rows[id] = (base, shift, prompt)
    held = np.array([id for id in ids.tolist() if id in rows], dtype=np.int64)
    of_each = [rows[id] for id in held.tolist()]
    width = space.identity.semantic_dimension
    local = _matrix([base for base, _, _ in of_each], space.identity.dimension, "<f4")
    local[:, :width] += _matrix([shift for _, shift, _ in of_each], width, "<f2")
    return LocalVectors(held, local, _matrix([prompt for _, _, prompt in of_each], width, "<f2"))


def local_blocks(
    catalogue: Catalogue,
    ids: Int64[np.ndarray, "N"],
    space: SpaceRow,
    stack: str,
    *,
    size: int = VECTORS_PER_BLOCK,
) -> Iterator[LocalVectors]:
    """`local_vectors` in blocks, so that memory does not grow with the library."""
    for start in range(0, len(ids), size):
        yield local_vectors(catalogue, ids[start : start + size], space, stack)


def _matrix(rows: list[bytes], width: int, kind: str) -> Float32[np.ndarray, "B D"]:
    flat = np.frombuffer(b"".join(rows), dtype=kind)
    return flat.reshape(len(rows), width).astype(np.float32)
