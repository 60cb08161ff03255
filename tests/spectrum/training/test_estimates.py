"""What single queries find, and means with intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spectrum.training import measures
from spectrum.training.estimates import (
    average_precisions,
    estimate,
    hits,
    left_out,
    percentage,
    precisions,
)

SCORES = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.1, 0.0]])
RIGHT = np.array(
    [[True, False, True, False], [True, False, False, False], [False, True, False, False]]
)


def test_worked_queries() -> None:
    np.testing.assert_array_equal(hits(SCORES, RIGHT, 1), [True, False, False])
    np.testing.assert_array_equal(hits(SCORES, RIGHT, 2), [True, False, True])
    np.testing.assert_allclose(precisions(SCORES, RIGHT, 2), [1 / 2, 0, 1 / 2])
    np.testing.assert_allclose(average_precisions(SCORES, RIGHT), [(1 + 2 / 3) / 2, 1 / 4, 1 / 2])


def test_an_item_does_not_ask_for_itself() -> None:
    """Of three items the first two are alike; the third of their class is far, one is alone."""
    scores = np.array([[9, 5, 1, 2], [5, 9, 2, 1], [1, 2, 9, 3], [2, 1, 3, 9]], dtype=np.float64)
    labels = np.array(["a", "a", "a", "b"])
    found = left_out(scores, labels[:, None] == labels[None, :])
    np.testing.assert_allclose(found, [(1 + 2 / 3) / 2, 1, (1 / 2 + 2 / 3) / 2])


@given(
    arrays(np.float64, (7, 11), elements=st.floats(-1, 1)),
    arrays(np.bool_, (7, 11)).filter(lambda right: bool(right.any(axis=1).all())),
)
def test_means_are_those_of_the_measures(scores: np.ndarray, right: np.ndarray) -> None:
    rates = [100.0 * hits(scores, right, cutoff).mean() for cutoff in (1, 5, 10)]
    np.testing.assert_allclose(rates, measures.hit_rates(scores, right))
    mean = 100.0 * average_precisions(scores, right).mean()
    assert mean == pytest.approx(measures.mean_average_precision(scores, right))


def test_an_interval_is_as_wide_as_the_binomial_says() -> None:
    truths = np.arange(1000) % 2 == 0
    found = percentage(truths)
    assert found.value == 50.0
    assert found.high - found.low == pytest.approx(2 * 1.96 * 100 * 0.5 / 1000**0.5, rel=0.1)
    assert percentage(truths) == found


def test_captions_of_one_photograph_are_no_independent_queries() -> None:
    """Five equal answers each say as much as one."""
    once = np.arange(200) % 2 == 0
    assert estimate(np.repeat(once, 5), 5) == estimate(once)


def test_equal_answers_have_an_interval_without_width() -> None:
    assert estimate(np.ones(4)) == (1.0, 1.0, 1.0)


def test_one_query_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two groups of queries or more, got 1"):
        estimate(np.ones(5), 5)
