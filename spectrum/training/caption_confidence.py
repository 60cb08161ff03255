"""Turns a sentence's likelihood into a confidence that means something, and measures it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spectrum.captioners.vocabulary import spelled

PLAIN_WORDS = 10
"""So many of the commonest words prove nothing: `a` and `in` are right of any photograph."""
BINS = 10


def plain_words(captions: Sequence[Sequence[str]]) -> frozenset[str]:
    """The commonest words of people's captions."""
    counts = Counter(word for texts in captions for text in texts for word in spelled(text))
    return frozenset(sorted(counts, key=lambda word: (-counts[word], word))[:PLAIN_WORDS])


def confirmed_shares(
    written: Sequence[str], references: Sequence[Sequence[str]], plain: frozenset[str]
) -> Float[np.ndarray, " N"]:
    """The share of each caption's words, plain ones apart, that somebody else wrote as well.

    0 for a caption of nothing but plain words.
    """
    shares = []
    for text, others in zip(written, references, strict=True):
        words = [word for word in spelled(text) if word not in plain]
        known = {word for other in others for word in spelled(other)}
        shares.append(sum(word in known for word in words) / max(1, len(words)))
    return np.array(shares, dtype=np.float64)


def fitted_confidence(
    mean_log_probs: Float[np.ndarray, " N"], shares: Float[np.ndarray, " N"]
) -> tuple[float, float]:
    """Offset and slope of a logistic curve from the first to the second (Platt, 1999).

    Least cross entropy by Newton's method, with a ridge of one caption's weight that keeps it
    finite where everything is right.
    """
    design = np.stack([np.ones_like(mean_log_probs), mean_log_probs], axis=1)
    found = np.zeros(2)
    for _ in range(50):
        expected = 1.0 / (1.0 + np.exp(-design @ found))
        gradient = design.T @ (shares - expected) - found
        curvature = (design * (expected * (1.0 - expected))[:, None]).T @ design + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        found += step
        if np.abs(step).max() < 1e-10:
            break
    return float(found[0]), float(found[1])


def calibration_error(
    confidences: Float[np.ndarray, " N"], shares: Float[np.ndarray, " N"]
) -> float:
    """Mean distance of confidence and share over tenths of the captions, by confidence."""
    order = np.argsort(confidences, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    gaps = [abs(confidences[part].mean() - shares[part].mean()) for part in parts]
    return float(np.average(gaps, weights=[len(part) for part in parts]))
