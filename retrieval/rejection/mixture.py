"""The detector that won among words: as unknown as the likeliest kind of void makes a query."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from retrieval.rejection.company import Layer
from retrieval.rejection.detectors import Sample, Scales
from retrieval.rejection.words import Arrays

KIND_GROUPS: Mapping[str, int] = {
    "swapped": 1,
    "rare": 1,
    "scene": 2,
    "absent": 3,
    "domain": 3,
    "gibberish": 3,
    "shuffled": 3,
}
"""Kind of void -> which of the three classes it belongs to; 0 are known queries."""
N_CLASSES = 4
SHORT = 1.5
"""log of the number of words that parts phrases from sentences, between 4 and 5."""
FEWEST = 20
"""Queries of one length from which it can be learned; with fewer, all lengths teach it."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    r"""What decides about queries of one length.

    s = -log(e^{-r} + e^{-w q}),   r = l_0 - log sum_{k > 0} e^{l_k},   q = sum_i v_i z_i

    l are the logits of a multinomial regression on all evidence z, of known queries (0) and kinds
    of voids; q is a plain sum of some of it. Both are standardised by known queries of that length:
    0 is the median, -1 the 16 % quantile.
    """

    scales: Scales
    layer: Layer
    levels: Float32[np.ndarray, "2 2"]
    """Median and 16 % quantile of r and q."""
    plain: Mapping[str, float]
    """Name of a figure -> v."""
    weight: float
    """w."""

    @classmethod
    def fitted(
        cls,
        known: Sample,
        void: Sample,
        classes: Int64[np.ndarray, " V"],
        plain: Mapping[str, float],
        weight: float,
    ) -> "Judgement":
        """Learned from known queries and voids of that length; `classes` are 1 and above."""
        from retrieval.rejection.training import multinomial

        scales = Scales.of(known.evidence)
        layer = multinomial(
            np.concatenate([scales(known.evidence), scales(void.evidence)]),
            np.concatenate([np.zeros(len(known.evidence), np.int64), classes]),
            N_CLASSES,
        )
        judgement = cls(
            scales=scales,
            layer=layer,
            levels=np.array([[0, 0], [-1, -1]], dtype=np.float32),
            plain=plain,
            weight=weight,
        )
        levels = np.quantile(judgement.figures(known), (0.5, 0.16), axis=0)
        return replace(judgement, levels=levels.astype(np.float32))

    def figures(self, queries: Sample) -> Float64[np.ndarray, "Q 2"]:
        """r and q before they are standardised."""
        standard = self.scales(queries.evidence)
        logits = self.layer(standard).astype(np.float64)
        odds = logits[:, 0] - np.logaddexp.reduce(logits[:, 1:], axis=1)
        total = np.zeros(len(odds))
        for name, weight in self.plain.items():
            if name in queries.columns:
                total += weight * standard[:, queries.columns.index(name)].astype(np.float64)
        return np.stack([odds, total], axis=1)

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        """s."""
        width = np.maximum(self.levels[0] - self.levels[1], 1e-6)
        r, q = ((self.figures(queries) - self.levels[0]) / width).T
        total: Float64[np.ndarray, " Q"] = -np.logaddexp(-r, -self.weight * q)
        return total


class VoidMixture:
    """A judgement for sentences and another for phrases, which are known by other things.

    What tells sentences about other photographs is their kind of scene and their words, which are
    commoner elsewhere: made-up scenes are told apart too easily for a regression to weigh them. Of
    a phrase, nearly all is said by whether captions hold its words. The sums and their weights were
    chosen on half of Flickr8k dev and of the unknown sets of docs/rejection.md.
    """

    learns: ClassVar[bool] = True
    sums: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "sentence": {
            "scene": 1.0,
            "support": 1.0,
            "likelihood_ratio": 2.0,
            "Mahalanobis": 0.5,
            "fluency": 0.5,
        },
        "phrase": {"support": 1.0, "least_support": 1.0},
    }
    weights: ClassVar[Mapping[str, float]] = {"sentence": 0.4, "phrase": 1.0}

    def fit(self, known: Sample, void: Sample) -> None:
        kinds = np.array([KIND_GROUPS.get(kind, 3) for kind in void.kinds], dtype=np.int64)
        if len(kinds) != len(void.evidence):
            kinds = np.full(len(void.evidence), 3, dtype=np.int64)
        short, short_void = _short(known), _short(void)
        self.judgements = {}
        for length, mine, voids in (
            ("sentence", ~short, ~short_void),
            ("phrase", short, short_void),
        ):
            if min(mine.sum(), voids.sum()) < FEWEST:
                mine, voids = np.ones_like(short), np.ones_like(short_void)
            self.judgements[length] = Judgement.fitted(
                known.rows(mine),
                void.rows(voids),
                kinds[voids],
                self.sums[length],
                self.weights[length],
            )

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        sentences, phrases = (
            self.judgements[length].score(queries) for length in ("sentence", "phrase")
        )
        return np.where(_short(queries), phrases, sentences)

    def arrays(self) -> Arrays:
        found: Arrays = {}
        for length, judgement in self.judgements.items():
            found |= {
                f"{length}_mean": judgement.scales.mean,
                f"{length}_scale": judgement.scales.scale,
                f"{length}_weight": judgement.layer.weight,
                f"{length}_bias": judgement.layer.bias,
                f"{length}_levels": judgement.levels,
            }
        return found

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        self.judgements = {
            length: Judgement(
                scales=Scales(arrays[f"{length}_mean"], arrays[f"{length}_scale"]),
                layer=Layer(arrays[f"{length}_weight"], arrays[f"{length}_bias"]),
                levels=arrays[f"{length}_levels"],
                plain=self.sums[length],
                weight=self.weights[length],
            )
            for length in self.sums
        }


def _short(queries: Sample) -> Bool[np.ndarray, " Q"]:
    if "log_length" not in queries.columns:
        return np.zeros(len(queries.vectors), dtype=bool)
    return np.asarray(queries.column("log_length") < SHORT)
