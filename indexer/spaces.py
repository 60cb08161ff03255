"""A space: the vectors of one encoder, in the database and in the store that makes them quick.

Queries come this way too, so nothing here imports Pillow or a decoder.
"""

import shutil
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from indexer.banks import HUBNESSES, BankRow, current_bank, refined_ids, searched_vectors
from indexer.catalogue import VECTORS_PER_BLOCK, Catalogue
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


def open_store(folder: Path, space: SpaceRow, bank: BankRow | None = None) -> VectorStore:
    """The vector store of a space, as last published: of base vectors, or of a bank's refined ones.

    Each bank has a folder of its own, so that vectors of two are never in one store.
    """
    name = _store_name(space, bank)
    if bank is None:
        dimension, fingerprint = space.identity.dimension, space.fingerprint
    else:
        dimension, fingerprint = space.identity.dimension + HUBNESSES, bank.fingerprint
    return FaissStore(folder / STORE_FOLDER / name, dimension=dimension, fingerprint=fingerprint)


def publish(folder: Path, catalogue: Catalogue, space: SpaceRow) -> None:
    """Writes what searches are answered from, and removes what they were answered from before.

    Raises LibraryError if it cannot be written.
    """
    bank = current_bank(catalogue, space.id)
    try:
        synchronise(open_store(folder, space, bank), catalogue, space, bank)
    except OSError as error:
        raise LibraryError(
            f"the pictures are indexed, but {error.filename or folder} cannot be written"
            f" ({error.strerror or error}), so every search has to load them anew: see that its"
            " disk has room and may be written to, then run the same command again"
        ) from error
    for store in (folder / STORE_FOLDER).glob(f"{space.fingerprint}*"):
        if store.name != _store_name(space, bank):
            shutil.rmtree(store, ignore_errors=True)  # what stays is waste, not harm


def synchronise(
    store: VectorStore, catalogue: Catalogue, space: SpaceRow, bank: BankRow | None = None
) -> None:
    """Makes the store show what the database holds, and publishes it, if it is behind.

    The store has to be the bank's. Raises OSError if it cannot be published; the store shows what
    the database holds all the same.
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
    if held and bank is not None:
        held -= set(refined_ids(catalogue, bank, after_generation=store.generation).tolist())
    store.delete(_ids(held - wanted))
    lacking = _ids(wanted - held)
    for start in range(0, len(lacking), VECTORS_PER_BLOCK):
        some = lacking[start : start + VECTORS_PER_BLOCK]
        store.upsert(*searched_vectors(catalogue, some, space, bank))
    store.publish(generation)


def _store_name(space: SpaceRow, bank: BankRow | None) -> str:
    return space.fingerprint if bank is None else f"{space.fingerprint}-{bank.version}"


def _ids(ids: set[int]) -> Int64[np.ndarray, "N"]:
    return np.array(sorted(ids), dtype=np.int64)
