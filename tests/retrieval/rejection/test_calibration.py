"""The conformal threshold: its definition, its promise, and what it refuses to promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.rejection.calibration import (
    CalibrationError,
    conformal_threshold,
    conformal_trust,
    rate_deviation,
    require_enough,
)


def test_the_threshold_by_hand() -> None:
    """n = 19, alpha = 0.1: k = floor(0.1 * 20) = 2, so the second smallest."""
    scores = np.arange(19.0)[::-1]
    assert conformal_threshold(scores, 0.1) == 1.0
    assert conformal_threshold(scores, 0.05) == 0.0


def test_trust_by_hand() -> None:
    """Three calibrating scores: (1 + those at most as high) / 4, at most 1."""
    trust = conformal_trust(np.array([0.5, 1.0, 2.5, 9.0]), np.array([1.0, 2.0, 3.0]))
    assert trust.tolist() == [0.25, 0.5, 0.75, 1.0]


@given(
    st.lists(st.integers(0, 30), min_size=20, max_size=200),
    st.integers(0, 40),
    st.sampled_from([0.05, 0.1, 0.25]),
)
def test_trust_and_threshold_refuse_the_same(scores: list[int], asked: int, alpha: float) -> None:
    calibrating = np.array(scores, dtype=float) + 0.25
    threshold = conformal_threshold(calibrating, alpha)
    rank = int(alpha * (len(calibrating) + 1) + 1e-9)
    trust = conformal_trust(np.array([float(asked)]), calibrating)[0]
    assert (trust < (rank + 1) / (len(calibrating) + 1)) == (asked < threshold)


def test_good_queries_are_refused_at_most_alpha_of_the_time() -> None:
    rng = np.random.default_rng(0)
    refused = []
    for _ in range(400):
        scores = rng.normal(size=120)
        threshold = conformal_threshold(scores[:99], 0.05)
        refused.append((scores[99:] < threshold).mean())
    assert 0.04 < np.mean(refused) <= 0.055
    assert rate_deviation(0.05, 99) == pytest.approx(np.sqrt(0.05 * 0.95 / 101))


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_a_rate_outside_0_and_1_is_refused(alpha: float) -> None:
    with pytest.raises(CalibrationError, match="above 0 and below 1"):
        conformal_threshold(np.arange(100.0), alpha)


def test_too_few_images_are_refused_in_words() -> None:
    with pytest.raises(
        CalibrationError,
        match="too few images to calibrate: n = 3, at least 100 needed for α = 0.05",
    ):
        require_enough(3, 0.05)
    require_enough(100, 0.05)


def test_too_few_or_broken_scores_are_refused() -> None:
    with pytest.raises(CalibrationError, match="n = 18, at least 19 needed"):
        conformal_threshold(np.arange(18.0), 0.05)
    with pytest.raises(CalibrationError, match="no query to calibrate with"):
        conformal_trust(np.zeros(1), np.zeros(0))
    with pytest.raises(CalibrationError, match="no finite number"):
        conformal_threshold(np.array([1.0, np.nan] * 20), 0.05)
