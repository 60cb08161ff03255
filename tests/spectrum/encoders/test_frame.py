"""Sizes that keep an image's aspect ratio, and grids that are brought to one size."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spectrum.encoders.frame import WIDEST, fitted_sides, interpolation, resampled
from tests.references import frames as loops

SIDES = st.integers(1, 12_000)


@given(SIDES, SIDES)
@example(1, 12_000)
@example(12_000, 1)
def test_sides_are_multiples_of_the_step_and_the_cost_stays(width: int, height: int) -> None:
    columns, rows = fitted_sides(width, height, 224, 32)
    assert columns % 32 == rows % 32 == 0
    assert abs(columns * rows / 224**2 - 1.0) <= 0.125


@given(SIDES, SIDES)
@example(1, 4)
@example(4, 3)
def test_the_aspect_ratio_is_kept_nearly(width: int, height: int) -> None:
    """Within a sixth up to three to one, within a quarter up to four to one, where it is cut."""
    columns, rows = fitted_sides(width, height, 224, 32)
    aspect = min(max(width / height, 1 / WIDEST), WIDEST)
    change = max(columns / rows / aspect, aspect * rows / columns)
    assert change <= (7 / 6 if 1 / 3 <= aspect <= 3 else 5 / 4)


@given(SIDES, SIDES)
def test_a_turned_image_has_turned_sides(width: int, height: int) -> None:
    assert fitted_sides(height, width, 224, 32) == fitted_sides(width, height, 224, 32)[::-1]


@given(SIDES)
def test_a_square_stays_one(side: int) -> None:
    assert fitted_sides(side, side, 224, 32) == (224, 224)


@pytest.mark.parametrize(
    ("image", "sides"),
    [
        ((400, 300), (256, 192)),
        # 9 x 5 is the closest to 16:9 of all pairs with 43 to 55 places.
        ((1920, 1080), (288, 160)),
        # A long strip is squashed to about four to one: 13 x 4, since 14 x 3 are too few places.
        ((5000, 10), (416, 128)),
    ],
)
def test_worked_sizes(image: tuple[int, int], sides: tuple[int, int]) -> None:
    assert fitted_sides(*image, 224, 32) == sides


@given(st.integers(1, 20), st.integers(1, 20))
def test_weights_of_places_sum_to_one(entering: int, leaving: int) -> None:
    weights = interpolation(entering, leaving)
    assert weights.shape == (leaving, entering)
    assert weights.min() >= 0.0
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    # Between a row and the same row read backwards nothing may differ but the direction.
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-12)


@given(st.integers(1, 20))
def test_as_many_places_are_left_as_they_are(places: int) -> None:
    np.testing.assert_array_equal(interpolation(places, places), np.eye(places))


def test_worked_weights() -> None:
    np.testing.assert_allclose(interpolation(2, 4), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_allclose(interpolation(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])


@pytest.mark.parametrize(("height", "width"), [(7, 7), (5, 11), (6, 8), (1, 3)])
def test_a_grid_is_resampled_as_the_loop_does_it(height: int, width: int) -> None:
    grid = np.random.default_rng(0).normal(size=(3, height, width)).astype(np.float32)
    made = resampled(grid, 7, 7)
    assert made.shape == (7, 7, 3)
    for channel in range(3):
        looped = loops.resampled(grid[channel].tolist(), 7, 7)
        np.testing.assert_allclose(made[..., channel], looped, atol=1e-5)
    assert math.isclose(made.mean(), grid.mean(), abs_tol=0.2)
