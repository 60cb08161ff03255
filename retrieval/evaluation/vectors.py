"""What an evaluation ranks with: the library's vectors as search uses them, and unrefined ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from indexer.banks import HUBNESSES, current_bank, member_ids, searched_vectors
from indexer.neighbourhoods import refined_over
from retrieval.library import Library
from retrieval.ranking.hubness import folded
from spectrum.stack.lexicon import text_questions as lexicon_questions

TEXTS_PER_BATCH = 256


class Compared(NamedTuple):
    """Pictures as a search compares with them, one row each."""

    vectors: Float32[np.ndarray, "N D"]
    """[s; v]: refined where search ranks by refined vectors."""
    hubness: Float32[np.ndarray, "N 2"]
    """What is taken off every similarity with a sentence, and with a word; 0 for unrefined ones."""
    base: Float32[np.ndarray, "N D"]
    """What the encoder said: what a picture asks with."""
    refined: bool

    def rows(self) -> Float32[np.ndarray, "N E"]:
        """[s; v; -h], E = D + 2: what texts are compared with."""
        return folded(self.vectors, self.hubness)


class Questions(NamedTuple):
    """What texts ask with, one row each."""

    unrefined: Float32[np.ndarray, "Q E"]
    """[t; 0] and how much of a sentence each is, among unrefined vectors."""
    refined: Float32[np.ndarray, "Q E"]
    """Among refined ones: with what the texts' words look like, where the stack learned it."""

    def among(self, compared: Compared) -> Float32[np.ndarray, "Q E"]:
        """Those for these vectors."""
        return self.refined if compared.refined else self.unrefined


def base_vectors(library: Library, ids: Int64[np.ndarray, "N"]) -> Compared:
    """The unrefined vectors of pictures: what the encoder said, and the `baseline`."""
    base = library.catalogue.vectors(ids, library.space)
    return Compared(base, np.zeros((len(base), HUBNESSES), dtype=np.float32), base, False)


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
    vectors[where], hubness[where] = rows[:, :-HUBNESSES], -rows[:, -HUBNESSES:]
    return Compared(vectors, hubness, unrefined.base, True)


def text_questions(library: Library, texts: Sequence[str]) -> Questions:
    """What the texts ask with, encoded a batch at a time."""
    batches = [
        library.encoder.encode_texts(texts[start : start + TEXTS_PER_BATCH])
        for start in range(0, len(texts), TEXTS_PER_BATCH)
    ]
    sentences = np.concatenate(batches)
    lexicon = library.lexicon_over(current_bank(library.catalogue, library.space.id))
    width = library.space.identity.dimension
    return Questions(
        *(lexicon_questions(known, texts, sentences, width) for known in (None, lexicon))
    )
