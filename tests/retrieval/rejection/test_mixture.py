"""The mixture of voids: its score by the equation, its regression, and phrases apart."""

import math

import numpy as np
import pytest

from retrieval.rejection.detectors import Sample
from retrieval.rejection.mixture import KIND_GROUPS, VoidMixture
from retrieval.rejection.training import PENALTY, multinomial
from retrieval.rejection.voids import TextVoids
from retrieval.rejection.words import WordSupport

COLUMNS = ("Mahalanobis", "scene", "support", "fluency", "log_length")


def sample(rng: np.random.Generator, means: list[float], count: int, kind: str = "") -> Sample:
    """Queries around the means, a third of them phrases."""
    evidence = rng.normal(size=(count, 5)) + [*means, 0.0]
    evidence[:, 4] = np.where(np.arange(count) % 3 == 0, 1.0, 2.0)
    vectors = np.zeros((count, 2), np.float32)
    return Sample(vectors, evidence.astype(np.float32), COLUMNS, (kind,) * count if kind else ())


@pytest.fixture
def fitted() -> VoidMixture:
    rng = np.random.default_rng(0)
    known = sample(rng, [0, 0, 0, 0], 300)
    parts = [
        sample(rng, [0, 0, -3, -1], 100, "swapped"),
        sample(rng, [0, -3, 0, 0], 100, "scene"),
        sample(rng, [-9, 0, -2, -2], 100, "gibberish"),
    ]
    void = Sample(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.evidence for part in parts]),
        COLUMNS,
        tuple(kind for part in parts for kind in part.kinds),
    )
    detector = VoidMixture()
    detector.fit(known, void)
    return detector


def test_the_score_is_the_equations(fitted: VoidMixture) -> None:
    asked = sample(np.random.default_rng(1), [-1, -1, -1, -1], 9)
    said = fitted.score(asked)
    for row, evidence in enumerate(asked.evidence.tolist()):
        standard = [
            min(8.0, max(-8.0, (value - float(mean)) / float(scale)))
            for value, mean, scale in zip(
                evidence, fitted.scales.mean, fitted.scales.scale, strict=True
            )
        ]
        logits = [
            float(bias) + sum(float(w) * z for w, z in zip(weights, standard, strict=True))
            for weights, bias in zip(fitted.layer.weight, fitted.layer.bias, strict=True)
        ]
        odds = logits[0] - math.log(sum(math.exp(logit) for logit in logits[1:]))
        plain = standard[1] + standard[2] + 0.5 * standard[0] + 0.5 * standard[3]
        levels = fitted.levels[int(evidence[4] < 1.5)]
        r, q, g = (
            (figure - float(middle)) / float(middle - low)
            for figure, middle, low in zip((odds, plain, evidence[0]), *levels, strict=True)
        )
        expected = -math.log(math.exp(-r) + math.exp(-0.4 * q)) - max(0.0, -g - 4.0)
        assert said[row] == pytest.approx(expected, abs=1e-4)


def test_every_kind_of_void_is_less_known(fitted: VoidMixture) -> None:
    rng = np.random.default_rng(2)
    known = fitted.score(sample(rng, [0, 0, 0, 0], 200))
    for means in ([0, 0, -3, -1], [0, -3, 0, 0], [-9, 0, -2, -2], [-90, 9, 9, 9]):
        void = fitted.score(sample(rng, means, 200))
        assert (known[:, None] > void).mean() > 0.9


def test_voids_of_no_stated_kind_are_far_ones() -> None:
    rng = np.random.default_rng(0)
    known, void = sample(rng, [0, 0, 0, 0], 200), sample(rng, [-3, -3, -3, -3], 200)
    detector = VoidMixture()
    detector.fit(known, void)
    assert (detector.score(known)[:, None] > detector.score(void)).mean() > 0.95


def test_every_kind_that_is_made_has_a_group() -> None:
    captions = ["a dog runs on the grass", "two dogs on a beach", "a dog at the lake"] * 9
    made = TextVoids(captions, WordSupport.counted(captions)).made(400)
    assert {void.kind for void in made} <= set(KIND_GROUPS)


def test_the_regression_is_at_the_minimum_of_its_loss() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(60, 3)).astype(np.float32)
    classes = rng.integers(3, size=60)
    inputs[classes == 1, 0] += 1.5
    layer = multinomial(inputs, classes, 3)

    def loss(weight: np.ndarray, bias: np.ndarray) -> float:
        total = PENALTY * float((weight**2).sum())
        for row, target in zip(inputs.astype(float), classes.tolist(), strict=True):
            logits = [float(w @ row) + float(b) for w, b in zip(weight, bias, strict=True)]
            total += math.log(sum(map(math.exp, logits))) - logits[target]
        return total

    least = loss(layer.weight.astype(float), layer.bias.astype(float))
    for _ in range(40):
        weight = layer.weight + 0.02 * rng.normal(size=layer.weight.shape)
        bias = layer.bias + 0.02 * rng.normal(size=layer.bias.shape)
        assert loss(weight, bias) >= least - 1e-4


def test_rows_carry_their_kinds() -> None:
    void = sample(np.random.default_rng(0), [0, 0, 0, 0], 6, "scene")
    assert void.rows(np.array([True, False, False, True, False, False])).kinds == ("scene",) * 2
    assert void.rows(np.array([1, 2])).kinds == ("scene", "scene")
