"""What an evaluation ranks with: the library's vectors as search uses them, and unrefined ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from indexer.banks import current_bank, member_ids, searched_vectors
from indexer.neighbourhoods import refined_over
from retrieval.library import Library

TEXTS_PER_BATCH = 256


class Compared(NamedTuple):
    """Pictures as a search compares with them, one row each."""

    vectors: Float32[np.ndarray, "N D"]
    """[s; v]: refined where search ranks by refined vectors."""
    hubness: Float32[np.ndarray, "N"]
    """What is taken off every similarity with a text; 0 for unrefined vectors."""
    base: Float32[np.ndarray, "N D"]
    """What the encoder said: what a picture asks with."""
    refined: bool

    def for_texts(self, semantic: int) -> Float32[np.ndarray, "N T"]:
        """[s; -h], T = S + 1: with a text [t; 1] the inner product is t . s - h."""
        return np.concatenate([self.vectors[:, :semantic], -self.hubness[:, None]], axis=1)


def asking(texts: Float32[np.ndarray, "Q S"]) -> Float32[np.ndarray, "Q S+1"]:
    """[t; 1]: what texts are compared with `Compared.for_texts` as."""
    return np.concatenate([texts, np.ones((len(texts), 1), dtype=np.float32)], axis=1)


def base_vectors(library: Library, ids: Int64[np.ndarray, "N"]) -> Compared:
    """The unrefined vectors of pictures: what the encoder said, and the `baseline`."""
    base = library.catalogue.vectors(ids, library.space)
    return Compared(base, np.zeros(len(base), dtype=np.float32), base, False)


def ranked_vectors(
    library: Library,
    ids: Int64[np.ndarray, "N"],
    *,
    held_out: Int64[np.ndarray, "M"] | None = None,
) -> Compared:
    """The vectors of pictures as search ranks them.

    `held_out` are pictures that serve as queries: the others are then refined anew over a bank
    that has not seen them, since a picture that was averaged into its neighbours finds itself in
    them. Base vectors where the library is not refined.
    """
    unrefined = base_vectors(library, ids)
    catalogue, space = library.catalogue, library.space
    bank = current_bank(catalogue, space.id)
    if bank is None:
        return unrefined
    if held_out is None or not len(held_out) or library.refiner is None:
        held, rows = searched_vectors(catalogue, ids, space, bank)
    else:
        members = np.setdiff1d(member_ids(catalogue, bank), held_out)
        held, rows = refined_over(catalogue, space, library.refiner, ids, members)
    vectors, hubness = unrefined.base.copy(), unrefined.hubness.copy()
    place = {id: row for row, id in enumerate(ids.tolist())}
    where = [place[id] for id in held.tolist()]
    vectors[where], hubness[where] = rows[:, :-1], -rows[:, -1]
    return Compared(vectors, hubness, unrefined.base, True)


def encode_texts(library: Library, texts: Sequence[str]) -> Float32[np.ndarray, "Q S"]:
    """The texts' vectors, encoded a batch at a time."""
    batches = [
        library.encoder.encode_texts(texts[start : start + TEXTS_PER_BATCH])
        for start in range(0, len(texts), TEXTS_PER_BATCH)
    ]
    return np.concatenate(batches)
