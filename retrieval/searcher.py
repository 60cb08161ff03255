"""The story of a query: encode each part, compose, fetch candidates, score exactly, name files."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float32, Float64, Int64

from indexer.catalogue import Catalogue
from indexer.records import SpaceRow
from indexer.spaces import synchronise
from indexer.vectors.protocol import VectorStore
from retrieval.answer import Answer, Hit
from retrieval.query import ImagePart, Part, Query
from retrieval.ranking.composition import (
    composed_query,
    image_query,
    similarity_spread,
    text_query,
)
from spectrum.encoders.protocol import Encoder

# Candidates beyond those asked for, so that exact scores may reorder them at the border.
OVER_FETCH = 50

# Enough to know a standard deviation to about 2 %.
SPREAD_SAMPLE = 2_000


class Searcher:
    """Answers queries over one space with that space's own encoder."""

    def __init__(
        self, catalogue: Catalogue, store: VectorStore, space: SpaceRow, encoder: Encoder
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._space = space
        self._encoder = encoder

    def search(self, query: Query, *, top: int, without_hash: str | None = None) -> Answer:
        """The `top` best pictures; `without_hash` leaves one content out.

        Raises UnreadableImageError for an image part that cannot be read.
        """
        seconds: dict[str, float] = {}
        with _timed(seconds, "open"):
            synchronise(self._store, self._catalogue, self._space)
        with _timed(seconds, "encode"):
            parts = np.stack([self._part_vector(part) for part in query.parts])
        with _timed(seconds, "compose"):
            vector = self._composed(query, parts)
        with _timed(seconds, "search"):
            found = self._store.search(vector[None], top + OVER_FETCH)
            ids = found.ids[0]
            if without_hash is not None:
                hashes = self._catalogue.hashes(ids.tolist())
                ids = ids[[hashes[id] != without_hash for id in ids.tolist()]]
        with _timed(seconds, "score"):
            hits = self._hits(ids, vector, parts, top)
        return Answer(hits=hits, n_searched=self._store.count(), seconds=seconds)

    def _part_vector(self, part: Part) -> Float32[np.ndarray, "D"]:
        visual = self._space.identity.visual_dimension
        if not isinstance(part, ImagePart):
            return text_query(self._encoder.encode_texts([part.text])[0], visual)
        # Decoding is imported on demand: words need no Pillow.
        from retrieval.pictures import rgb_of_source

        rgb = rgb_of_source(part.image, self._encoder.side_pixels)
        encoded = self._encoder.encode_images([self._encoder.prepare(rgb)])
        weight = self._encoder.visual_weight if visual else 0.0
        return image_query(encoded.semantic[0], encoded.visual[0], weight)

    def _composed(
        self, query: Query, parts: Float32[np.ndarray, "P D"]
    ) -> Float32[np.ndarray, "D"]:
        weights = np.array([part.weight for part in query.parts])
        if len(parts) == 1:
            return parts[0] if weights[0] > 0 else -parts[0]
        ids = self._store.ids()
        step = max(1, len(ids) // SPREAD_SAMPLE)
        sample = self._catalogue.vectors(ids[::step], self._space)
        return composed_query(parts, weights, similarity_spread(parts, sample))

    def _hits(
        self,
        ids: Int64[np.ndarray, "N"],
        vector: Float32[np.ndarray, "D"],
        parts: Float32[np.ndarray, "P D"],
        top: int,
    ) -> tuple[Hit, ...]:
        stored = self._catalogue.vectors(ids, self._space)
        similarities = exact_similarities(stored, vector[None])[:, 0]
        order = np.lexsort((ids, -similarities))[:top]
        by_part = exact_similarities(stored, parts)
        paths = self._catalogue.paths_of(ids[order].tolist())
        hits: list[Hit] = []
        for index in order.tolist():
            files = paths[int(ids[index])]
            if not files:
                continue  # it went missing since the store was synchronised
            hits.append(
                Hit(
                    rank=len(hits) + 1,
                    path=files[0],
                    similarity=float(similarities[index]),
                    image_id=int(ids[index]),
                    copies=tuple(files[1:]),
                    parts=tuple(by_part[index].tolist()),
                )
            )
        return tuple(hits)


def exact_similarities(
    stored: Float32[np.ndarray, "N D"], queries: Float32[np.ndarray, "Q D"]
) -> Float64[np.ndarray, "N Q"]:
    """Inner products in double precision, whatever approximation chose the candidates.

    Row by row (einsum, not a matrix product), so that a similarity does not depend on how many
    candidates are scored beside it.
    """
    similarities: Float64[np.ndarray, "N Q"] = np.einsum(
        "nd,qd->nq", stored.astype(np.float64), queries.astype(np.float64)
    )
    return similarities


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
