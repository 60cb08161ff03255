"""The story of a query: encode each part, compose, fetch candidates, score exactly, name files."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from jaxtyping import Float32, Float64, Int64

from indexer.catalogue import Catalogue
from indexer.records import SpaceRow
from indexer.spaces import synchronise
from indexer.vectors.protocol import VectorStore
from retrieval.answer import Answer, Hit
from retrieval.query import ImagePart, Part, Query
from retrieval.ranking.composition import (
    composed_level,
    composed_query,
    image_query,
    similarity_moments,
    text_query,
)
from spectrum.encoders.protocol import Encoder

# Candidates beyond those asked for, so that exact scores may reorder them at the border.
OVER_FETCH = 50

# Far above the rounding of a float32 inner product of unit vectors, far below what anyone sees.
ROUNDING = 1e-5

# Enough to know a standard deviation to about 2 %.
SPREAD_SAMPLE = 2_000


class Searcher:
    """Answers queries over one space with that space's own encoder; any number of threads."""

    def __init__(
        self, catalogue: Catalogue, store: VectorStore, space: SpaceRow, encoder: Encoder
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._space = space
        self._encoder = encoder
        self._store_lock = threading.Lock()

    def search(self, query: Query, *, top: int, without_hash: str | None = None) -> Answer:
        """The `top` best pictures; `without_hash` leaves one content out.

        Raises UnreadableImageError for an image part that cannot be read.
        """
        seconds: dict[str, float] = {}
        with _timed(seconds, "open"):
            self._synchronise()
        with _timed(seconds, "encode"):
            parts = np.stack([self._part_vector(part) for part in query.parts])
        with _timed(seconds, "compose"):
            vector, level = self._composed(query, parts)
        with _timed(seconds, "search"):
            ids = self._candidates(vector, top if without_hash is None else top + 1)
            if without_hash is not None:
                hashes = self._catalogue.hashes(ids.tolist())
                ids = ids[[hashes.get(id) != without_hash for id in ids.tolist()]]
        with _timed(seconds, "score"):
            hits = self._hits(ids, vector, level, parts, top)
        with self._store_lock:
            n_searched = self._store.count()
        return Answer(hits=hits, n_searched=n_searched, seconds=seconds)

    def _synchronise(self) -> None:
        # A cache that cannot be written makes the next start slower, and this answer no worse:
        # the store is right in memory, and `spectrum index` says what is wrong with the disk.
        with self._store_lock, suppress(OSError):
            synchronise(self._store, self._catalogue, self._space)

    def _candidates(self, vector: Float32[np.ndarray, "D"], n: int) -> Int64[np.ndarray, "C"]:
        """The contents among which the exactly best `n` are, whatever the store does with ties.

        Goes on until the last one is plainly less similar than the n-th. Otherwise, of many equal
        ones, the store would choose others for 5 results than for 15.
        """
        k = n + OVER_FETCH
        margin = ROUNDING * max(1.0, float(np.linalg.norm(vector)))
        while True:
            with self._store_lock:
                found = self._store.search(vector[None], k)
            ids, similarities = found.ids[0], found.similarities[0]
            if len(ids) < k or similarities[-1] < similarities[n - 1] - margin:
                held: Int64[np.ndarray, "C"] = ids[ids >= 0]
                return held
            k *= 2

    def _part_vector(self, part: Part) -> Float32[np.ndarray, "D"]:
        visual = self._space.identity.visual_dimension
        if not isinstance(part, ImagePart):
            return text_query(self._encoder.encode_texts([part.text])[0], visual)
        # Decoding is imported on demand: words need no Pillow.
        from retrieval.pictures import rgb_of_source

        rgb = rgb_of_source(part.image, self._encoder.side_pixels)
        encoded = self._encoder.encode_images([self._encoder.prepare(rgb)])
        return image_query(encoded.semantic[0], encoded.visual[0], self._encoder.visual_weight)

    def _composed(
        self, query: Query, parts: Float32[np.ndarray, "P D"]
    ) -> tuple[Float32[np.ndarray, "D"], float]:
        """The vector to search with, and what is taken off every similarity."""
        weights = np.array([part.weight for part in query.parts])
        if len(parts) == 1:
            return (parts[0] if weights[0] > 0 else -parts[0]), 0.0
        with self._store_lock:
            ids = self._store.ids()
        step = max(1, len(ids) // SPREAD_SAMPLE)
        _, sample = self._catalogue.held_vectors(ids[::step], self._space)
        moments = similarity_moments(parts, sample)
        return composed_query(parts, weights, moments), composed_level(weights, moments)

    def _hits(
        self,
        ids: Int64[np.ndarray, "N"],
        vector: Float32[np.ndarray, "D"],
        level: float,
        parts: Float32[np.ndarray, "P D"],
        top: int,
    ) -> tuple[Hit, ...]:
        # Another process may have pruned some of them since the store was synchronised.
        ids, stored = self._catalogue.held_vectors(ids, self._space)
        similarities = exact_similarities(stored, vector[None])[:, 0] - level
        order = np.lexsort((ids, -similarities))
        by_part = exact_similarities(stored, parts)
        paths = self._catalogue.paths_of(ids.tolist())
        hits: list[Hit] = []
        for index in order.tolist():
            files = paths[int(ids[index])]
            if len(hits) == top:
                break
            if not files:
                continue  # it went missing
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
