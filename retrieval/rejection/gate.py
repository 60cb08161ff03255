"""The gate as a search asks it: is there anything here for this query? NumPy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from retrieval.answer import Trust
from retrieval.rejection.calibration import conformal_trust, require_rate
from retrieval.rejection.company import Company, CompanyEvidence, TextEncoder
from retrieval.rejection.detectors import Detector, Sample
from retrieval.rejection.distances import Landmarks, profiles
from retrieval.rejection.words import (
    Arrays,
    WordEvidence,
    WordSupport,
    word_evidence,
    words_of,
)
from spectrum.encoders.expected_match import LONGEST_PHRASE
from spectrum.encoders.framing import unframed

GROUPS = ("word", "pair", "phrase", "sentence")
"""Texts of one word, of two, of three to LONGEST_PHRASE, and of more."""
GRID = np.linspace(0.0, 1.0, 201)
"""Quantiles that are kept of each figure of the calibrating queries, for the reasons."""
TEXT_REASONS = {
    "nearest caption": "far from every description of this library's pictures",
    "Mahalanobis": "unlike the descriptions of this library taken together",
    "max cosine": "no picture of this library is similar",
    "fluency": "worded unlike anything said of this library's pictures",
    "scene": "a scene of another kind than this library's pictures",
    "likelihood_ratio": "in words that are commoner elsewhere than in this library",
}
IMAGE_REASONS = {
    "semantic Mahalanobis": "shows what this library's pictures do not",
    "Mahalanobis": "shows what this library's pictures do not",
    "visual Mahalanobis": "looks unlike this library's pictures taken together",
    "joint Mahalanobis": "shows what it shows in another way than this library's pictures",
    "scene": "looks like a pattern or a drawing beside this library's pictures",
    "max cosine": "no picture of this library is similar",
    "k-NN": "only a few pictures of this library are similar",
}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a calibration was made of."""

    made_at: str
    """UTC, ISO 8601."""
    source: str
    """Where the known texts came from: captions | none."""
    captions_file: str
    """Path of the captions; empty where there were none."""
    captions_split: str
    """The only split of them that was read; empty: all."""
    captions_hash: str
    """BLAKE2b-128 of the known texts."""
    space: str
    """Fingerprint of the encoder's space."""
    n_images: int
    n_texts: int
    """Known texts."""
    seed: int = 0


@dataclass(kw_only=True)
class Head:
    """The gate for one kind of query: what it measures, who judges, and what is usual."""

    kind: str
    """text | image"""
    landmarks: Landmarks
    detector_name: str
    detector: Detector
    calibrating: Mapping[str, np.ndarray[Any, np.dtype[Any]]]
    """Sorted scores of calibrating queries: of `sentence` and `phrase`, or of `image`."""
    usual: Float32[np.ndarray, "E G"]
    """Quantiles of each figure among the calibrating queries, at GRID."""
    best_hits: Float32[np.ndarray, " G"]
    """Quantiles of the similarity of the calibrating queries' best hits."""
    pictures: Float32[np.ndarray, "N F"]
    """A sample of the library's vectors, scaled so that an inner product is a similarity."""
    support: WordSupport | None = None
    company: Company | None = None
    scene: Float32[np.ndarray, " F"] | None = None
    """Direction from scenes that are not in the library, or from its own pictures distorted,
    towards what it shows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the evidence."""
        words = WordEvidence._fields if self.support else ()
        company = CompanyEvidence._fields if self.company else ()
        scene = ("scene",) if self.scene is not None else ()
        return (*self.landmarks.columns, *words, *company, *scene)

    def sample(
        self,
        vectors: Float32[np.ndarray, "Q F"],
        texts: Sequence[str] = (),
        encode: TextEncoder | None = None,
        own: np.ndarray[Any, np.dtype[np.int64]] | None = None,
    ) -> Sample:
        """What the gate sees of queries; `texts` and `encode` where the head reads words.

        `own`: the row of each query's own picture among `pictures`, which is left out; -1: none.
        """
        profile = profiles(vectors, self.pictures, own)
        parts = [self.landmarks.evidence(vectors, profile)]
        if self.support is not None:
            parts.append(word_evidence(self.support, texts))
        if self.company is not None:
            assert encode is not None
            if len(texts) > 1:  # all unknown words in one call
                self.company.vectors.of_words(self._met_words(texts), encode)
            company = [said for said, _ in self.company.evidences(texts, encode)]
            parts.append(np.array(company, dtype=np.float32).reshape(len(vectors), -1))
        if self.scene is not None:
            parts.append(np.asarray(vectors @ self.scene, dtype=np.float32)[:, None])
        return Sample(vectors, np.concatenate(parts, axis=1), self.columns)

    def of_texts(
        self,
        texts: Sequence[str],
        encode: TextEncoder,
        vectors: Float32[np.ndarray, "Q F"] | None = None,
    ) -> Sample:
        """What the gate sees of texts, by what they ask for: "a photo of a dog" is "a dog".

        `vectors` are theirs, where they are known already.
        """
        asked = [unframed(text) for text in texts]
        if vectors is None or asked != list(texts):
            vectors = encode(asked)
        return self.sample(vectors, asked, encode)

    def _met_words(self, texts: Sequence[str]) -> list[str]:
        return sorted({word for text in texts for word in words_of(text)})


def group_of(text: str) -> str:
    """Which threshold a text is held against, one of GROUPS.

    The fewer words, the surer the captions hold all of them: one threshold for all phrases would
    refuse too many of the longer ones, and accept what nobody has heard of for one word.
    """
    count = len(words_of(unframed(text)))
    if count > LONGEST_PHRASE:
        return "sentence"
    return "phrase" if count > 2 else GROUPS[max(0, count - 1)]


@dataclass(kw_only=True)
class Gate:
    """The fitted heads of a library."""

    heads: Mapping[str, Head]
    provenance: Provenance
    image_ids: np.ndarray[Any, np.dtype[np.int64]]
    """The pictures of the library when it was fitted."""
    extra: Arrays = field(default_factory=dict)

    def text_trust(
        self,
        text: str,
        vector: Float32[np.ndarray, " S"],
        encode: TextEncoder,
        false_reject: float,
    ) -> Trust | None:
        """Whether there is anything for these words; None where texts were not calibrated."""
        head = self.heads.get("text")
        if head is None:
            return None
        sample = head.of_texts([text], encode, vector[None])
        return self._judged(head, sample, group_of(text), false_reject, unframed(text), encode)

    def image_trust(
        self,
        vector: Float32[np.ndarray, " D"],
        false_reject: float,
    ) -> Trust | None:
        """Whether there is anything like this picture; None where images were not calibrated.

        `vector`: [semantic; visual], both of unit length.
        """
        head = self.heads.get("image")
        if head is None:
            return None
        sample = head.sample(vector[None])
        return self._judged(head, sample, "image", false_reject, "", None)

    def _judged(
        self,
        head: Head,
        sample: Sample,
        group: str,
        false_reject: float,
        text: str,
        encode: TextEncoder | None,
    ) -> Trust:
        require_rate(false_reject)
        calibrating = head.calibrating.get(group, next(iter(head.calibrating.values())))
        score = head.detector.score(sample)
        trust = float(conformal_trust(score, calibrating)[0])
        n = len(calibrating)
        rank = int(false_reject * (n + 1) + 1e-9)
        threshold = (rank + 1) / (n + 1)
        accepted = trust >= threshold
        others = getattr(head.detector, "last_scores", {})
        return Trust(
            trust=trust,
            conformity=others.get("conformity"),
            confidence=others.get("confidence"),
            threshold=threshold,
            accepted=accepted,
            false_reject=false_reject,
            reasons=() if accepted else _reasons(head, sample, false_reject, text, encode),
            detector=head.detector_name,
            n_calibrating=n,
        )

    def match_floor(self, kind: str, false_reject: float) -> float:
        """The similarity that all but a share alpha of good queries' best hits reach."""
        head = self.heads.get(kind)
        return float(np.interp(false_reject, GRID, head.best_hits)) if head else -np.inf


def combined(parts: Sequence[Trust | None]) -> Trust | None:
    """The trust of a query of several parts: its least trusted part's, times their number.

    p = min(1, m min_i p_i) (Bonferroni): if every part alone is refused at most alpha of the time,
    so is the whole, however the parts depend on each other. Parts that were not judged, None, say
    nothing; None where none was.
    """
    judged = [part for part in parts if part is not None]
    if not judged:
        return None
    least = min(judged, key=lambda part: part.trust)
    if len(judged) == 1:
        return least
    trust = min(1.0, len(judged) * least.trust)
    n = least.n_calibrating
    threshold = (int(least.false_reject * (n + 1) + 1e-9) + 1) / (n + 1)
    accepted = trust >= threshold
    return Trust(
        trust=trust,
        conformity=least.conformity,
        confidence=least.confidence,
        threshold=threshold,
        accepted=accepted,
        false_reject=least.false_reject,
        reasons=() if accepted else least.reasons or ("its least trusted part is too unusual",),
        detector=least.detector,
        n_calibrating=n,
    )


def _reasons(
    head: Head, sample: Sample, false_reject: float, text: str, encode: TextEncoder | None
) -> tuple[str, ...]:
    """What is unusual about a refused query, in words, the most telling first."""
    said: list[str] = []
    unusual = {
        name
        for row, name in enumerate(sample.columns)
        if sample.column(name)[0] < np.interp(false_reject, GRID, head.usual[row])
    }
    if head.support is not None and text:
        least = head.support.least_supported(text)
        if least is None:
            said.append("it has no words")
        elif least[1] == 0:
            said.append(f"no description of this library's pictures mentions '{least[0]}'")
        if head.company is not None and encode is not None and "company" in unusual:
            word = head.company.evidence(text, encode)[1]
            if word and (least is None or least[1] or word != least[0]):
                said.append(f"'{word}' is not what this library knows beside the other words")
    reasons = TEXT_REASONS if head.kind == "text" else IMAGE_REASONS
    said += [words for name, words in reasons.items() if name in unusual and words not in said]
    return tuple(said) or ("several weak signs together",)
