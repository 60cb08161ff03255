"""Text to image: captions of Flickr8k's dev split find their photographs."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.refinement.material import Captioned, Photographs
from benchmarks.refinement.measures import Measured, ranked
from retrieval.ranking import RANKINGS, fitted_ranking
from retrieval.ranking.blocks import unit
from retrieval.ranking.neighbours import nearest_rows
from retrieval.ranking.protocol import Ranking, Reference
from spectrum.stack.protocol import Refined
from spectrum.students.ridge import best_ridge

HELD_BACK = 1000
"""Photographs of the training split that choose a ridge's penalty."""
PREDICTED_SHARE, NEIGHBOURS_SHARE, NEIGHBOURS = 0.5, 0.25, 16
"""Of the fixed fusion: chosen on dev, which flatters it."""


class Guesses(NamedTuple):
    """What the training captions say of photographs that have none; unit length."""

    predicted: np.ndarray
    """By a linear map from what is seen."""
    neighbours: np.ndarray
    """The mean caption of the photographs that look most alike."""


def seen_features(photographs: Photographs) -> np.ndarray:
    """The visual vector and what is common and what is largest in the grid."""
    grids = np.stack(photographs.tokens).astype(np.float32)
    pooled = grids.mean(axis=(1, 2)), grids.max(axis=(1, 2))
    features = np.concatenate([photographs.visual * 20, *pooled], axis=1)
    return features.astype(np.float32)


def linear_captions(inputs: np.ndarray, captions: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Ridge regression onto mean caption vectors, its penalty by the last `HELD_BACK` rows."""
    means = captions.mean(axis=1)
    middle, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    evened, asked_evened = (inputs - middle) / spread, (asked - middle) / spread
    chosen = best_ridge(
        evened[:-HELD_BACK], means[:-HELD_BACK], evened[-HELD_BACK:], means[-HELD_BACK:]
    )
    # Once more with all rows. Each input's variance is 1 here.
    products = evened.T @ evened + chosen.penalty * len(evened) * np.eye(evened.shape[1])
    weight = np.linalg.solve(products, evened.T @ (means - means.mean(axis=0)))
    return unit((asked_evened @ weight + means.mean(axis=0)).astype(np.float32))


def guesses(train: Captioned, dev: Captioned) -> Guesses:
    """Both, for the photographs of dev."""
    predicted = linear_captions(
        seen_features(train.photographs), train.captions, seen_features(dev.photographs)
    )
    nearest = nearest_rows(dev.photographs.visual, train.photographs.visual, NEIGHBOURS).ids
    means = train.captions.mean(axis=1)
    return Guesses(predicted, unit(means[nearest].mean(axis=1)))


def weaker_semantic(train: Captioned, dev: Captioned, n_train: int = 2000) -> np.ndarray:
    """Another encoder's semantic vectors: a ridge from visual vectors, of a third of the split."""
    return linear_captions(
        train.photographs.visual[:n_train], train.captions[:n_train], dev.photographs.visual
    )


def measured(
    semantic: np.ndarray,
    dev: Captioned,
    guessed: Guesses,
    banks: Mapping[str, np.ndarray],
    visual_weight: float,
    refined: Mapping[str, tuple[Refined, np.ndarray]],
) -> dict[str, Measured]:
    """Every way to rank photographs whose semantic vectors are `semantic`.

    `banks` are texts for hubness, the first of them for all that is not about banks; `refined` are
    ways to refine: the vectors, and what the captions ask them with.
    """
    n, width = semantic.shape
    raw = np.concatenate([semantic, dev.photographs.visual], axis=1)
    queries = np.pad(dev.captions.reshape(-1, width), ((0, 0), (0, raw.shape[1] - width)))
    clusters = np.repeat(np.arange(n), dev.captions.shape[1])
    relevant = clusters[:, None] == np.arange(n)[None]
    texts, *others = banks.items()

    def fitted(name: str, bank: np.ndarray) -> Ranking:
        return fitted_ranking(name, Reference(images=raw, texts=bank, visual_weight=visual_weight))

    def line(
        name: str, vectors: np.ndarray, bank: np.ndarray, asked: np.ndarray = queries
    ) -> Measured:
        return ranked(fitted(name, bank), vectors, asked, "text", relevant, clusters)

    rows = {f"`{name}`": line(name, raw, texts[1]) for name in RANKINGS if name != "spectrum"}
    for name, bank in others:
        rows[f"`hubness`, bank: {name}"] = line("hubness", raw, bank)
    a, b = PREDICTED_SHARE, NEIGHBOURS_SHARE
    for name, moved in {
        f"predicted caption {a}, then `hubness`": semantic + a * guessed.predicted,
        f"neighbours' captions {b}, then `hubness`": semantic + b * guessed.neighbours,
        "fixed fusion: both, then `hubness`": semantic
        + a * guessed.predicted
        + b * guessed.neighbours,
    }.items():
        vectors = np.concatenate([unit(moved), dev.photographs.visual], axis=1)
        rows[name] = line("hubness", vectors, texts[1])
    for name, (made, asked) in refined.items():
        rows[name] = line("spectrum", made.rows(), texts[1], asked)
    return rows
