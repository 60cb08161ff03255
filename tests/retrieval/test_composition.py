"""Query vectors: worked numbers, and what the theory says of the two blocks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ranking.composition import (
    Moments,
    composed_level,
    composed_query,
    image_query,
    similarity_moments,
    text_query,
)
from tests.references.composition import composed_similarity_loop, similarity_moments_loop


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def test_a_text_does_not_see_the_visual_block() -> None:
    rng = np.random.default_rng(0)
    semantic, query = unit(rng, 7, 5), text_query(unit(rng, 5), 3)
    one, other = (np.concatenate([semantic, unit(rng, 7, 3)], axis=1) for _ in range(2))
    np.testing.assert_array_equal(one @ query, other @ query)


def test_an_image_query_by_hand() -> None:
    """omega 0.8: sqrt(.2) and sqrt(.8) are as 1 to 2, so a third and two thirds."""
    query = image_query(np.float32([1, 0]), np.float32([0, 1]), 0.8)
    np.testing.assert_allclose(query, [1 / 3, 0, 0, 2 / 3], atol=1e-6)


@given(st.floats(0, 1), st.integers(0, 9))
def test_an_image_is_as_like_itself_as_can_be(weight: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    semantic, visual = unit(rng, 5), unit(rng, 3)
    itself = image_query(semantic, visual, weight) @ np.concatenate([semantic, visual])
    other = image_query(semantic, visual, weight) @ np.concatenate([unit(rng, 5), unit(rng, 3)])
    assert itself == pytest.approx(1, abs=1e-5)
    assert other <= itself + 1e-6


def test_the_order_is_that_of_the_source() -> None:
    """Departure of `image_query`: dividing changes no ranking."""
    rng = np.random.default_rng(1)
    semantic, visual, weight = unit(rng, 5), unit(rng, 3), 0.3
    database = np.concatenate([unit(rng, 50, 5), unit(rng, 50, 3)], axis=1)
    source = np.concatenate([math.sqrt(1 - weight) * semantic, math.sqrt(weight) * visual])
    ours = database @ image_query(semantic, visual, weight)
    np.testing.assert_array_equal(np.argsort(ours), np.argsort(database @ source))


def test_moments_and_composition_against_loops() -> None:
    rng = np.random.default_rng(2)
    queries, sample = unit(rng, 3, 7), unit(rng, 11, 7)
    weights = np.array([1.0, -0.5, 2.0])
    moments = similarity_moments(queries, sample)
    means, spreads = similarity_moments_loop(queries.tolist(), sample.tolist())
    np.testing.assert_allclose(moments.mean, means, rtol=1e-6)
    np.testing.assert_allclose(moments.spread, spreads, rtol=1e-6)
    query, level = composed_query(queries, weights, moments), composed_level(weights, moments)
    for stored in sample:
        expected = composed_similarity_loop(
            queries.tolist(), weights.tolist(), means, spreads, stored.tolist()
        )
        assert float(query @ stored) - level == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("n", [0, 1])
def test_the_spread_of_too_few_is_one(n: int) -> None:
    queries = unit(np.random.default_rng(0), 2, 4)
    moments = similarity_moments(queries, queries[:n])
    assert (moments.mean.tolist(), moments.spread.tolist()) == ([0, 0], [1, 1])


def test_the_spread_of_equals_is_one() -> None:
    rng = np.random.default_rng(0)
    sample = np.repeat(unit(rng, 1, 4), 6, axis=0)
    assert similarity_moments(unit(rng, 2, 4), sample).spread.tolist() == [1, 1]


def test_parts_weigh_the_same_whatever_their_spread() -> None:
    """A part that is ten times as spread as the words must not decide against their weight."""
    parts = np.float32([[1, 0], [0, 1]])
    database = np.float32([[0.1, 0.0], [0.05, 1.0], [0.0, 0.4]])
    weights = np.array([3.0, 1.0])
    plain = database @ composed_query(parts, weights, Moments(np.zeros(2), np.ones(2)))
    assert int(plain.argmax()) == 1
    assert int(plain.argmin()) == 0
    fair = database @ composed_query(parts, weights, similarity_moments(parts, database))
    assert fair[0] > fair[2]
