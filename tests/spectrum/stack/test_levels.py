"""The levels of an image: worked grids, and what a description promises."""

import pytest
import torch

from spectrum.stack.config import level_widths
from spectrum.stack.levels import (
    CLAMP,
    Description,
    Standardised,
    grid_statistics,
    region_means,
    visual_levels,
)
from tests.spectrum.stack.stacks import normal


def test_worked_statistics() -> None:
    """One channel of 1, 2, 3, 6 has mean 3, maximum 6 and variance 3.5; the other is constant."""
    channel = torch.tensor([[1.0, 2], [3, 6]])
    grid = torch.stack([channel, torch.full((2, 2), 4.0)], dim=-1)[None]
    made = grid_statistics(grid)
    torch.testing.assert_close(made, torch.tensor([[3, 4, 6, 4, 3.5**0.5, 0]]))


def test_regions_of_seven_by_seven_are_three_wide_and_two_apart() -> None:
    rows, columns = torch.meshgrid(torch.arange(7.0), torch.arange(7.0), indexing="ij")
    made = region_means(torch.stack([rows, columns], dim=-1)[None])[0].reshape(9, 2)
    middles = [1.0, 3.0, 5.0]
    assert made.tolist() == [[row, column] for row in middles for column in middles]


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 11, 24])
def test_regions_cover_grids_of_any_side(side: int) -> None:
    """Every token counts: its gradient is not 0; and a constant grid has constant regions."""
    grid = normal(1, side, side, 2, seed=1).requires_grad_()
    made = region_means(grid)
    assert made.shape == (1, 18)
    (gradient,) = torch.autograd.grad(made.sum(), grid)
    assert gradient.min().item() > 0
    torch.testing.assert_close(region_means(torch.ones(1, side, side, 2)), torch.ones(1, 18))


def test_levels_have_the_widths_that_are_said_of_them() -> None:
    grid = normal(2, 4, 5, 3, seed=1)
    for visual in (0, 7):
        made = visual_levels(normal(2, visual, seed=2), grid)
        assert tuple(level.shape[1] for level in made) == level_widths(visual, 3)


def test_standardised_features_have_mean_zero_and_deviation_one_within_bounds() -> None:
    features = 3 + torch.tensor([1.0, 10, 100]) * normal(500, 3, seed=1)
    standardised = Standardised(3)
    standardised.fit(features)
    made = standardised(features)
    torch.testing.assert_close(made.mean(dim=0), torch.zeros(3), atol=0.02, rtol=0)
    torch.testing.assert_close(made[:, 1:].std(dim=0), torch.ones(2), atol=0.02, rtol=0)
    assert standardised(1e9 * features).abs().max().item() == CLAMP


def test_a_feature_that_never_varied_stays_finite() -> None:
    standardised = Standardised(2)
    standardised.fit(torch.full((5, 2), 3.0))
    assert standardised(torch.tensor([[3.0, 4.0]])).tolist() == [[0, CLAMP]]


def test_a_description_starts_by_ridge_and_finds_what_the_levels_tell() -> None:
    levels = [normal(400, 5, seed=1), normal(400, 3, seed=2)]
    captions = torch.nn.functional.normalize(
        torch.cat(levels, dim=-1) @ normal(8, 7, seed=3), dim=-1
    )
    description = Description((5, 3), 7, 0.5).eval()
    assert description(description.levels(levels)).abs().max().item() == 0
    description.fit(levels, captions, 1e-3)
    made = description(description.levels(levels))
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(400))
    assert (made * captions).sum(dim=-1).mean().item() > 0.97


def test_levels_are_left_out_only_while_training() -> None:
    description = Description((100,), 7, 0.6)
    level = [torch.ones(3, 100)]
    torch.manual_seed(0)
    dropped = (description.train().levels(level)[0] == 0).float().mean().item()
    assert 0.5 < dropped < 0.7
    assert torch.equal(description.eval().levels(level)[0], level[0])
