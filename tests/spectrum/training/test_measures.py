"""The measures on tables small enough to check with a pencil."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrum.training.measures import caption_hits, hit_rates, mean_average_precision


def test_hit_rates_of_three_queries() -> None:
    similarities = np.array([[0.9, 0.1, 0.2], [0.5, 0.4, 0.3], [0.7, 0.8, 0.9]])
    right = np.eye(3, dtype=bool)
    # Ranks of the right ones: 1, 2, 1.
    assert hit_rates(similarities, right, (1, 2)) == pytest.approx([200 / 3, 100.0])


def test_a_tie_counts_against_the_query() -> None:
    assert hit_rates(np.zeros((1, 4)), np.array([[True, False, False, False]]), (1, 3, 4)) == [
        0.0,
        0.0,
        100.0,
    ]


def test_precision_of_two_right_ones() -> None:
    similarities = np.array([[0.9, 0.8, 0.7, 0.6]])
    right = np.array([[True, False, True, False]])
    # Right at ranks 1 and 3: (1/1 + 2/3) / 2.
    assert mean_average_precision(similarities, right) == pytest.approx(100 * 5 / 6)


def test_a_query_without_a_right_one_is_left_out() -> None:
    similarities = np.array([[0.9, 0.8], [0.9, 0.8]])
    right = np.array([[True, False], [False, False]])
    assert mean_average_precision(similarities, right) == 100.0


def test_captions_belong_to_photographs_in_turn() -> None:
    images = np.eye(3)
    texts = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0.9, 0, 0.5], [0, 0, 1]])
    hits = caption_hits(images, texts, captions=2)
    assert hits["text_to_image"][0] == pytest.approx(500 / 6)
    assert hits["image_to_text"] == [100.0, 100.0, 100.0]


@given(st.integers(0, 2**32 - 1))
def test_hits_grow_with_the_cutoff(seed: int) -> None:
    random = np.random.default_rng(seed)
    right = random.random((7, 11)) < 0.3
    right[:, 0] = True
    rates = hit_rates(random.random((7, 11)), right, (1, 2, 5, 11))
    assert rates == sorted(rates)
    assert rates[-1] == 100.0
