"""Whether a text reads like a sentence or like a word by itself: a linear probe."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

RIDGE = 0.1
"""Of the mean variance of a dimension."""


@dataclass(frozen=True)
class SentenceProbe:
    r"""How much of a sentence a text is, 1, and how much of a word by itself, 0.

        a(t) = min(1, max(0, w . t + b))

        here      shape   meaning
        vectors   B S     t, unit vectors of texts
        weights   S       w
        offset    –       b

    A picture is a hub of sentences, or of words, and seldom of both alike, so that `hubness` is
    measured against each kind and taken off by as much as a text is of it.
    """

    weights: Float32[np.ndarray, " S"]
    offset: float

    def shares(self, vectors: Float32[np.ndarray, "B S"]) -> Float32[np.ndarray, "B 2"]:
        """[a, 1 - a] of each text."""
        of_sentences = np.clip(vectors @ self.weights + np.float32(self.offset), 0, 1)
        made: Float32[np.ndarray, "B 2"] = np.stack([of_sentences, 1 - of_sentences], axis=1)
        return made


def fitted_probe(
    words: Float32[np.ndarray, "W S"], sentences: Float32[np.ndarray, "R S"]
) -> SentenceProbe:
    """By ridge regression on 0 for words and 1 for sentences, each kind weighing a half.

        (C + r I) w = C_y,   b = 1/2 - w . m

    m is the mean of the two kinds' means, C the covariance about it, C_y that with the labels, and
    r `RIDGE` of C's mean variance. ValueError without any of a kind.
    """
    if not len(words) or not len(sentences):
        raise ValueError("a probe is fitted to words and sentences, and there are none of a kind")
    texts = np.concatenate([words, sentences]).astype(np.float64)
    labels = np.repeat([-0.5, 0.5], [len(words), len(sentences)])
    each = np.repeat([0.5 / len(words), 0.5 / len(sentences)], [len(words), len(sentences)])
    mean = each @ texts
    centred = texts - mean
    covariance = (centred * each[:, None]).T @ centred
    ridge = RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    weights = np.linalg.solve(covariance + ridge, centred.T @ (each * labels))
    return SentenceProbe(weights.astype(np.float32), float(0.5 - weights @ mean))
