"""Fitting the head for words: captions are known, voids are made of them, one part calibrates."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from retrieval.rejection.calibration import require_enough
from retrieval.rejection.company import Company, TextEncoder, WordVectors
from retrieval.rejection.detectors import Sample
from retrieval.rejection.distances import Landmarks
from retrieval.rejection.fitting import Sizes, judged_head, unjudged_head
from retrieval.rejection.gate import Head, group_of
from retrieval.rejection.registry import unfitted
from retrieval.rejection.swaps import Swaps
from retrieval.rejection.voids import TextVoid, TextVoids, fragments
from retrieval.rejection.words import SMALL, WordSupport, words_of


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
    void_kinds: tuple[str, ...]
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
) -> TextEvidence:
    """Everything of a text head but its detector. CalibrationError for too few texts."""
    sizes = sizes or Sizes()
    require_enough(len(known.texts), false_reject, "texts")
    rng = np.random.default_rng(seed)
    first, teaching, calibrating = (
        KnownTexts([known.texts[i] for i in part.tolist()], known.rows[part])
        for part in _split(known.rows, (0.6, 0.15, 0.25), rng)
    )
    pictured = np.array(_some(len(library), sizes.pictures, rng))
    head = _measuring_head(first, library[pictured], encode, sizes, rng, seed, forbidden)
    place_of = np.full(len(library) + 1, -1)
    place_of[pictured] = np.arange(len(pictured))

    def seen(texts: KnownTexts) -> Sample:
        return head.sample(encode(texts.texts), texts.texts, encode, place_of[texts.rows])

    taught = _with_fragments(teaching, sizes.teaching, rng)
    kept = _with_fragments(calibrating, sizes.calibrating, rng)
    assert head.support is not None
    made = TextVoids(first.texts, head.support, seed, forbidden, teaching.texts)
    voids = made.made(sizes.voids)
    return TextEvidence(
        head=head,
        teaching=seen(taught),
        voids=seen(_void_texts(voids, teaching.rows)),
        void_kinds=tuple(void.kind for void in voids),
        calibrating=seen(kept),
        groups=tuple(map(group_of, kept.texts)),
    )


def _void_texts(voids: Sequence[TextVoid], rows: Int64[np.ndarray, " T"]) -> KnownTexts:
    """The voids, each with the row of the image whose caption it was made of; -1: of none."""
    own = [rows[void.source] if void.source >= 0 else -1 for void in voids]
    return KnownTexts([void.text for void in voids], np.array(own, dtype=np.int64))


def _measuring_head(
    first: KnownTexts,
    pictures: Float32[np.ndarray, "N S"],
    encode: TextEncoder,
    sizes: Sizes,
    rng: np.random.Generator,
    seed: int,
    forbidden: frozenset[str],
) -> Head:
    """The head with its landmarks and what it knows of words."""
    support = WordSupport.counted(first.texts)
    bank = encode([first.texts[i] for i in _some(len(first.texts), sizes.bank, rng)])
    return unjudged_head(
        "text",
        Landmarks.of(bank, [bank.shape[1]], keep=True, seed=seed),
        pictures,
        support,
        _company(first.texts, first.rows, support, encode, sizes, seed, forbidden),
    )


def text_head(evidence: TextEvidence, name: str, others: Mapping[str, Any]) -> Head:
    """The head with the detector of that name, fitted and calibrated for phrases and sentences."""
    head = evidence.head
    detector = unfitted(name, head.columns, others)
    detector.fit(evidence.teaching, evidence.voids)
    scores = detector.score(evidence.calibrating)
    groups = np.array(evidence.groups)
    calibrating = {
        group: np.sort(scores[groups == group])
        for group in ("sentence", "phrase")
        if (groups == group).sum() >= 20
    }
    return judged_head(head, name, detector, calibrating, evidence.calibrating)


def _company(
    captions: Sequence[str],
    images: Int64[np.ndarray, " T"],
    support: WordSupport,
    encode: TextEncoder,
    sizes: Sizes,
    seed: int,
    forbidden: frozenset[str],
) -> Company:
    """The network that knows which words keep company, trained on captions and their swaps."""
    from retrieval.rejection.training import company_network

    vectors = WordVectors.of(support, encode)
    voids = TextVoids(captions, support, seed, forbidden)
    others = sorted({word for text in voids.absent for word in words_of(text)})
    words = [*support.words, *(word for word in others if word not in support.holding)]
    table = vectors.of_words(words, encode)[:, :-1]
    swaps = Swaps.of(captions, images, words, voids, support)
    blank = np.zeros((1, table.shape[1]), dtype=np.float32)
    network = company_network(
        np.concatenate([blank, table]),
        [False, *(word not in SMALL for word in words)],
        lambda epoch: swaps.drawn(sizes.company_examples, seed, epoch),
        epochs=sizes.company_epochs,
        seed=seed,
    )
    return Company(vectors, network)


def _with_fragments(known: KnownTexts, count: int, rng: np.random.Generator) -> KnownTexts:
    """At most `count` of the texts, and pieces of a third as many."""
    chosen = _some(len(known.texts), count, rng)
    sentences = [known.texts[i] for i in chosen]
    pieces = fragments(sentences[: max(1, len(sentences) // 3)], rng)
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
