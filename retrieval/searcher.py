"""The story of a query: encode each part, compose, fetch candidates, score exactly, name files."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from indexer.banks import BankRow, current_bank
from indexer.catalogue import Catalogue
from indexer.filters import Condition
from indexer.records import SpaceRow
from indexer.selection import selected_ids
from indexer.spaces import open_store, synchronise
from retrieval.answer import Answer, Hit
from retrieval.asked import Asked, Request
from retrieval.candidates import candidate_ids, scored
from retrieval.hits import FOLDED_FETCH, best_hits
from retrieval.query import ImagePart, Part, Query
from retrieval.ranking.composition import (
    Moments,
    composed_level,
    composed_query,
    image_query,
    similarity_moments,
    text_query,
)
from retrieval.ranking.intent import intended_parts
from retrieval.ranking.negation import RERANKED, finding_weights, unwanted_words
from retrieval.ranking.neighbourhood import asked_parts, neighbourhood_parts
from retrieval.ranking.protocol import Kind, Ranking
from retrieval.ranking.table import ranked_parts, search_ranking
from retrieval.rejection.judging import Judge
from retrieval.rejection.library_gate import load_gate
from retrieval.rejection.uncaptioned import NEAREST, uncaptioned_words
from retrieval.view import KeptSample, LastFound, View
from spectrum.encoders.protocol import Encoder
from spectrum.stack.lexicon import Lexicon

if TYPE_CHECKING:
    from retrieval.explanation import RefinerOf
    from retrieval.library import Library

LexiconOf = Callable[[BankRow | None], Lexicon | None]


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
        lexicon_of: LexiconOf = lambda bank: None,
    ) -> None:
        """Ranks by refined vectors where there are any; with a `ranking`, by the encoder's own.

        `lexicon_of` gives what words look like among a bank's vectors, if its stack knows.
        """
        self._catalogue = catalogue
        self._folder = folder
        self._space = space
        self._ranking = ranking
        self._bank = self._current_bank()
        self._store = open_store(folder, space, self._bank)
        self._encoder = encoder
        self._judge = judge
        self._store_lock = threading.Lock()
        self._sample = KeptSample()
        self._lexicon_of = functools.lru_cache(maxsize=1)(lexicon_of)
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
        explain_by: "RefinerOf | None" = None,
    ) -> Answer:
        """The `top` best pictures, or all that fit `where`; `without_hash` leaves one content out.

        Unless `duplicates`, near-identical pictures are one hit: the best of them.

        With `false_reject` the library's gate judges the query: a refused one has no hits unless
        `show_rejected`. With `explain_by`, which gives the refiner, each hit has its `why`.

        Raises UnreadableImageError for an image part that cannot be read.
        """
        seconds: dict[str, float] = {}
        request = Request(query, top, where, duplicates, without_hash)
        with _timed(seconds, "open"):
            view = self._synchronised()
        with _timed(seconds, "encode"):
            parts = np.stack([self._part_vector(part) for part in query.parts])
        answer, view = self._answer_of_now(request, parts, view, seconds)
        if self._judge is not None and false_reject is not None:
            with _timed(seconds, "judge"):
                answer = self._judge.judged(
                    answer,
                    query,
                    parts,
                    false_reject=false_reject,
                    show_rejected=show_rejected,
                    cosines=view.bank is None and self._ranking is None and not query.is_intended,
                    nearest=lambda place: self._nearest(query, parts, view, place),
                )
        if explain_by is not None:
            from retrieval.explanation import explained

            with _timed(seconds, "explain"):
                answer = explained(answer, view, explain_by, ranked=self._ranking is not None)
        return answer

    def _answer_of_now(
        self,
        request: Request,
        parts: Float32[np.ndarray, "P D"],
        view: View,
        seconds: dict[str, float],
    ) -> tuple[Answer, View]:
        """The answer from the vectors that are current when it is ready, and these."""
        while True:
            answer = self._answer(request, parts, view, seconds)
            # Another process may have put new vectors in the place of these in between.
            if self._current_bank() == view.bank:
                return answer, view
            with _timed(seconds, "open"):
                view = self._synchronised()

    def _answer(
        self,
        request: Request,
        parts: Float32[np.ndarray, "P D"],
        view: View,
        seconds: dict[str, float],
    ) -> Answer:
        with _timed(seconds, "expand"):
            expanded = self._expanded(request.query, parts, view)
        with _timed(seconds, "compose"):
            asked = self._composed(request, expanded, view)
        among = None
        if request.where is not None:
            with _timed(seconds, "filter"):
                among = selected_ids(self._catalogue, request.where)
        hits = self._hits(asked, among, seconds)
        n_searched = view.n_stored() if among is None else len(among)
        return Answer(hits=hits, n_searched=n_searched, seconds=seconds)

    def _part_vector(self, part: Part) -> Float32[np.ndarray, "D"]:
        visual = self._space.identity.visual_dimension
        if not isinstance(part, ImagePart):
            return text_query(self._encoder.encode_texts([part.text])[0], visual)
        # Decoding is imported on demand: words need no Pillow.
        from retrieval.pictures import rgb_of_source

        rgb = rgb_of_source(part.image, self._encoder.side_pixels)
        encoded = self._encoder.encode_images([self._encoder.prepare(rgb)])
        return image_query(encoded.semantic[0], encoded.visual[0], self._encoder.visual_weight)

    def _expanded(
        self, query: Query, parts: Float32[np.ndarray, "P D"], view: View
    ) -> Float32[np.ndarray, "P E"]:
        """The parts as the vectors that they are compared with were made."""
        if self._ranking is not None:
            return ranked_parts(self._ranking, _kinds(query), parts, view.found)
        if view.bank is None:
            return parts
        # Reading a stack's file takes longer than a search, and only words need it.
        lexicon = self._lexicon_of(view.bank) if "text" in _kinds(query) else None
        semantic = self._space.identity.semantic_dimension
        asked = asked_parts(query, parts, lexicon, semantic=semantic)
        return neighbourhood_parts(query, asked, view.found, semantic=semantic)

    def _nearest(
        self, query: Query, parts: Float32[np.ndarray, "P D"], view: View, place: int
    ) -> Int64[np.ndarray, "C"]:
        """The pictures of the whole library that are nearest to one part, as it ranks them."""
        ids, _ = view.nearest(self._expanded(query, parts, view)[place], NEAREST)
        held: Int64[np.ndarray, "C"] = ids[ids >= 0]
        return held

    def _composed(self, request: Request, parts: Float32[np.ndarray, "P E"], view: View) -> Asked:
        """The parts in one vector; an intended image as the intent has it."""
        query, intended = request.query, 0.0
        unwanted = unwanted_words(query)
        alone = len(parts) == 1 and not unwanted.any() and not query.is_intended
        sample = parts[:0] if alone else view.sample()
        if query.is_intended:
            parts, intended = intended_parts(
                query,
                parts,
                sample,
                dimension=self._space.identity.dimension,
                semantic=self._space.identity.semantic_dimension,
                encode=lambda texts: self._encoded_texts(tuple(texts)),
            )
        moments = similarity_moments(parts, sample)
        vector, level = _one_vector(query, parts, moments)
        of_unwanted = Moments(moments.mean[unwanted], moments.spread[unwanted])
        held_against = of_unwanted if unwanted.any() else None
        return Asked(request, view, parts, vector, level + intended, held_against)

    def _hits(
        self, asked: Asked, among: Int64[np.ndarray, "A"] | None, seconds: dict[str, float]
    ) -> tuple[Hit, ...]:
        """Fetches on until there are `top` hits, whatever is left out and folded, or no more."""
        request = asked.request
        hash = request.without_hash
        without = None if hash is None else self._catalogue.id_of_hash(hash)
        n = request.top + (without is not None) + (0 if request.duplicates else FOLDED_FETCH)
        n = max(n, self._ranking.candidates if self._ranking else 0)
        n = max(n, RERANKED if asked.unwanted else 0)
        while True:
            with _timed(seconds, "search"):
                ids = candidate_ids(asked.view, asked.vector, n, among)
            with _timed(seconds, "score"):
                kept = ids[ids != without] if without is not None else ids
                certain = n - (len(ids) - len(kept))
                hits = best_hits(scored(kept, asked, self._ranking), asked, certain)
            if request.duplicates or len(hits) == request.top or len(ids) < n:
                return hits
            n *= 2

    def _current_bank(self) -> BankRow | None:
        return None if self._ranking else current_bank(self._catalogue, self._space.id)

    def _synchronised(self) -> View:
        with self._store_lock:
            bank = self._current_bank()
            if bank != self._bank:
                self._bank, self._store = bank, open_store(self._folder, self._space, bank)
            # A cache that cannot be written makes the next start slower, and this answer no worse:
            # the store is right in memory, and `spectrum index` says what is wrong with the disk.
            with suppress(OSError):
                synchronise(self._store, self._catalogue, self._space, bank)
            lock, last = self._store_lock, LastFound()
            return View(self._catalogue, self._space, bank, self._store, lock, self._sample, last)

    def _encoded(self, texts: tuple[str, ...]) -> Float32[np.ndarray, "B S"]:
        return self._encoder.encode_texts(texts)


def opened_searcher(library: "Library", ranking: str) -> Searcher:
    """What answers a library's queries by the ranking of that name, with the library's gate.

    Raises QueryError for an unknown name, LibraryNotFoundError while nothing is indexed.
    """
    encoder, space = library.encoder, library.space
    semantic = space.identity.semantic_dimension
    judge = Judge(
        lambda: load_gate(library),
        encoder.encode_texts,
        semantic,
        lambda ids: library.catalogue.held_vectors(ids, space),
        lambda: uncaptioned_words(encoder),
    )
    chosen = search_ranking(
        ranking,
        semantic=semantic,
        dimension=space.identity.dimension,
        visual_weight=encoder.visual_weight,
    )
    over = library.lexicon_over
    return Searcher(library.catalogue, library.folder, space, encoder, judge, chosen, over)


def _one_vector(
    query: Query, parts: Float32[np.ndarray, "P E"], moments: Moments
) -> tuple[Float32[np.ndarray, "E"], float]:
    """The vector to search with, and what is taken off every similarity."""
    weights = finding_weights(query)
    if len(parts) == 1:
        return (parts[0] if weights[0] > 0 else -parts[0]), 0.0
    return composed_query(parts, weights, moments), composed_level(weights, moments)


def _kinds(query: Query) -> list[Kind]:
    return ["image" if isinstance(part, ImagePart) else "text" for part in query.parts]


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
