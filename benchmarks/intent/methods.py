"""What is compared: similarities of every scene with one query."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from jaxtyping import Float

from benchmarks.intent.collection import Collection
from benchmarks.intent.queries import IntentQuery, NegationQuery
from retrieval.query import Query, TextPart
from retrieval.ranking.composition import composed_query, similarity_moments, text_query
from retrieval.ranking.intent import intended_image
from retrieval.ranking.negation import finding_weights, judged_order, judgement, unwanted_words
from spectrum.encoders import Encoder

Scores = Float[np.ndarray, "N"]


def min_max(scores: Scores) -> Scores:
    """To [0, 1] over the collection."""
    return (scores - scores.min()) / (np.ptp(scores) or 1.0)


def standard(scores: Scores) -> Scores:
    """Standard scores over the collection."""
    return (scores - scores.mean()) / (scores.std() or 1.0)


def shares(scores: Scores) -> Scores:
    """The share of the collection that is no more similar: a cumulative distribution."""
    return (scores.argsort().argsort() + 1) / len(scores)


class Methods:
    """Each method by name, over one collection."""

    def __init__(self, scenes: Collection, encoder: Encoder, texts: list[str]) -> None:
        self.scenes, self._encoder = scenes, encoder
        self._texts = dict(zip(texts, encoder.encode_texts(texts), strict=True))
        self._mean_text = np.mean(list(self._texts.values()), axis=0)
        self._attributes: dict[tuple[str, ...], np.ndarray] = {}

    @cached_property
    def by_name(self) -> dict[str, Callable[[IntentQuery], Scores]]:
        """The product line is `product, min-max`; what ships is named last."""
        return {
            "image only": self._image,
            "text only": self._text,
            "sum, min-max": lambda q: min_max(self._image(q)) + min_max(self._text(q)),
            "product, min-max": lambda q: min_max(self._image(q)) * min_max(self._text(q)),
            "product, shares": lambda q: shares(self._image(q)) * shares(self._text(q)),
            "product, softmax": lambda q: (
                np.exp(standard(self._image(q))) * np.exp(standard(self._text(q)))
            ),
            "centred, product": self._centred_product,
            "parts as they ship": self._composed,
            "intent": lambda q: self.intended(q, 1.0),
        }

    def intended(self, query: IntentQuery, strength: float) -> Scores:
        """By the query that ships, at any strength."""
        made = intended_image(
            self.scenes.queries[query.reference],
            query.words,
            strength,
            sample=self.scenes.vectors,
            semantic=self.scenes.semantic,
            encode=self._encode,
        )
        return self.scenes.vectors @ made.query

    def _encode(self, texts: object) -> np.ndarray:
        key = tuple(texts)  # type: ignore[arg-type]
        if key not in self._attributes:
            self._attributes[key] = self._encoder.encode_texts(key)
        return self._attributes[key]

    def _image(self, query: IntentQuery) -> Scores:
        return self.scenes.vectors @ self.scenes.queries[query.reference]

    def _text(self, query: IntentQuery) -> Scores:
        return self.scenes.vectors[:, : self.scenes.semantic] @ self._texts[query.words]

    def _centred_product(self, query: IntentQuery) -> Scores:
        """Images and texts, each less their own mean; then min-max and product."""
        moved = self.scenes.vectors[:, : self.scenes.semantic]
        moved = moved - moved.mean(axis=0)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        text = moved @ (self._texts[query.words] - self._mean_text)
        return min_max(moved @ moved[query.reference]) * min_max(text)

    def _composed(self, query: IntentQuery) -> Scores:
        vectors = self.scenes.vectors
        visual = vectors.shape[1] - self.scenes.semantic
        text = text_query(self._texts[query.words], visual)
        parts = np.stack([self.scenes.queries[query.reference], text])
        return vectors @ composed_query(parts, np.ones(2), similarity_moments(parts, vectors))

    # Negation ------------------------------------------------------------------------------------

    @cached_property
    def negations(self) -> dict[str, Callable[[NegationQuery], np.ndarray]]:
        """Rows by each way to leave something out, best first; what ships last."""
        return {
            "wanted words only": self.wanted,
            "vector subtraction": self.subtraction,
            "standard scores, 1 and -1": self.composed_negation,
            "negation, no captions": lambda query: self.negation(query, None),
            "negation, captions": lambda query: self.negation(query, self.scenes.captions),
        }

    def subtraction(self, query: NegationQuery) -> np.ndarray:
        """Rows by t_X - t_Y, best first."""
        vectors = self.scenes.vectors[:, : self.scenes.semantic]
        return np.argsort(
            -(vectors @ (self._texts[query.wanted] - self._texts[query.unwanted])), kind="stable"
        )

    def wanted(self, query: NegationQuery) -> np.ndarray:
        """Rows by t_X alone, best first."""
        vectors = self.scenes.vectors[:, : self.scenes.semantic]
        return np.argsort(-(vectors @ self._texts[query.wanted]), kind="stable")

    def composed_negation(self, query: NegationQuery) -> np.ndarray:
        """Rows by standard scores at weights 1 and -1: what shipped before."""
        return np.argsort(-self._parts_scores(query, np.array([1.0, -1.0])), kind="stable")

    def negation(
        self, query: NegationQuery, captions: list[str] | None, pool: int = 200
    ) -> np.ndarray:
        """Rows as they ship: the best of `pool`, held against the words."""
        asked = Query(
            parts=(TextPart(text=query.wanted), TextPart(text=query.unwanted, weight=-1.0))
        )
        scores = self._parts_scores(query, finding_weights(asked))
        rows = np.argsort(-scores, kind="stable")[:pool]
        parts = self._parts(query)
        unwanted = parts[unwanted_words(asked)]
        similarities = self.scenes.vectors.astype(np.float64) @ unwanted.T.astype(np.float64)
        judged = judgement(
            asked,
            [[captions[row]] if captions else [] for row in rows.tolist()],
            similarities[rows],
            similarity_moments(unwanted, self.scenes.vectors),
        )
        return rows[judged_order(judged, scores[rows].astype(np.float64), rows)]

    def _parts(self, query: NegationQuery) -> np.ndarray:
        visual = self.scenes.vectors.shape[1] - self.scenes.semantic
        both = (query.wanted, query.unwanted)
        return np.stack([text_query(self._texts[words], visual) for words in both])

    def _parts_scores(self, query: NegationQuery, weights: np.ndarray) -> Scores:
        parts = self._parts(query)
        moments = similarity_moments(parts, self.scenes.vectors)
        return self.scenes.vectors @ composed_query(parts, weights, moments)
