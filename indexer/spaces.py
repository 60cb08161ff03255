"""A space: the vectors of one encoder, in the database and in the store that makes them quick.

Queries come this way too, so nothing here imports Pillow or a decoder.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int64

from indexer.catalogue import Catalogue
from indexer.errors import LibraryError
from indexer.records import SpaceRow
from indexer.vectors.faiss_store import FaissStore
from indexer.vectors.protocol import VectorStore
from spectrum.encoders.protocol import Encoder

STORE_FOLDER = "faiss"


def space_of(catalogue: Catalogue, encoder: Encoder) -> SpaceRow:
    """The library's space, made if there is none; LibraryError if it is another encoder's."""
    space = catalogue.space()
    if space is None:
        return catalogue.add_space(encoder.identity)
    require_same_encoder(space, encoder)
    return space


def require_same_encoder(space: SpaceRow, encoder: Encoder) -> None:
    """Raises LibraryError unless the encoder's vectors can be compared with the space's."""
    now, then = encoder.identity, space.identity
    if now.fingerprint == space.fingerprint:
        return
    if now.weights_hash != then.weights_hash and now.name == then.name:
        what = (
            f"other weights of '{then.name}' ({then.weights_hash[:8]}, not {now.weights_hash[:8]})"
        )
    elif now.weights_hash != then.weights_hash:
        what = f"the encoder '{then.name}', not '{now.name}'"
    else:
        what = f"'{then.name}' with another preprocessing"
    raise LibraryError(
        f"this library was built with {what}: vectors of the two cannot be compared."
        " Use that encoder, or index into another --library"
    )


def open_store(folder: Path, space: SpaceRow) -> VectorStore:
    """The vector store of a space, as last published."""
    return FaissStore(
        folder / STORE_FOLDER / space.fingerprint,
        dimension=space.identity.dimension,
        fingerprint=space.fingerprint,
    )


def synchronise(store: VectorStore, catalogue: Catalogue, space: SpaceRow) -> None:
    """Makes the store show what the database holds, and publishes it, if it is behind.

    Raises OSError if it cannot be published; the store shows what the database holds all the same.
    """
    generation = catalogue.generation(space.id)
    if store.generation == generation:
        return
    if store.generation > generation:
        store.delete(store.ids())  # the catalogue was restored from a backup
    wanted, held = set(catalogue.searchable_ids(space.id).tolist()), set(store.ids().tolist())
    if held:
        # Of an older catalogue in this place: its pictures had these numbers before.
        held -= catalogue.ids_added_after(store.generation)
    store.delete(_ids(held - wanted))
    for ids, vectors in catalogue.vector_blocks(_ids(wanted - held), space):
        store.upsert(ids, vectors)
    store.publish(generation)


def _ids(ids: set[int]) -> Int64[np.ndarray, "N"]:
    return np.array(sorted(ids), dtype=np.int64)
