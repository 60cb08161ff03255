"""Learning what cosine to expect: pairs, the regression, best of a library, and levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrum.encoders.expected_match import LONGEST_PHRASE, SMALLEST_LIBRARY
from spectrum.training.expected_match import (
    LEVELS,
    RIDGE,
    Pairs,
    best_cosines,
    caption_pairs,
    fitted_weights,
    formed,
    lowest_levels,
)

CAPTIONS = [
    ["A brown dog runs over the grass .", "dog and ball"],
    ["Two men in red shirts are talking.", "the and of"],
]


def unit_rows(count: int, width: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_pairs_are_sentences_words_and_neighbours() -> None:
    kinds = caption_pairs(CAPTIONS, np.random.default_rng(0))
    assert kinds["sentence"] == Pairs(
        ["A brown dog runs over the grass", "Two men in red shirts are talking"], [0, 1]
    )
    # The last caption of the second photograph names nothing.
    assert kinds["word"].rows == kinds["pair"].rows == [0]
    assert kinds["word"].texts[0] in {"dog", "ball"}
    assert kinds["pair"].texts == ["dog ball"]
    assert all(len(text.split()) > LONGEST_PHRASE for text in kinds["sentence"].texts)


def test_every_form_keeps_its_photograph() -> None:
    forms = formed(Pairs(["dog", "two dogs", "an owl"], [4, 5, 6]))
    assert forms == Pairs(["dog", "a dog", "two dogs", "owl", "an owl"], [4, 4, 5, 6, 6])


def test_the_regression_is_the_least_of_its_costs() -> None:
    texts, dice = unit_rows(300, 6), np.random.default_rng(1)
    cosines = (texts @ np.arange(6) / 10 + 0.2 + dice.normal(size=300) / 50).astype(np.float32)
    weights = fitted_weights(texts, cosines).astype(np.float64)

    def cost(some: np.ndarray) -> float:
        pairs = zip(texts, cosines, strict=True)
        missed = sum((text @ some[:-1] + some[-1] - cosine) ** 2 for text, cosine in pairs)
        return float(missed + RIDGE * (some[:-1] ** 2).sum())

    for place in range(7):
        for step in (-1e-2, 1e-2):
            assert cost(weights) < cost(weights + step * np.eye(7)[place])


@given(st.integers(1, 2 * SMALLEST_LIBRARY), st.integers(0, 2**16))
def test_best_cosines_are_what_a_loop_finds(n_photographs: int, seed: int) -> None:
    photographs, texts = unit_rows(n_photographs, 4, seed), unit_rows(3, 4, seed + 1)
    rows = [0, n_photographs // 2, n_photographs - 1]
    found = best_cosines(texts, rows, photographs)
    for text, row, best in zip(texts, rows, found, strict=True):
        asked = [(row + step) % n_photographs for step in range(SMALLEST_LIBRARY)]
        assert best == pytest.approx(max(float(photographs[i] @ text) for i in asked), abs=1e-6)


@given(
    st.lists(st.integers(LEVELS, 400), min_size=1, max_size=4),
    st.integers(0, 2**16),
)
def test_no_kind_falls_below_a_level_more_often_than_promised(sizes: list[int], seed: int) -> None:
    dice = np.random.default_rng(seed)
    kinds = [dice.normal(loc=dice.normal(), size=size) for size in sizes]
    levels = lowest_levels(kinds)
    assert np.all(np.diff(levels) >= 0)
    below = np.array([[np.sum(kind < level) for level in levels] for kind in kinds])
    for size, counts in zip(sizes, below, strict=True):
        for k, count in enumerate(counts, start=1):
            assert count + 1 <= k * (size + 1) / (LEVELS + 1)
    # And the kind that falls lowest is held to all of it.
    for k in range(1, LEVELS + 1):
        assert any(
            counts[k - 1] + 1 == k * (size + 1) // (LEVELS + 1)
            for size, counts in zip(sizes, below, strict=True)
        )


def test_too_few_pairs_are_an_error() -> None:
    with pytest.raises(ValueError, match="98 pairs of a kind, at least 99"):
        lowest_levels([np.zeros(200), np.zeros(LEVELS - 1)])
