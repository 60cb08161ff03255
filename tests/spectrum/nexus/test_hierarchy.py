"""NEXUS 3.3 against its loops, and what the scales promise."""

import pytest
import torch
from torch import nn

from spectrum.nexus.config import NexusConfig
from spectrum.nexus.hierarchy import coarser, fused_scales, hierarchical_windows, resized
from spectrum.nexus.module import Nexus
from spectrum.nexus.networks import FusionNetwork
from tests.references import nexus as loops
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.nexus.grids import looped_fusion, tensor, unsettled


def network(width: int = 7) -> FusionNetwork:
    torch.manual_seed(0)
    return unsettled(FusionNetwork(width, 2))


@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (3, 5), (5, 2), (1, 1)])
def test_resizing_equals_the_loop(rows: int, columns: int) -> None:
    grid = normal(2, 3, 4, 7, seed=1)
    made = resized(grid, rows, columns)
    for b in range(2):
        looped = loops.resized(grid[b].tolist(), rows, columns)
        torch.testing.assert_close(made[b], tensor(looped))


@pytest.mark.parametrize("times", [2, 3, 4, 8])
def test_a_coarser_grid_equals_the_loop(times: int) -> None:
    grid = normal(2, 7, 5, 3, seed=1)
    made = coarser(grid, times)
    for b in range(2):
        torch.testing.assert_close(made[b], tensor(loops.coarser(grid[b].tolist(), times)))


def test_sizes_that_stay_change_nothing() -> None:
    grid = normal(2, 3, 5, 7, seed=1)
    assert torch.equal(resized(grid, 3, 5), grid)
    torch.testing.assert_close(coarser(grid, 1), grid)


def test_a_worked_resize() -> None:
    """Two tokens, 0 and 4, over four places: centres at 1/4 and 3/4 of the row."""
    grid = tensor([0.0, 4.0]).reshape(1, 1, 2, 1)
    assert resized(grid, 1, 4).flatten().tolist() == [0, 1, 3, 4]


def test_a_fusion_equals_the_loop() -> None:
    finer, coarse, learned = normal(2, 5, 3, 7, seed=1), normal(2, 3, 2, 7, seed=2), network()
    made = fused_scales(finer, coarse, learned)
    for b in range(2):
        looped = loops.fused_scales(finer[b].tolist(), coarse[b].tolist(), looped_fusion(learned))
        torch.testing.assert_close(made[b], tensor(looped))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_hierarchy_equals_the_loop(count: int) -> None:
    sizes = ((5, 7), (3, 4), (2, 2))[:count]
    scales = [normal(2, *size, 7, seed=size[0]) for size in sizes]
    alphas, betas = normal(count, seed=1), normal(count - 1, seed=2)
    learned = [network() for _ in betas]
    made = hierarchical_windows(scales, alphas, betas, learned)
    for b in range(2):
        looped = loops.hierarchical_windows(
            [scale[b].tolist() for scale in scales],
            alphas.tolist(),
            betas.tolist(),
            [looped_fusion(each) for each in learned],
        )
        torch.testing.assert_close(made[b], tensor(looped))


def test_a_worked_hierarchy() -> None:
    """Scales 1 and 3 everywhere, their fusion as it starts is 2: 1/2 + 3/4 + 2 / 4."""
    fusion = FusionNetwork(1, 2).double()
    fine, coarse = torch.ones(1, 2, 2, 1).double(), torch.full((1, 1, 1, 1), 3.0).double()
    made = hierarchical_windows([fine, coarse], tensor([0.5, 0.25]), tensor([0.25]), [fusion])
    assert made.detach().flatten().tolist() == [1.75] * 4


def test_one_scale_is_its_windows() -> None:
    grid = normal(2, 3, 5, 7, seed=1)
    none = torch.zeros(0).double()
    assert torch.equal(hierarchical_windows([grid], tensor([1.0]), none, []), grid)


@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("training", [False, True])
def test_what_is_pooled_is_the_mean_of_the_hierarchy(scales: int, training: bool) -> None:
    """The short way and the definition: the same values, and the same gradients."""
    torch.manual_seed(0)
    config = NexusConfig(token_width=7, width=11, widest=5.0, hidden=3, rank=2, scales=scales)
    nexus = unsettled(Nexus(config)).train(training)
    grid, direction = normal(2, 7, 5, 7, seed=1).requires_grad_(), normal(2, 21, seed=2)
    learned = {name: p for name, p in nexus.named_parameters() if not name.startswith("readout")}
    found = []
    for made in (nexus.pooled(grid), nexus.hierarchy(grid).mean(dim=(1, 2))):
        inputs = (grid, *learned.values())
        slopes = torch.autograd.grad((made * direction).sum(), inputs, materialize_grads=True)
        found.append([made, *slopes])
    for name, short, long in zip(["made", "grid", *learned], *found, strict=True):
        torch.testing.assert_close(short, long, msg=lambda said, name=name: f"{name}: {said}")


def test_an_image_does_not_see_another() -> None:
    scales = [normal(3, 5, 7, 7, seed=1), normal(3, 3, 4, 7, seed=2)]
    weights = tensor([0.3, 0.2]), tensor([0.5]), [network()]
    whole = hierarchical_windows(scales, *weights)
    alone = hierarchical_windows([scale[1:2] for scale in scales], *weights)
    torch.testing.assert_close(alone, whole[1:2])


def test_gradients_are_derivatives() -> None:
    fine, coarse = normal(1, 3, 2, 2, seed=1), normal(1, 2, 1, 2, seed=2)
    learned = network(2)
    inputs = (fine, coarse, tensor([0.3, 0.2]), tensor([0.5]))
    assert torch.autograd.gradcheck(
        lambda first, second, alpha, beta: hierarchical_windows(
            [first, second], alpha, beta, [learned]
        ),
        tuple(each.requires_grad_() for each in inputs),
    )


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    grid, one, none = torch.zeros(1, 3, 5, 7), torch.ones(1), torch.ones(0)
    with pytest.raises(
        ValueError, match="^0 scales and 0 scale_weights: give one weight a scale, a"
    ):
        hierarchical_windows([], none, none, [])
    with pytest.raises(
        ValueError, match="^2 scales and 1 scale_weights: give one weight a scale, a"
    ):
        hierarchical_windows([grid, grid], one, one, [nn.Identity()])
    with pytest.raises(
        ValueError, match="^1 fusion_weights and 0 networks: give one of each for 1 "
    ):
        hierarchical_windows([grid, grid], torch.ones(2), one, [])
    with pytest.raises(
        ValueError, match=r"^network\(\[F_1; Resize\(F_2\)\]\) has shape \(1, 3, 5, 14\)"
    ):
        fused_scales(grid, grid, nn.Identity())
