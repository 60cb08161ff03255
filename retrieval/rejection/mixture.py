"""The detector that won among words: as unknown as the likeliest kind of void makes a query."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

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


class VoidMixture:
    r"""A multinomial regression on all evidence, a plain sum about scenes, and a guard.

    s = -log(e^{-r} + e^{-w q}) - max(0, -g - 4),   r = l_0 - log sum_{k > 0} e^{l_k}

    l are the logits of known, swapped, scene and far; q sums what tells another kind of
    photographs: no single one of the regression's weights would stand for it, since made-up scenes
    are told apart too easily; g is a plain distance, which holds where the regression saw nothing.
    All are standardised by known queries, phrases and sentences apart: 0 is the median, -1 the
    16 % quantile. The weights were chosen on half of Flickr8k dev and of the unknown sets.
    """

    learns: ClassVar[bool] = True
    source: ClassVar[Mapping[str, float]] = {
        "scene": 1.0,
        "support": 1.0,
        "Mahalanobis": 0.5,
        "fluency": 0.5,
    }
    source_weight: ClassVar[float] = 0.4
    guard: ClassVar[str] = "Mahalanobis"
    slack: ClassVar[float] = 4.0

    def fit(self, known: Sample, void: Sample) -> None:
        from retrieval.rejection.training import multinomial

        self.scales = Scales.of(known.evidence)
        kinds = np.array([KIND_GROUPS.get(kind, 3) for kind in void.kinds], dtype=np.int64)
        if len(kinds) != len(void.evidence):
            kinds = np.full(len(void.evidence), 3, dtype=np.int64)
        self.layer = multinomial(
            np.concatenate([self.scales(known.evidence), self.scales(void.evidence)]),
            np.concatenate([np.zeros(len(known.evidence), np.int64), kinds]),
            N_CLASSES,
        )
        figures, short = self._figures(known), self._short(known)
        # Middle and lower half-width of each figure, for sentences and for phrases.
        self.levels = np.stack(
            [
                np.quantile(figures[mine] if mine.sum() >= FEWEST else figures, (0.5, 0.16), axis=0)
                for mine in (~short, short)
            ]
        ).astype(np.float32)

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        levels = self.levels[self._short(queries).astype(int)]
        width = np.maximum(levels[:, 0] - levels[:, 1], 1e-6)
        standard = (self._figures(queries) - levels[:, 0]) / width
        beyond = np.maximum(-standard[:, 2] - self.slack, 0.0)
        both = np.logaddexp(-standard[:, 0], -self.source_weight * standard[:, 1])
        total: Float64[np.ndarray, " Q"] = -both - beyond
        return total

    def _figures(self, queries: Sample) -> Float64[np.ndarray, "Q _"]:
        """The regression's log odds of known, the plain sum, and the guard."""
        standard = self.scales(queries.evidence)
        logits = self.layer(standard).astype(np.float64)
        odds = logits[:, 0] - np.logaddexp.reduce(logits[:, 1:], axis=1)
        plain = sum(
            weight * standard[:, queries.columns.index(name)].astype(np.float64)
            for name, weight in self.source.items()
            if name in queries.columns
        )
        guard = queries.column(self.guard)
        return np.stack([odds, np.broadcast_to(plain, odds.shape), guard], axis=1)

    def _short(self, queries: Sample) -> np.ndarray[Any, np.dtype[np.bool_]]:
        if "log_length" not in queries.columns:
            return np.zeros(len(queries.vectors), dtype=bool)
        return queries.column("log_length") < SHORT

    def arrays(self) -> Arrays:
        return {
            "mean": self.scales.mean,
            "scale": self.scales.scale,
            "weight": self.layer.weight,
            "bias": self.layer.bias,
            "levels": self.levels,
        }

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        self.scales = Scales(arrays["mean"], arrays["scale"])
        self.layer = Layer(arrays["weight"], arrays["bias"])
        self.levels = arrays["levels"]
