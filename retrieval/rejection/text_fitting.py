"""Fitting the head for words: captions are known, voids are made of them, one part calibrates."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from retrieval.rejection.calibration import require_enough
from retrieval.rejection.company import (
    NETWORKS_ALONE,
    Company,
    Layer,
    TextEncoder,
    WordVectors,
)
from retrieval.rejection.detectors import Sample
from retrieval.rejection.distances import Landmarks
from retrieval.rejection.fitting import Sizes, judged_head, unjudged_head
from retrieval.rejection.gate import GROUPS, Head, group_of
from retrieval.rejection.registry import unfitted
from retrieval.rejection.scenes import scene_direction
from retrieval.rejection.swaps import Swaps
from retrieval.rejection.voids import TextVoid, TextVoids, fragments
from retrieval.rejection.words import SMALL, WordSupport, words_of
from spectrum.encoders.caption_words import CaptionWords, caption_words
from spectrum.encoders.embedded import SHIPPED
from spectrum.encoders.framing import unframed

FEWEST = 20
"""Texts of a group that calibrate it."""
PIECES = 600
"""Captions that pieces are taken from, if there are as many; of more, a third."""


class KnownTexts(NamedTuple):
    """Texts that the library has something for."""

    texts: list[str]
    rows: Int64[np.ndarray, " T"]
    """The row of each one's image among the library's vectors; -1 where it has none."""


class TextEvidence(NamedTuple):
    """What a text head's detector learns from, and what calibrates it."""

    head: Head
    """Without a detector fitted to it yet."""
    teaching: Sample
    voids: Sample
    calibrating: Sample
    groups: tuple[str, ...]
    """Of the calibrating texts."""


def text_evidence(
    known: KnownTexts,
    library: Float32[np.ndarray, "N S"],
    encode: TextEncoder,
    *,
    false_reject: float,
    sizes: Sizes | None = None,
    seed: int = 0,
    forbidden: frozenset[str] = frozenset(),
    large: CaptionWords | None = None,
) -> TextEvidence:
    """Everything of a text head but its detector. CalibrationError for too few texts.

    `large` are captions at large, those that ship unless others are given.
    """
    sizes = sizes or Sizes()
    require_enough(len(known.texts), false_reject, "texts")
    known = KnownTexts([unframed(text) for text in known.texts], known.rows)
    rng = np.random.default_rng(seed)
    first, teaching, calibrating = (
        KnownTexts([known.texts[i] for i in part.tolist()], known.rows[part])
        for part in _split(known.rows, _shares(len(known.texts), sizes), rng)
    )
    pictured = np.array(_some(len(library), sizes.pictures, rng))
    place_of = np.full(len(library) + 1, -1)
    place_of[pictured] = np.arange(len(pictured))
    taught = _with_fragments(teaching, sizes.teaching, rng)
    kept = _with_fragments(calibrating, sizes.calibrating, rng)
    support = WordSupport.counted(first.texts, large or caption_words(SHIPPED))
    voids = TextVoids(first.texts, support, seed, forbidden, teaching.texts).made(sizes.voids)
    made = _void_texts(voids, teaching.rows)
    words = _Words(first, support, TextVoids(first.texts, support, seed, forbidden))
    # Encoding leaves Python alone and so does training, mostly: two cores, half of the time.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_torch_loaded)
        encoding = [pool.submit(encode, some.texts) for some in (taught, made, kept)]
        head = _measuring_head(words, library[pictured], encode, sizes, rng, seed)
        table = _word_table(words, encode)
        company = _company(words, table, sizes, seed)
        odds = word_odds(company, taught.texts[: sizes.word_odds], voids[: sizes.word_odds], encode)
        head = replace(head, company=Company(table.vectors, company.networks, odds))
        vectors = [some.result() for some in encoding]

    def seen(texts: KnownTexts, vectors: Float32[np.ndarray, "T S"]) -> Sample:
        return head.sample(vectors, texts.texts, encode, place_of[texts.rows])

    return TextEvidence(
        head=head,
        teaching=seen(taught, vectors[0]),
        voids=seen(made, vectors[1])._replace(kinds=tuple(void.kind for void in voids)),
        calibrating=seen(kept, vectors[2]),
        groups=tuple(map(group_of, kept.texts)),
    )


def _torch_loaded() -> None:
    """Imports what training needs: seconds, in which others may go on.

    What goes wrong here goes wrong again where it is needed, and is told there.
    """
    from retrieval.rejection.company_training import load_optimiser

    load_optimiser()


class _Words(NamedTuple):
    """What teaches words."""

    known: KnownTexts
    support: WordSupport
    voids: TextVoids


class _WordTable(NamedTuple):
    """All words that the company networks learn from."""

    vectors: WordVectors
    words: list[str]
    rows: Float32[np.ndarray, "V C"]


def _shares(count: int, sizes: Sizes) -> tuple[float, float, float]:
    """Shares of the texts that teach words, the detector, and that calibrate.

    The latter two are 15 % and a quarter, or less where that is more than is looked at of them.
    """
    teaching = min(0.15, 1.1 * sizes.teaching / count)
    calibrating = min(0.25, 1.1 * sizes.calibrating / count)
    return 1.0 - teaching - calibrating, teaching, calibrating


def _void_texts(voids: Sequence[TextVoid], rows: Int64[np.ndarray, " T"]) -> KnownTexts:
    """The voids, each with the row of the image whose caption it was made of; -1: of none."""
    own = [rows[void.source] if void.source >= 0 else -1 for void in voids]
    return KnownTexts([void.text for void in voids], np.array(own, dtype=np.int64))


def _measuring_head(
    words: _Words,
    pictures: Float32[np.ndarray, "N S"],
    encode: TextEncoder,
    sizes: Sizes,
    rng: np.random.Generator,
    seed: int,
) -> Head:
    """The head with its landmarks and what it knows of words and scenes, without company."""
    texts = words.known.texts
    bank = encode([texts[i] for i in _some(len(texts), sizes.bank, rng)])
    scenes = words.voids.scenes(sizes.scenes)
    return unjudged_head(
        "text",
        Landmarks.of(bank, [bank.shape[1]], keep=True, seed=seed),
        pictures,
        words.support,
        scene=scene_direction(bank, encode(scenes)) if scenes else None,
    )


def text_head(evidence: TextEvidence, name: str, others: Mapping[str, Any]) -> Head:
    """The head with the detector of that name, fitted, and calibrated for each of GROUPS."""
    head = evidence.head
    detector = unfitted(name, head.columns, others)
    detector.fit(evidence.teaching, evidence.voids)
    scores = detector.score(evidence.calibrating)
    groups = np.array(evidence.groups)
    calibrating = {group: np.sort(scores[_alike(groups, group)]) for group in GROUPS}
    return judged_head(head, name, detector, calibrating, evidence.calibrating)


def _alike(groups: np.ndarray[Any, np.dtype[Any]], group: str) -> Bool[np.ndarray, " T"]:
    """Which texts calibrate a group: its own, or where these are too few, all that are as short as
    a phrase, or everything."""
    own, short = groups == group, groups != "sentence"
    wider = own if group == "sentence" else short
    for chosen in (own, wider):
        if chosen.sum() >= FEWEST:
            return np.asarray(chosen)
    return np.ones_like(own)


def _word_table(words: _Words, encode: TextEncoder) -> _WordTable:
    vectors = WordVectors.of(words.support, words.known.texts, encode)
    absent = sorted({word for text in words.voids.absent for word in words_of(text)})
    every = [*words.support.words, *(w for w in absent if w not in words.support.holding)]
    return _WordTable(vectors, every, vectors.of_words(every, encode)[:, :-1])


def _company(words: _Words, table: _WordTable, sizes: Sizes, seed: int) -> Company:
    """Networks that know which words keep company, trained on captions and their swaps."""
    from retrieval.rejection.company_training import company_networks

    swaps = Swaps.of(words.known.texts, words.known.rows, table.words, words.voids, words.support)
    blank = np.zeros((1, table.rows.shape[1]), dtype=np.float32)
    networks = company_networks(
        np.concatenate([blank, table.rows]),
        [False, *(word not in SMALL for word in table.words)],
        partial(swaps.drawn, sizes.company_examples),
        epochs=sizes.company_epochs,
        seeds=range(seed, seed + sizes.company_networks),
    )
    return Company(table.vectors, networks)


def word_odds(
    company: Company, known: Sequence[str], voids: Sequence[TextVoid], encode: TextEncoder
) -> Layer:
    """How much each of a word's readings says that it was swapped in, by logistic regression.

    Of texts that taught the networks and counted the words nothing: to those, their own words would
    look likelier than any fresh caption's.
    """
    from retrieval.rejection.training import multinomial

    swaps = [void for void in voids if len(void.swapped_in)]
    if not swaps:
        return NETWORKS_ALONE
    read = company.readings([*known, *(void.text for void in swaps)], encode)
    swapped = [np.zeros(len(each), dtype=np.int64) for each in read]
    for void, marked in zip(swaps, swapped[len(known) :], strict=True):
        marked[[place for place in void.swapped_in if place < len(marked)]] = 1
    both = multinomial(np.concatenate(read), np.concatenate(swapped), 2)
    return Layer(both.weight[1:] - both.weight[:1], both.bias[1:] - both.bias[:1])


def _with_fragments(known: KnownTexts, count: int, rng: np.random.Generator) -> KnownTexts:
    """At most `count` of the texts, and a piece of each of the first of them."""
    chosen = _some(len(known.texts), count, rng)
    sentences = [known.texts[i] for i in chosen]
    pieces = fragments(sentences[: max(PIECES, len(sentences) // 3)], rng)
    own = known.rows[chosen]
    return KnownTexts(
        [*sentences, *(text for text, _ in pieces)],
        np.concatenate([own, own[[row for _, row in pieces]]]).astype(np.int64),
    )


def _split(
    rows: Int64[np.ndarray, " T"], shares: Sequence[float], rng: np.random.Generator
) -> list[Int64[np.ndarray, " _"]]:
    """The texts in parts of about these shares; those of one image stay together."""
    alone = rows < 0
    groups = np.where(alone, rows.max(initial=0) + 1 + np.arange(len(rows)), rows)
    names, places = np.unique(groups, return_inverse=True)
    edges = np.cumsum(shares)[:-1] * len(names)
    part = np.searchsorted(edges, rng.permutation(len(names)), side="right")[places]
    return [np.flatnonzero(part == number) for number in range(len(shares))]


def _some(count: int, at_most: int, rng: np.random.Generator) -> list[int]:
    return sorted(rng.permutation(count)[:at_most].tolist())
