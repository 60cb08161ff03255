"""An image query among what it finds."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from retrieval.ranking.composition import image_query
from retrieval.ranking.neighbourhood import REFINED_VISUAL_WEIGHT, neighbourhood_query

Vector = Sequence[float]


def unit(vector: Vector) -> list[float]:
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector]


def loop(
    semantic: Vector,
    visual: Vector,
    neighbours: Sequence[tuple[Vector, Vector]],
    omega: float,
    temperature: float,
) -> tuple[list[float], list[float]]:
    """The two blocks of q', each of unit length, written from the docstring."""
    exponentials = [math.exp(1.0 / temperature)]
    for other_semantic, other_visual in neighbours:
        likeness = (1 - omega) * sum(a * b for a, b in zip(semantic, other_semantic, strict=True))
        likeness += omega * sum(a * b for a, b in zip(visual, other_visual, strict=True))
        exponentials.append(math.exp(likeness / temperature))
    total = sum(exponentials)
    blocks = []
    for place, own in enumerate((semantic, visual)):
        moved = [exponentials[0] / total * number for number in own]
        for weight, neighbour in zip(exponentials[1:], neighbours, strict=True):
            for index, number in enumerate(neighbour[place]):
                moved[index] += weight / total * number
        blocks.append(unit(moved))
    return blocks[0], blocks[1]


def drawn(random: np.random.Generator, width: int) -> list[float]:
    return unit(random.normal(size=width).tolist())


def test_it_equals_the_loop() -> None:
    random = np.random.default_rng(0)
    semantic, visual = drawn(random, 3), drawn(random, 5)
    around = [(drawn(random, 3), drawn(random, 5)) for _ in range(7)]
    query = image_query(
        np.array(semantic, dtype=np.float32), np.array(visual, dtype=np.float32), 0.7
    )
    rows = np.array([[*s, *v] for s, v in around], dtype=np.float32)
    moved = neighbourhood_query(query, rows, 3, 0.7, temperature=0.2)
    wanted = loop(semantic, visual, around, 0.7, 0.2)
    expected = image_query(
        np.array(wanted[0], dtype=np.float32),
        np.array(wanted[1], dtype=np.float32),
        REFINED_VISUAL_WEIGHT,
    )
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_at_a_great_temperature_the_query_counts_as_much_as_what_it_finds() -> None:
    query = image_query(np.array([1, 0], dtype=np.float32), np.array([1, 0], dtype=np.float32), 0.5)
    neighbour = np.array([[1, 0, 0, 1]], dtype=np.float32)
    moved = neighbourhood_query(query, neighbour, 2, 0.5, temperature=1e6)
    half = math.sqrt(0.5)
    middle = np.array([half, half], dtype=np.float32)
    wanted = image_query(np.array([1, 0], dtype=np.float32), middle, REFINED_VISUAL_WEIGHT)
    np.testing.assert_allclose(moved, wanted, atol=1e-5)


def test_the_order_of_neighbours_changes_nothing() -> None:
    random = np.random.default_rng(1)
    query = image_query(
        np.array([0.6, 0.8], dtype=np.float32), np.array([0, 1, 0], dtype=np.float32), 0.9
    )
    rows = random.normal(size=(5, 5)).astype(np.float32)
    forth, back = (neighbourhood_query(query, some, 2, 0.9) for some in (rows, rows[::-1].copy()))
    np.testing.assert_allclose(forth, back, atol=1e-6)


def test_without_neighbours_it_is_the_query() -> None:
    query = np.array([0.3, 0.4, 0.5], dtype=np.float32)
    assert neighbourhood_query(query, np.zeros((0, 3), dtype=np.float32), 2, 0.5) is query


@pytest.mark.parametrize("temperature", [0.01, 1 / 3, 100.0])
def test_an_encoder_without_a_visual_block_is_served(temperature: float) -> None:
    query = np.array([0.6, 0.8], dtype=np.float32)
    found = np.array([[0.8, 0.6]], dtype=np.float32)
    moved = neighbourhood_query(query, found, 2, 0.0, temperature)
    assert moved.shape == (2,)
    assert float(np.linalg.norm(moved)) == pytest.approx(1.0, abs=1e-6)
