"""Detectors that learn from voids: the controls that decide whether a framework earns its place.

Both are told which of their examples are known and which are void, as the framework's own second
stage is, and see the same of them.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Float32
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.trust.detectors import Detector, unit

ENOUGH_TO_STOP_EARLY = 2000


def panel(
    detectors: Mapping[str, Detector], queries: Float32[np.ndarray, "N F"]
) -> Float[np.ndarray, "N M"]:
    """What each fitted detector says of each query, a column for each."""
    return np.stack([detector.score(queries) for detector in detectors.values()], axis=1)


class LogisticFusion:
    """Logistic regression on plain scores, standardised."""

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        """`detectors`: fitted already, to other vectors than `fit` is given."""
        self.detectors = detectors

    def learn(
        self, known: Float32[np.ndarray, "K F"], void: Float32[np.ndarray, "V F"]
    ) -> "LogisticFusion":
        """Fits the weights to known vectors that no detector has seen, and to voids."""
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        self.model = taught(model, self.inputs(known), self.inputs(void))
        return self

    def inputs(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, "N M"]:
        """The plain scores."""
        return panel(self.detectors, queries)

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        return self.model.decision_function(self.inputs(queries))


class PerceptronFusion:
    """A perceptron on the vector itself and the plain scores; 64 hidden units."""

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        prepared: Callable[[np.ndarray], np.ndarray] = unit,
        seed: int = 0,
    ) -> None:
        """`detectors`: fitted already, to other vectors than `learn` is given; `prepared`: what is
        done to the vectors first."""
        self.detectors, self.prepared, self.seed = detectors, prepared, seed

    def learn(
        self, known: Float32[np.ndarray, "K F"], void: Float32[np.ndarray, "V F"]
    ) -> "PerceptronFusion":
        """Fits the weights to known vectors that no detector has seen, and to voids."""
        # A tenth of few examples is too little to tell when to stop.
        many = len(known) + len(void) >= ENOUGH_TO_STOP_EARLY
        network = MLPClassifier(
            (64,), alpha=1e-3, early_stopping=many, max_iter=100, random_state=self.seed
        )
        model = make_pipeline(StandardScaler(), network)
        with warnings.catch_warnings():
            # All its rounds are taken on purpose where it does not stop early.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model = taught(model, self.inputs(known), self.inputs(void))
        return self

    def inputs(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, "N M"]:
        """The vector, prepared, and the plain scores beside it."""
        return np.concatenate([self.prepared(queries), panel(self.detectors, queries)], axis=1)

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        # Log odds: probabilities near one are equal in floating point, and equal is no order.
        probs = self.model.predict_log_proba(self.inputs(queries))
        return probs[:, 1] - probs[:, 0]


def taught(
    model: Pipeline, known: Float[np.ndarray, "K M"], void: Float[np.ndarray, "V M"]
) -> Pipeline:
    """The classifier, fitted to tell known (1) from void (0)."""
    labels = np.concatenate([np.ones(len(known)), np.zeros(len(void))])
    return model.fit(np.concatenate([known, void]), labels)
