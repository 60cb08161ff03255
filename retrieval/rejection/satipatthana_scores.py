"""Satipatthana's three scores without torch: the trained system's equations, in NumPy.

Each step cites the framework's own function, which is the reference; a test holds the two together
to 1e-5. Standard Vicara, threshold Sati, MLP adapter, monotone metrics, as `retrieval.trust` fits.

Shape letters: Q queries, F inputs, D latent, K probes, T steps, M metrics, H GRU's hidden, E extra.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.rejection.detectors import Sample, Scales
from retrieval.rejection.words import Arrays

Array = np.ndarray[Any, np.dtype[Any]]
Trained = Callable[[Array, Array, Array, Array, Sequence[str], int], Arrays]
"""Known and void inputs, known and void extra features, their names, seed -> arrays."""
_erf = np.vectorize(math.erf, otypes=[np.float64])


class ThreeScores(NamedTuple):
    """Of each query, from 0 to 1."""

    trust: Float64[np.ndarray, " Q"]
    conformity: Float64[np.ndarray, " Q"]
    confidence: Float64[np.ndarray, " Q"]
    trust_logit: Float64[np.ndarray, " Q"]
    """Of trust: where trust rounds to 1 the logit still tells apart."""


class _Settled(NamedTuple):
    states: Array
    """T + 1, Q, D; a settled sample repeats its state."""
    steps: Array
    """Q: real moves."""


def scores(arrays: Arrays, x: Array, extra: Array) -> ThreeScores:
    """What the system says of prepared inputs (Q F) and their extra features (Q E)."""
    a = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    z = _layer_norm(_perceptron(a, "adapter", x.astype(np.float64)))
    settled = _settle(a, z)
    rows = np.arange(len(z))
    s_star = settled.states[settled.steps, rows]
    head = _perceptron(a, "recon", settled.states)
    errors = ((head - x) ** 2).mean(axis=-1)
    error = errors[settled.steps, rows]
    real = np.arange(len(settled.states))[:, None] <= settled.steps
    errors = np.where(real, errors, 0.0)
    metrics = np.concatenate([_metrics(a, settled, s_star, error), extra], axis=1)
    bad = a["heard"] * a["sign"] * (metrics - a["mean"]) / a["scale"]
    h_static = np.logaddexp(0.0, bad @ np.abs(a["projection.weight"]).T + a["projection.bias"])
    trust_logit = (h_static @ -np.abs(a["trust.weight"]).T + a["trust.bias"])[:, 0]
    h_dynamic = _gru(a, settled, s_star, errors)
    conformity = _perceptron(a, "conformity", h_dynamic)[:, 0]
    confidence = _perceptron(a, "confidence", np.concatenate([h_static, h_dynamic], axis=1))[:, 0]
    return ThreeScores(
        _sigmoid(trust_logit), _sigmoid(conformity), _sigmoid(confidence), trust_logit
    )


def _settle(a: Mapping[str, Array], z: Array) -> _Settled:
    """Vitakka (4.3), then Vicara (5.1a) until Sati (5.1c)."""
    squares = _squares(z, a["probes"])
    winner = a["probes"][squares.argmin(axis=1)]
    mixture = _softmax(-squares / (z.shape[1] * a["temperature"])) @ a["probes"]
    query = winner @ a["query"].T
    items = np.stack([z, winner], axis=1)
    logits = (query[:, None] * (items @ a["key"].T)).sum(axis=-1) / math.sqrt(z.shape[1])
    state = (_softmax(logits)[..., None] * items).sum(axis=1)
    shift = a["refiner.bias"] + np.concatenate([z, mixture], axis=1) @ a["refiner.context"].T
    states, steps = [state], np.zeros(len(z), dtype=np.int64)
    moving = np.ones(len(z), dtype=bool)
    for _ in range(int(a["max_steps"])):
        hidden = np.tanh(state @ a["refiner.state"].T + shift)
        refined = z + a["lipschitz"] * (hidden @ a["refiner.output"].T)
        moved = (1.0 - a["beta"]) * state + a["beta"] * refined
        new = np.where(moving[:, None], moved, state)
        steps += moving
        settled = np.linalg.norm(new - state, axis=1) < a["threshold"]
        states.append(new)
        state = new
        moving = moving & ~settled
        if not moving.any():
            break
    return _Settled(np.stack(states), steps)


def _metrics(a: Mapping[str, Array], settled: _Settled, s_star: Array, error: Array) -> Array:
    """The eight grounding metrics, 4.6a to 4.6h."""
    states, steps = settled
    rows = np.arange(len(steps))
    last = states[steps, rows] - states[np.maximum(steps - 1, 0), rows]
    energies = (np.diff(states, axis=0) ** 2).sum(axis=-1)
    real = np.arange(len(energies))[:, None] < steps
    probs = _softmax(-_squares(s_star, a["probes"]) / (s_star.shape[1] * a["temperature"]))
    entropy = -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=1)
    return np.stack(
        [
            np.log1p(np.linalg.norm(last, axis=1)),
            np.log1p(np.where(real, energies, 0.0).sum(axis=0) / np.maximum(steps, 1)),
            steps / max(float(a["max_steps"]), 1.0),
            np.log1p(np.sqrt(_squares(s_star, a["probes"]).min(axis=1))),
            entropy,
            np.log1p(np.sqrt(_squares(states[0], a["probes"]).min(axis=1))),
            np.log1p(np.linalg.norm(s_star - states[0], axis=1)),
            np.log1p(error),
        ],
        axis=1,
    )


def _gru(a: Mapping[str, Array], settled: _Settled, s_star: Array, errors: Array) -> Array:
    """The GRU's last state over each sample's real steps (torch's nn.GRU: r, z, n)."""
    states, steps = settled
    moves = np.linalg.norm(np.diff(states, axis=0), axis=-1)
    moves = np.concatenate([np.zeros((1, len(steps))), moves])
    read = [states, states - s_star, moves[..., None], np.log1p(errors)[..., None]]
    features = (np.concatenate(read, axis=-1) - a["step_mean"]) / a["step_scale"]
    hidden = np.zeros((len(steps), a["gru.hidden"].shape[1]))
    for step, seen in enumerate(features):
        entering = seen @ a["gru.input"].T + a["gru.input_bias"]
        before = hidden @ a["gru.hidden"].T + a["gru.hidden_bias"]
        reset_in, update_in, new_in = np.split(entering, 3, axis=1)
        reset_h, update_h, new_h = np.split(before, 3, axis=1)
        update = _sigmoid(update_in + update_h)
        new = np.tanh(new_in + _sigmoid(reset_in + reset_h) * new_h)
        real = (step <= steps)[:, None]
        hidden = np.where(real, (1 - update) * new + update * hidden, hidden)
    return hidden


class SatipatthanaDetector:
    """The framework as a detector: the vectors are its input, the evidence its extra features."""

    learns: ClassVar[bool] = True

    def __init__(self, train: Trained, score_by: str = "trust") -> None:
        """`train`: what trains a system; `score_by`: trust | conformity | confidence."""
        self.train, self.score_by = train, score_by
        self.last_scores: dict[str, float] = {}

    def fit(self, known: Sample, void: Sample) -> None:
        """Standardises (one scale for the whole vector, one for each figure) and trains."""
        self.scales = Scales.of(known.evidence)
        self.mean = known.vectors.mean(axis=0)
        self.scale = np.array([float((known.vectors - self.mean).std())], dtype=np.float32)
        self.system = self.train(
            self._input(known),
            self._input(void),
            self.scales(known.evidence),
            self.scales(void.evidence),
            known.columns,
            0,
        )

    def score(self, queries: Sample) -> Float64[np.ndarray, " Q"]:
        said = self.three_scores(queries)
        self.last_scores = {
            "conformity": float(said.conformity[-1]),
            "confidence": float(said.confidence[-1]),
        }
        return said.trust_logit if self.score_by == "trust" else getattr(said, self.score_by)

    def three_scores(self, queries: Sample) -> ThreeScores:
        """Trust, conformity and confidence of each query."""
        return scores(self.system, self._input(queries), self.scales(queries.evidence))

    def _input(self, queries: Sample) -> Float32[np.ndarray, "Q F"]:
        return np.asarray((queries.vectors - self.mean) / self.scale, dtype=np.float32)

    def arrays(self) -> Arrays:
        own: Arrays = {
            "own/mean": self.mean,
            "own/scale": self.scale,
            "own/evidence_mean": self.scales.mean,
            "own/evidence_scale": self.scales.scale,
        }
        return own | {f"system/{name}": array for name, array in self.system.items()}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        self.mean, self.scale = arrays["own/mean"], arrays["own/scale"]
        self.scales = Scales(arrays["own/evidence_mean"], arrays["own/evidence_scale"])
        self.system = {
            name.removeprefix("system/"): array
            for name, array in arrays.items()
            if name.startswith("system/")
        }


def _perceptron(a: Mapping[str, Array], name: str, x: Array) -> Array:
    """Linear layers with GELU between them."""
    count = sum(key.startswith(f"{name}.weight") for key in a)
    for layer in range(count):
        x = x @ a[f"{name}.weight{layer}"].T + a[f"{name}.bias{layer}"]
        if layer + 1 < count:
            x = 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))
    return x


def _layer_norm(z: Array) -> Array:
    variance = z.var(axis=1, keepdims=True)
    return np.asarray((z - z.mean(axis=1, keepdims=True)) / np.sqrt(variance + 1e-5))


def _squares(states: Array, probes: Array) -> Array:
    return np.asarray(((states[:, None] - probes) ** 2).sum(axis=-1))


def _softmax(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def _sigmoid(logits: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
