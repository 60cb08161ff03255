"""The story of a query: encode each part, compose, fetch candidates, score exactly, name files."""

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from indexer.banks import BankRow, current_bank, searched_vectors
from indexer.captions import captions_of
from indexer.catalogue import Catalogue
from indexer.filters import Condition
from indexer.near_duplicates import difference_hashes
from indexer.records import SpaceRow
from indexer.selection import selected_ids, selected_paths
from indexer.spaces import open_store, synchronise
from indexer.vectors.protocol import VectorStore
from retrieval.answer import Answer, Hit
from retrieval.query import ImagePart, Part, Query
from retrieval.ranking.composition import (
    Moments,
    composed_level,
    composed_query,
    image_query,
    similarity_moments,
    text_query,
)
from retrieval.ranking.folding import folded_rows
from retrieval.ranking.hubness import folded_queries
from retrieval.ranking.intent import intended_image
from retrieval.ranking.negation import (
    RERANKED,
    finding_weights,
    judged_order,
    judgement,
    unwanted_words,
)
from retrieval.ranking.neighbourhood import NEIGHBOURS, neighbourhood_query
from retrieval.ranking.protocol import Found, Kind, Ranking, Search
from retrieval.ranking.table import ranked_again, ranked_parts
from retrieval.rejection.judging import Judge
from spectrum.encoders.protocol import Encoder

# Candidates beyond those asked for, so that exact scores may reorder them at the border.
OVER_FETCH = 50

# Near duplicates stand close to one another in a ranking: so many more, and few have to be fetched.
FOLDED_FETCH = 20

# Far above the rounding of a float32 inner product of unit vectors, far below what anyone sees.
ROUNDING = 1e-5

# Enough to know a standard deviation to about 2 %.
SPREAD_SAMPLE = 2_000


class _View(NamedTuple):
    """What a query is answered from, to its end."""

    bank: BankRow | None
    """Over which the vectors are refined; None: they are the encoder's own."""
    store: VectorStore


class _Asked(NamedTuple):
    """A query on its way: what is compared with, and what may be shown."""

    view: _View
    vector: Float32[np.ndarray, "D"]
    level: float
    """Taken off every similarity."""
    parts: Float32[np.ndarray, "P D"]
    top: int
    where: Condition | None
    duplicates: bool
    query: Query
    unwanted: Moments | None
    """Of the similarities with each of the unwanted words; None: there are none."""


class Searcher:
    """Answers queries over one space with that space's own encoder; any number of threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        folder: Path,
        space: SpaceRow,
        encoder: Encoder,
        judge: Judge | None = None,
        ranking: Ranking | None = None,
    ) -> None:
        """Ranks by refined vectors where there are any; with a `ranking`, by the encoder's own."""
        self._catalogue = catalogue
        self._folder = folder
        self._space = space
        self._ranking = ranking
        self._bank = self._current_bank()
        self._store = open_store(folder, space, self._bank)
        self._encoder = encoder
        self._judge = judge
        self._store_lock = threading.Lock()
        self._encoded_texts = functools.lru_cache(maxsize=32)(self._encoded)

    def search(
        self,
        query: Query,
        *,
        top: int,
        without_hash: str | None = None,
        where: Condition | None = None,
        duplicates: bool = False,
        false_reject: float | None = None,
        show_rejected: bool = False,
    ) -> Answer:
        """The `top` best pictures, or all that fit `where`; `without_hash` leaves one content out.

        Unless `duplicates`, near-identical pictures are one hit: the best of them.

        With `false_reject` the library's gate judges the query: a refused one has no hits unless
        `show_rejected`.

        Raises UnreadableImageError for an image part that cannot be read.
        """
        seconds: dict[str, float] = {}
        with _timed(seconds, "open"):
            view = self._synchronised()
        with _timed(seconds, "encode"):
            parts = np.stack([self._part_vector(part) for part in query.parts])
        while True:
            answer = self._answer(query, parts, view, top, without_hash, where, duplicates, seconds)
            # Another process may have put new vectors in the place of these in between.
            if self._current_bank() == view.bank:
                break
            with _timed(seconds, "open"):
                view = self._synchronised()
        if self._judge is None or false_reject is None:
            return answer
        with _timed(seconds, "judge"):
            return self._judge.judged(
                answer,
                query,
                parts,
                false_reject=false_reject,
                show_rejected=show_rejected,
                cosines=view.bank is None and self._ranking is None and not query.is_intended,
            )

    def _answer(
        self,
        query: Query,
        parts: Float32[np.ndarray, "P D"],
        view: _View,
        top: int,
        without_hash: str | None,
        where: Condition | None,
        duplicates: bool,
        seconds: dict[str, float],
    ) -> Answer:
        if view.bank is not None:
            with _timed(seconds, "expand"):
                parts = self._among_neighbours(query, _with_hubness(query, parts), view)
        elif self._ranking is not None:
            with _timed(seconds, "expand"):
                parts = ranked_parts(self._ranking, _kinds(query), parts, self._search_of(view))
        unwanted, intended, moments = unwanted_words(query), 0.0, None
        with _timed(seconds, "compose"):
            alone = len(parts) == 1 and not unwanted.any() and not query.is_intended
            sample = parts[:0] if alone else self._sample(view)
            if query.is_intended:
                parts, intended = self._intended(query, parts, sample)
            vector, level = _composed(query, parts, sample)
            if unwanted.any():
                moments = similarity_moments(parts[unwanted], sample)
        among = None
        if where is not None:
            with _timed(seconds, "filter"):
                among = selected_ids(self._catalogue, where)
        without = None if without_hash is None else self._catalogue.id_of_hash(without_hash)
        level += intended
        asked = _Asked(view, vector, level, parts, top, where, duplicates, query, moments)
        hits = self._best_hits(asked, among, without, seconds)
        with self._store_lock:
            n_searched = view.store.count() if among is None else len(among)
        return Answer(hits=hits, n_searched=n_searched, seconds=seconds)

    def _best_hits(
        self,
        asked: _Asked,
        among: Int64[np.ndarray, "A"] | None,
        without: int | None,
        seconds: dict[str, float],
    ) -> tuple[Hit, ...]:
        """Fetches on until there are `top` hits, whatever is left out and folded, or no more."""
        n = asked.top + (without is not None) + (0 if asked.duplicates else FOLDED_FETCH)
        n = max(n, self._ranking.candidates if self._ranking else 0)
        n = max(n, RERANKED if asked.unwanted else 0)
        while True:
            with _timed(seconds, "search"):
                ids = self._candidates(asked, n, among)
            with _timed(seconds, "score"):
                kept = ids[ids != without] if without is not None else ids
                hits = self._hits(kept, asked, n - (len(ids) - len(kept)))
            if asked.duplicates or len(hits) == asked.top or len(ids) < n:
                return hits
            n *= 2

    def _current_bank(self) -> BankRow | None:
        return None if self._ranking else current_bank(self._catalogue, self._space.id)

    def _among_neighbours(
        self, query: Query, parts: Float32[np.ndarray, "P E"], view: _View
    ) -> Float32[np.ndarray, "P E"]:
        """Image parts refined as stored images are: over what they are nearest to."""
        identity, weight = self._space.identity, self._encoder.visual_weight
        search = self._search_of(view)
        moved = parts.copy()
        for row, part in enumerate(query.parts):
            if isinstance(part, ImagePart):
                found = search(parts[row : row + 1], NEIGHBOURS).vectors[0, :, :-1]
                moved[row, :-1] = neighbourhood_query(
                    parts[row, :-1], found, identity.semantic_dimension, weight
                )
        return moved

    def _search_of(self, view: _View) -> Search:
        """The search of one query, as a ranking asks for it."""

        def search(queries: Float32[np.ndarray, "1 E"], k: int) -> Found:
            with self._store_lock:
                ids = view.store.search(queries, k).ids[0]
            _, stored = searched_vectors(self._catalogue, ids, self._space, view.bank)
            return Found(stored[None], queries @ stored.T)

        return search

    def _synchronised(self) -> _View:
        with self._store_lock:
            bank = self._current_bank()
            if bank != self._bank:
                self._bank, self._store = bank, open_store(self._folder, self._space, bank)
            # A cache that cannot be written makes the next start slower, and this answer no worse:
            # the store is right in memory, and `spectrum index` says what is wrong with the disk.
            with suppress(OSError):
                synchronise(self._store, self._catalogue, self._space, bank)
            return _View(bank, self._store)

    def _candidates(
        self, asked: _Asked, n: int, among: Int64[np.ndarray, "A"] | None
    ) -> Int64[np.ndarray, "C"]:
        """The contents among which the exactly best `n` are, whatever the store does with ties.

        Goes on until the last one is plainly less similar than the n-th. Otherwise, of many equal
        ones, the store would choose others for 5 results than for 15.
        """
        k = n + OVER_FETCH
        margin = ROUNDING * max(1.0, float(np.linalg.norm(asked.vector)))
        while True:
            with self._store_lock:
                found = asked.view.store.search(asked.vector[None], k, among=among)
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

    def _sample(self, view: _View) -> Float32[np.ndarray, "N E"]:
        """Vectors of the collection, evenly spaced, from which standard scores are taken."""
        with self._store_lock:
            ids = view.store.ids()
        step = max(1, len(ids) // SPREAD_SAMPLE)
        return searched_vectors(self._catalogue, ids[::step], self._space, view.bank)[1]

    def _encoded(self, texts: tuple[str, ...]) -> Float32[np.ndarray, "B S"]:
        return self._encoder.encode_texts(texts)

    def _intended(
        self, query: Query, parts: Float32[np.ndarray, "P E"], sample: Float32[np.ndarray, "N E"]
    ) -> tuple[Float32[np.ndarray, "P E"], float]:
        """The parts, images that are wanted as the intent has them; and an only part's level."""
        identity = self._space.identity
        width, made, level = identity.dimension, parts.copy(), 0.0
        for row, part in enumerate(query.parts):
            if isinstance(part, ImagePart) and part.weight > 0:
                made[row, :width], level = intended_image(
                    parts[row, :width],
                    query.intent,
                    query.intent_strength,
                    sample=sample[:, :width],
                    semantic=identity.semantic_dimension,
                    encode=lambda texts: self._encoded_texts(tuple(texts)),
                )
        # Composing several parts takes off what an average picture scores with each.
        return made, level if len(parts) == 1 else 0.0

    def _hits(self, ids: Int64[np.ndarray, "N"], asked: _Asked, n_certain: int) -> tuple[Hit, ...]:
        """The best of these, of which the first `n_certain` are known to be the library's best."""
        # Another process may have pruned some of them since the store was synchronised.
        ids, stored = searched_vectors(self._catalogue, ids, self._space, asked.view.bank)
        similarities = exact_similarities(stored, asked.vector[None])[:, 0] - asked.level
        order = np.lexsort((ids, -similarities))
        if self._ranking is not None:
            again = ranked_again(self._ranking, asked.vector, stored, similarities, order)
            similarities, order = again, np.lexsort((ids, -again))
        by_part = exact_similarities(stored, asked.parts)
        # Before anything is folded: a picture that went missing must not stand for its likes.
        paths = self._files(ids, asked.where)
        found = np.array([bool(paths[id]) for id in ids.tolist()], dtype=np.bool_)
        certain = order[:n_certain]
        certain, order = certain[found[certain]], order[found[order]]
        if asked.unwanted is not None:
            order = certain = self._wanted(asked, ids, certain, similarities, by_part)
        if asked.duplicates:
            rows = [[row] for row in order.tolist()]
        else:
            hashes = difference_hashes(self._catalogue, ids[certain].tolist())
            places = folded_rows(self._base(ids[certain], stored[certain], asked.view), hashes)
            rows = [[int(certain[place]) for place in some] for some in places]
        hits: list[Hit] = []
        for some in rows:
            if len(hits) == asked.top:
                break
            index, *folded = some
            files = paths[int(ids[index])]
            hits.append(
                Hit(
                    rank=len(hits) + 1,
                    path=files[0],
                    similarity=float(similarities[index]),
                    image_id=int(ids[index]),
                    copies=tuple(files[1:]),
                    near=tuple(path for row in folded for path in paths[int(ids[row])]),
                    parts=tuple(by_part[index].tolist()),
                )
            )
        return tuple(hits)

    def _wanted(
        self,
        asked: _Asked,
        ids: Int64[np.ndarray, "N"],
        rows: Int64[np.ndarray, "C"],
        similarities: Float64[np.ndarray, "N"],
        by_part: Float64[np.ndarray, "N P"],
    ) -> Int64[np.ndarray, "M"]:
        """These rows in the order to show, without those that answer the unwanted words."""
        assert asked.unwanted is not None
        said = captions_of(self._catalogue, ids[rows].tolist())
        judged = judgement(
            asked.query,
            [[caption.text for caption in said[id]] for id in ids[rows].tolist()],
            by_part[rows][:, unwanted_words(asked.query)],
            asked.unwanted,
        )
        kept: Int64[np.ndarray, "M"] = rows[judged_order(judged, similarities[rows], ids[rows])]
        return kept

    def _base(
        self, ids: Int64[np.ndarray, "N"], stored: Float32[np.ndarray, "N E"], view: _View
    ) -> Float32[np.ndarray, "N D"]:
        """The encoder's own vectors: refined ones make neighbours alike that look different."""
        if view.bank is None:
            return stored
        held, base = self._catalogue.held_vectors(ids, self._space)
        vectors = np.zeros((len(ids), self._space.identity.dimension), dtype=np.float32)
        vectors[np.isin(ids, held)] = base  # another process may have pruned some
        return vectors

    def _files(self, ids: Int64[np.ndarray, "N"], where: Condition | None) -> dict[int, list[str]]:
        """Picture -> its files, those first that fit; none if none fits any more."""
        files = self._catalogue.paths_of(ids.tolist())
        if where is None:
            return files
        # The only file of a picture that fits is the one that does.
        several = [id for id, paths in files.items() if len(paths) > 1]
        fitting = selected_paths(self._catalogue, where, several) if several else {}
        for id, fits in fitting.items():
            files[id] = fits + [path for path in files[id] if path not in fits] if fits else []
        return files


def _composed(
    query: Query, parts: Float32[np.ndarray, "P D"], sample: Float32[np.ndarray, "N D"]
) -> tuple[Float32[np.ndarray, "D"], float]:
    """The vector to search with, and what is taken off every similarity."""
    weights = finding_weights(query)
    if len(parts) == 1:
        return (parts[0] if weights[0] > 0 else -parts[0]), 0.0
    moments = similarity_moments(parts, sample)
    return composed_query(parts, weights, moments), composed_level(weights, moments)


def _with_hubness(query: Query, parts: Float32[np.ndarray, "P D"]) -> Float32[np.ndarray, "P D+1"]:
    """[t; 0; 1] of words and [q; 0] of images: only words are what a picture may be a hub of."""
    rows = [folded_queries(one[None], kind) for one, kind in zip(parts, _kinds(query), strict=True)]
    return np.concatenate(rows)


def _kinds(query: Query) -> list[Kind]:
    return ["image" if isinstance(part, ImagePart) else "text" for part in query.parts]


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
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
