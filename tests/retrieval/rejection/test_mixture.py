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
        length = "phrase" if evidence[4] < math.log(4.5) else "sentence"
        judgement = fitted.judgements[length]
        standard = [
            min(8.0, max(-8.0, (value - float(mean)) / float(scale)))
            for value, mean, scale in zip(
                evidence, judgement.scales.mean, judgement.scales.scale, strict=True
            )
        ]
        logits = [
            float(bias) + sum(float(w) * z for w, z in zip(weights, standard, strict=True))
            for weights, bias in zip(judgement.layer.weight, judgement.layer.bias, strict=True)
        ]
        odds = logits[0] - math.log(sum(math.exp(logit) for logit in logits[1:]))
        if length == "phrase":
            plain, weight = standard[2], 1.0
        else:
            plain = standard[1] + standard[2] + 0.5 * standard[0] + 0.5 * standard[3]
            weight = 0.4
        r, q = (
            (figure - float(middle)) / float(middle - low)
            for figure, middle, low in zip((odds, plain), *judgement.levels, strict=True)
        )
        expected = -math.log(math.exp(-r) + math.exp(-weight * q))
        assert said[row] == pytest.approx(expected, abs=1e-4)


def test_known_queries_of_both_lengths_are_on_one_scale() -> None:
    rng = np.random.default_rng(0)
    known, void = sample(rng, [0, 0, 0, 0], 600), sample(rng, [-3, -3, -3, -3], 600)
    known.evidence[known.evidence[:, 4] < 1.5, :4] *= 9.0
    detector = VoidMixture()
    detector.fit(known, void)
    for judgement, mine in (("phrase", True), ("sentence", False)):
        rows = known.rows((known.column("log_length") < 1.5) == mine)
        figures = detector.judgements[judgement].figures(rows)
        middle, low = np.quantile(figures, (0.5, 0.16), axis=0)
        np.testing.assert_allclose(detector.judgements[judgement].levels, [middle, low], rtol=1e-5)


def test_with_too_few_phrases_all_lengths_teach(fitted: VoidMixture) -> None:
    rng = np.random.default_rng(0)
    known, void = sample(rng, [0, 0, 0, 0], 200), sample(rng, [-3, -3, -3, -3], 200)
    long = void.rows(void.column("log_length") > 1.5)
    detector = VoidMixture()
    detector.fit(known, long)
    phrases = sample(rng, [0, 0, 0, 0], 200)
    unknown = sample(rng, [-3, -3, -3, -3], 200)
    assert (detector.score(phrases)[:, None] > detector.score(unknown)).mean() > 0.95


def test_what_is_read_back_scores_alike(fitted: VoidMixture) -> None:
    again = VoidMixture()
    again.restore(fitted.arrays())
    asked = sample(np.random.default_rng(3), [-1, 0, -1, 0], 30)
    np.testing.assert_array_equal(again.score(asked), fitted.score(asked))


def test_every_kind_of_void_is_less_known(fitted: VoidMixture) -> None:
    rng = np.random.default_rng(2)
    known = fitted.score(sample(rng, [0, 0, 0, 0], 200))
    for means in ([0, 0, -3, -1], [0, -3, 0, 0], [-9, 0, -2, -2]):
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
