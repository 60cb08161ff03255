"""Areas, false accepts and their intervals, against scikit-learn and small numbers."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.trust.estimates import Scores, accepted_shares, areas, separation, wins


def area(known: np.ndarray, unknown: np.ndarray) -> float:
    labels = np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])
    return float(roc_auc_score(labels, np.concatenate([known, unknown])))


@pytest.fixture
def scores() -> Scores:
    random = np.random.default_rng(0)
    # Rounded, so that there are ties.
    return Scores(
        known=random.normal(1.0, 1.0, (3, 41)).round(1),
        unknown={
            "near": random.normal(0.3, 1.0, (3, 29)).round(1),
            "far": random.normal(-2.0, 1.0, (3, 23)).round(1),
        },
    )


def test_area_is_that_of_scikit_learn_in_the_mean_over_seeds(scores: Scores) -> None:
    expected = np.mean(
        [area(*pair) for pair in zip(scores.known, scores.unknown["near"], strict=True)]
    )
    assert separation(scores, ["near"]).area.value == pytest.approx(expected, abs=1e-6)


def test_a_resample_counts_rows_as_often_as_they_were_drawn(scores: Scores) -> None:
    random = np.random.default_rng(1)
    known_rows, rows = random.integers(41, size=(5, 41)), random.integers(29, size=(5, 29))
    found = areas(wins(scores.known, scores.unknown["near"]), known_rows, rows)
    for resample in range(5):
        expected = np.mean(
            [
                area(known[known_rows[resample]], unknown[rows[resample]])
                for known, unknown in zip(scores.known, scores.unknown["near"], strict=True)
            ]
        )
        assert found[resample] == pytest.approx(expected, abs=1e-6)


def test_false_accepts_of_worked_numbers() -> None:
    known = np.arange(20.0)[None]  # the threshold that keeps 19 of 20 is 1
    unknown = np.array([[0.0, 0.9, 1.0, 5.0]])
    every = np.arange(20)[None], np.arange(4)[None]
    assert accepted_shares(known, unknown, *every).tolist() == [0.5]


def test_several_sets_are_averaged(scores: Scores) -> None:
    near, far = (separation(scores, [name]) for name in ("near", "far"))
    both = separation(scores, ["near", "far"])
    assert both.area.value == pytest.approx((near.area.value + far.area.value) / 2, abs=1e-6)
    assert both.false_accepts.value == pytest.approx(
        (near.false_accepts.value + far.false_accepts.value) / 2
    )


def test_a_detector_gains_nothing_on_itself(scores: Scores) -> None:
    assert separation(scores, ["near"], scores).gain == (0.0, 0.0, 0.0)


def test_interval_holds_the_value_and_a_sure_gain_stays_above_zero(scores: Scores) -> None:
    worse = Scores(known=np.zeros((1, 41)), unknown={"near": np.zeros((1, 29))})
    found = separation(scores, ["near"], worse)
    assert found.gain is not None
    assert 0.0 < found.gain.low < found.gain.value < found.gain.high
    assert found.gain.value == pytest.approx(found.area.value - 0.5, abs=1e-6)
    assert found.area.low < found.area.value < found.area.high


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="far: expected finite scores, got NaN or infinity"):
        Scores(known=np.zeros((1, 2)), unknown={"far": np.array([[0.0, np.nan]])})
