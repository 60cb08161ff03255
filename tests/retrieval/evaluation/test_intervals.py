"""The interval: edges where the spread is unknown, then whether it covers as it says."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.evaluation.intervals import Estimate, mean_with_interval

VALUES = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
EACH_ITS_OWN = np.arange(8)


def test_json_has_the_three_numbers() -> None:
    estimate = Estimate(value=0.5, low=0.25, high=0.625)
    assert estimate.as_json() == {"value": 0.5, "low": 0.25, "high": 0.625}


def test_value_is_the_mean_of_the_values_not_of_the_cluster_means() -> None:
    estimate = mean_with_interval(np.array([1.0, 0.0, 0.0, 0.0]), np.array([7, -2, -2, -2]))
    assert estimate.value == 0.25
    # Two clusters: resamples are both twice, or one of each.
    assert (estimate.low, estimate.high) == (0.0, 1.0)


def test_interval_of_a_proportion_is_near_the_textbook_one() -> None:
    values = np.repeat([1.0, 0.0], [300, 700])
    estimate = mean_with_interval(values, np.arange(1000))
    half_width = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert estimate.value == pytest.approx(0.3)
    assert estimate.low == pytest.approx(0.3 - half_width, abs=0.004)
    assert estimate.high == pytest.approx(0.3 + half_width, abs=0.004)


def test_same_seed_same_interval_another_seed_another() -> None:
    values = np.linspace(0.0, 1.0, 50) ** 2
    clusters = np.arange(50)
    first = mean_with_interval(values, clusters, seed=3)
    assert mean_with_interval(values, clusters, seed=3) == first
    assert mean_with_interval(values, clusters, seed=4) != first


def test_numbers_of_the_clusters_mean_nothing() -> None:
    small = mean_with_interval(VALUES, np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    large = mean_with_interval(VALUES, np.array([-9, -9, 4, 4, 50, 50, 10**12, 10**12]))
    assert small == large


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0])
def test_constant_values_are_their_own_interval(constant: float) -> None:
    estimate = mean_with_interval(np.full(9, constant), np.arange(9) // 2)
    assert estimate.low == estimate.value == estimate.high == pytest.approx(constant)


def test_one_cluster_is_its_own_interval() -> None:
    assert mean_with_interval(VALUES, np.zeros(8, np.int64)) == Estimate(
        value=0.625, low=0.625, high=0.625
    )


def test_one_value_is_its_own_interval() -> None:
    estimate = mean_with_interval(np.array([0.5]), np.array([12]))
    assert estimate == Estimate(value=0.5, low=0.5, high=0.5)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^no values: a mean needs at least one query$"):
        mean_with_interval(np.zeros(0), np.zeros(0, np.int64))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.integers(0, 5)), min_size=1))
def test_interval_holds_the_value_and_stays_in_range(rows: list[tuple[float, int]]) -> None:
    values = np.array([value for value, _ in rows])
    clusters = np.array([cluster for _, cluster in rows])
    estimate = mean_with_interval(values, clusters, n_resamples=200)
    slack = 1e-12
    assert values.min() - slack <= estimate.low <= estimate.value + slack
    assert estimate.value - slack <= estimate.high <= values.max() + slack


def test_covers_the_truth_only_when_captions_of_an_image_stay_together() -> None:
    generator = np.random.default_rng(5)
    n_images, n_captions, n_trials, truth = 60, 5, 200, 0.5
    by_image = np.repeat(np.arange(n_images), n_captions)
    by_caption = np.arange(n_images * n_captions)
    covered = {"image": 0, "caption": 0}
    for _ in range(n_trials):
        # An easy image is found by nine captions in ten, a hard one by one in ten.
        chance = generator.choice([0.1, 0.9], n_images)[by_image]
        values = (generator.random(len(by_image)) < chance).astype(np.float64)
        for name, clusters in (("image", by_image), ("caption", by_caption)):
            estimate = mean_with_interval(values, clusters, n_resamples=300)
            covered[name] += estimate.low <= truth <= estimate.high
    assert 0.88 <= covered["image"] / n_trials <= 0.995
    assert covered["caption"] / n_trials < 0.80


def test_evaluation_is_imported_without_scipy() -> None:
    program = "import sys, retrieval.evaluation.blocks; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
