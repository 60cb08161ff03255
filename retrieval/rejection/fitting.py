"""Fitting the heads of a gate: what is known, what is void, who judges, what is usual.

One part of the known queries teaches, another calibrates: a query that taught looks more known than
a fresh one, and would make the promise a lie.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from retrieval.rejection.calibration import require_enough
from retrieval.rejection.company import Company, TextEncoder, WordVectors
from retrieval.rejection.detectors import (
    PLAIN,
    Column,
    Detector,
    Sample,
    column_named,
)
from retrieval.rejection.distances import Landmarks, left_out_distance, profiles
from retrieval.rejection.gate import GRID, Head, group_of
from retrieval.rejection.swaps import Swaps
from retrieval.rejection.voids import TextVoids, fragments, image_voids
from retrieval.rejection.words import SMALL, WordSupport, words_of

TEXT_DETECTOR = "guarded-fusion"
IMAGE_DETECTOR = "block-distances"
"""The defaults: what won by measurement (docs/rejection.md)."""
DetectorMaker = Callable[[str], Detector]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is looked at: chosen so that 7,000 images take under a minute on two cores."""

    bank: int = 2_000
    """Captions that nearness is measured to; more take a query longer."""
    teaching: int = 2_500
    """Known sentences that teach the detector."""
    calibrating: int = 3_600
    """Known sentences that only calibrate."""
    voids: int = 4_000
    images: int = 6_000
    """Known images."""
    pictures: int = 2_000
    """Pictures that a query's similarity profile is taken to; more take a query longer."""
    company_epochs: int = 8
    company_examples: int = 24_000
    """Sentences of one epoch."""


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


def unfitted(name: str, columns: tuple[str, ...], others: Mapping[str, Any]) -> Detector:
    """The detector of a name. ValueError, with all names, for one that there is not."""
    if name in PLAIN:
        return PLAIN[name]()
    if name in others:
        made: Detector = others[name]()
        return made
    column = column_named(name, columns)
    if column is None:
        slugs = (each.lower().replace(" ", "-") for each in columns)
        raise ValueError(
            f"there is no detector '{name}': choose from {', '.join((*PLAIN, *others, *slugs))}"
        )
    return Column(column)


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
    parts = _split(known.rows, (0.6, 0.15, 0.25), rng)
    first, teaching, calibrating = ([known.texts[i] for i in part.tolist()] for part in parts)
    support = WordSupport.counted(first)
    company = _company(first, known.rows[parts[0]], support, encode, sizes, seed, forbidden)
    pictured = np.array(_some(len(library), sizes.pictures, rng))
    bank = encode([first[i] for i in _some(len(first), sizes.bank, rng)])
    head = Head(
        kind="text",
        landmarks=Landmarks.of(bank, [bank.shape[1]], keep=True, seed=seed),
        detector_name="",
        detector=Column("max cosine"),
        calibrating={},
        usual=np.zeros((0, len(GRID)), np.float32),
        best_hits=np.zeros(len(GRID), np.float32),
        pictures=library[pictured],
        support=support,
        company=company,
    )
    place_of = np.full(len(library) + 1, -1)
    place_of[pictured] = np.arange(len(pictured))

    def seen(texts: Sequence[str], rows: Int64[np.ndarray, " T"]) -> Sample:
        return head.sample(encode(texts), texts, encode, place_of[rows])

    taught = _with_fragments(teaching, known.rows[parts[1]], sizes.teaching, rng)
    kept = _with_fragments(calibrating, known.rows[parts[2]], sizes.calibrating, rng)
    voids = TextVoids(first, support, seed, forbidden, teaching).made(sizes.voids)
    void_rows = np.array([parts[1][v.source] if v.source >= 0 else -1 for v in voids])
    void_rows = np.where(void_rows >= 0, known.rows[void_rows], -1)
    return TextEvidence(
        head=head,
        teaching=seen(taught.texts, taught.rows),
        voids=seen([void.text for void in voids], void_rows),
        void_kinds=tuple(void.kind for void in voids),
        calibrating=seen(kept.texts, kept.rows),
        groups=tuple(map(group_of, kept.texts)),
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
    return _judged_by(head, name, detector, calibrating, evidence.calibrating)


def image_head(
    library: Float32[np.ndarray, "N D"],
    widths: tuple[int, ...],
    query_scale: Float32[np.ndarray, " D"],
    name: str,
    others: Mapping[str, Any],
    *,
    false_reject: float,
    sizes: Sizes | None = None,
    seed: int = 0,
) -> Head:
    """The head for images: every stored one is seen as if it were fresh.

    `query_scale` turns [semantic; visual] into the query that a search makes of it. Distances to
    a stored image come from the others (five folds), its profile leaves it out.
    """
    sizes = sizes or Sizes()
    require_enough(len(library), false_reject, "images")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(library))[: sizes.images].astype(np.int64)
    vectors = library[chosen]
    pictures = library[chosen[: sizes.pictures]] * query_scale
    own = np.where(np.arange(len(chosen)) < len(pictures), np.arange(len(chosen)), -1)
    profile = profiles(vectors, pictures, own)
    folds = np.arange(len(chosen)) % 5
    evidence: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    order: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    columns: tuple[str, ...] = ()
    for fold in range(5):
        mine = np.flatnonzero(folds == fold)
        landmarks = Landmarks.of(vectors[folds != fold], widths, keep=False, seed=seed)
        evidence.append(landmarks.evidence(vectors[mine], profile[mine]))
        order.append(mine)
        columns = landmarks.columns
    places = np.concatenate(order)
    whole = np.empty((len(chosen), len(columns)), dtype=np.float32)
    whole[places] = np.concatenate(evidence)
    landmarks = Landmarks.of(vectors, widths, keep=False, seed=seed)
    _leave_each_out(whole, landmarks.evidence(vectors, profile), columns)
    known = Sample(vectors, whole, columns)
    head = Head(
        kind="image",
        landmarks=landmarks,
        detector_name="",
        detector=Column("max cosine"),
        calibrating={},
        usual=np.zeros((0, len(GRID)), np.float32),
        best_hits=np.zeros(len(GRID), np.float32),
        pictures=pictures,
    )
    detector = unfitted(name, columns, others)
    teaching, calibrating = known, known
    if detector.learns:
        half = rng.random(len(chosen)) < 0.6
        teaching, calibrating = known.rows(half), known.rows(~half)
    voided, made_of = image_voids(vectors, min(len(vectors), sizes.voids), rng)
    voids = head.sample(_unit_blocks(voided, widths), own=own[made_of])
    detector.fit(teaching, voids)
    scores = {"image": np.sort(detector.score(calibrating))}
    return _judged_by(head, name, detector, scores, calibrating)


def _leave_each_out(
    evidence: Float32[np.ndarray, "Q E"],
    inside: Float32[np.ndarray, "Q E"],
    columns: Sequence[str],
) -> None:
    """Puts exact distances of left-out images in the place of those of the folds.

    `inside` is the evidence with every image in the bank.
    """
    for number, name in enumerate(columns):
        if name.endswith("Mahalanobis") and not name.startswith("relative"):
            distance = -inside[:, number].astype(np.float64)
            evidence[:, number] = -left_out_distance(distance, len(inside))


def _judged_by(
    head: Head,
    name: str,
    detector: Detector,
    calibrating: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    sample: Sample,
) -> Head:
    return Head(
        kind=head.kind,
        landmarks=head.landmarks,
        detector_name=name,
        detector=detector,
        calibrating=calibrating,
        usual=np.quantile(sample.evidence, GRID, axis=0).T.astype(np.float32),
        best_hits=np.quantile(sample.column("max cosine"), GRID).astype(np.float32),
        pictures=head.pictures,
        support=head.support,
        company=head.company,
    )


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


def _with_fragments(
    texts: Sequence[str], rows: Int64[np.ndarray, " T"], count: int, rng: np.random.Generator
) -> KnownTexts:
    """At most `count` of the texts, and pieces of a third as many."""
    chosen = _some(len(texts), count, rng)
    sentences = [texts[i] for i in chosen]
    pieces = fragments(sentences[: max(1, len(sentences) // 3)], rng)
    own = rows[chosen]
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


def _unit_blocks(
    vectors: Float32[np.ndarray, "Q D"], widths: Sequence[int]
) -> Float32[np.ndarray, "Q D"]:
    blocks = np.split(vectors, np.cumsum(widths)[:-1], axis=1)
    unit = [
        block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-9) for block in blocks
    ]
    return np.concatenate(unit, axis=1).astype(np.float32)
