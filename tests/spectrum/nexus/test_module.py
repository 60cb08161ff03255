"""NEXUS as a whole: against its loops, where it starts, and on what an image's result depends."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from spectrum.nexus.config import NexusConfig
from spectrum.nexus.module import Nexus
from spectrum.nexus.windows import DIRECTIONS
from tests.references import nexus as loops
from tests.references.harmony import linear
from tests.spectrum.harmony.vectors import normal, unit
from tests.spectrum.nexus.grids import (
    looped_fusion,
    looped_number,
    looped_projection,
    tensor,
    unsettled,
)

CONFIG = NexusConfig(token_width=7, width=11, widest=5.0, width_start=3.4, hidden=3, rank=2)


def trained(config: NexusConfig = CONFIG) -> Nexus:
    """As training might leave it: no parameter where it started."""
    torch.manual_seed(0)
    return unsettled(Nexus(config)).eval()


def looped_scale(nexus: Nexus, grid: loops.Grid) -> list[list[list[float]]]:
    """CW of one scale with the module's own widths and thresholds, all in loops."""
    config, sharpness = nexus.config, math.exp(nexus.log_sharpness.item())

    def mapped(projection: Any, *, unit_length: bool, times: float = 1.0) -> loops.Grid:
        made = []
        for row in grid:
            made.append([])
            for token in row:
                length = math.sqrt(sum(x * x for x in token)) if unit_length else 1.0
                projected = looped_projection(projection)([x / length for x in token])
                made[-1].append([times * x for x in projected])
        return made

    queries = mapped(nexus.query, unit_length=True, times=sharpness)
    keys, values = mapped(nexus.key, unit_length=True), mapped(nexus.value, unit_length=False)
    columns = len(grid[0])
    made: list[list[list[float]]] = [[[] for _ in row] for row in grid]
    for number, direction in enumerate(DIRECTIONS):
        width = loops.window_width(
            grid,
            looped_number(nexus.width_networks[number]),
            config.narrowest,
            config.widest,
        )
        rows = []
        for spot in ((y, x) for y in range(len(grid)) for x in range(columns)):
            near = loops.window(direction, spot, grid, width, config.thickness)
            weights = loops.window_attention(queries, keys, spot, near)
            found = dict(zip(near, weights, strict=True))
            places = [(spot[0] + p.down, spot[1] + p.right) for p in nexus.places[number]]
            rows.append([found.get(place, 0.0) for place in places])
        network = looped_number(nexus.threshold_networks[number])
        threshold = loops.sparsity_threshold(rows, network)
        mask = loops.sparse_mask(rows, threshold, config.relative, config.relative)
        sparse = loops.sparse_attention(rows, mask, config.renormalise)
        for n, row in enumerate(sparse):
            output = [0.0] * config.token_width
            for weight, place in zip(row, nexus.places[number], strict=True):
                y, x = n // columns + place.down, n % columns + place.right
                if weight:
                    output = [a + weight * b for a, b in zip(output, values[y][x], strict=True)]
            made[n // columns][n % columns] += output
    return made


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, scales=1, renormalise=False),
        replace(CONFIG, scales=3, thickness=3),
        replace(CONFIG, relative=False, threshold_start=0.2),
    ],
    ids=["default", "one scale", "thick", "the paper's mask"],
)
def test_the_residual_equals_the_loops(config: NexusConfig) -> None:
    nexus, grid, features = trained(config), normal(2, 5, 3, 7, seed=1), unit(2, 11, seed=2)
    made = nexus(grid, features)
    for b in range(2):
        tokens = grid[b].tolist()
        grids = [loops.coarser(tokens, 2**s) if s else tokens for s in range(config.scales)]
        whole = loops.hierarchical_windows(
            [looped_scale(nexus, each) for each in grids],
            nexus.scale_weights.tolist(),
            nexus.fusion_weights.tolist(),
            [looped_fusion(each) for each in nexus.fusion_networks],
        )
        read = linear(
            loops.pooled(whole), nexus.readout.weight.tolist(), nexus.readout.bias.tolist()
        )
        torch.testing.assert_close(made[b], tensor(read) - features[b])


def test_what_a_search_has_seen_can_be_learned_from() -> None:
    """Inference mode leaves nothing behind that gradients cannot pass."""
    nexus, grid, features = trained(), normal(2, 6, 4, 7, seed=1), unit(2, 11, seed=2)
    with torch.inference_mode():
        before = nexus(grid, features)
    after = nexus(grid, features)
    torch.autograd.backward(after.sum())
    torch.testing.assert_close(after.detach(), before.clone())
    assert nexus.key.up.weight.grad.abs().max().item() > 0


def test_the_default_windows_drop_something() -> None:
    """Otherwise the comparison with the loops would say nothing of the mask."""
    windows = trained().windows(normal(2, 5, 3, 7, seed=1))
    for threshold, attention in zip(windows.thresholds, windows.attentions, strict=True):
        assert 0 < threshold.min().item() < threshold.max().item() < 1
        torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, 5, 3).double())


def test_full_windows_without_a_threshold_are_dense_attention() -> None:
    """One scale, everything seen, nothing dropped: each direction is attention over all tokens."""
    config = replace(
        CONFIG, widest=10.0, width_start=10.0, thickness=10, scales=1, threshold_start=1e-12
    )
    torch.manual_seed(0)
    nexus, grid = Nexus(config).double().eval(), normal(2, 5, 3, 7, seed=1)
    made = nexus.hierarchy(grid)
    for b in range(2):
        tokens = grid[b].flatten(0, 1)
        units = (tokens / tokens.norm(dim=-1, keepdim=True)).tolist()
        queries = [[x * math.sqrt(7) / config.temperature_start for x in row] for row in units]
        dense = tensor(loops.dense_attention(queries, units, tokens.tolist()))
        looped = torch.cat([dense] * 3, dim=-1)
        torch.testing.assert_close(made[b].flatten(0, 1), looped, rtol=1e-5, atol=1e-6)


def test_it_starts_as_pooling_of_like_tokens_nearby() -> None:
    """An even grid stays what it is, and a window of one with one scale is the plain mean."""
    even = normal(2, 1, 1, 7, seed=1).expand(-1, 5, 3, -1)
    torch.manual_seed(0)
    nexus = Nexus(CONFIG).double().eval()
    made = nexus.hierarchy(even)
    torch.testing.assert_close(made, torch.cat([even] * 3, dim=-1), rtol=1e-6, atol=1e-6)
    square = replace(CONFIG, width=7, scales=1, width_start=1.0)
    grid, features = normal(2, 5, 3, 7, seed=2), unit(2, 7, seed=3)
    moved = features + Nexus(square).double().eval()(grid, features)
    torch.testing.assert_close(moved, grid.mean(dim=(1, 2)), rtol=1e-6, atol=1e-6)


def test_windows_denoise_at_the_start() -> None:
    """Two halves of a grid with noise: a token is nearer to its half's own after than before."""
    truth = torch.zeros(20, 6, 6, 7).double()
    truth[:, :, :3, 0] = 2
    truth[:, :, 3:, 1] = 2
    noisy = truth + 0.3 * normal(20, 6, 6, 7, seed=1)
    nexus = Nexus(replace(CONFIG, scales=1)).double().eval()
    made = nexus.hierarchy(noisy).unflatten(-1, (3, 7)).mean(dim=-2)
    before, after = ((each - truth).square().mean().item() for each in (noisy, made))
    assert after < before / 2


def test_before_its_readout_is_fitted_it_only_shortens() -> None:
    features = unit(2, 11, seed=2)
    made = Nexus(CONFIG).double().eval()(normal(2, 5, 3, 7, seed=1), features)
    assert torch.equal(made, -features)


def test_a_fitted_readout_predicts_what_the_grid_tells() -> None:
    """Features that are a linear map of what is read are found; a noise of theirs is not."""
    nexus, grid = trained(), normal(200, 3, 2, 7, seed=1)
    read = nexus.hierarchy(grid).mean(dim=(1, 2))
    features = (read @ normal(21, 11, seed=2) + 3).detach()
    nexus.fit_readout(grid, features, ridge=1e-9)
    residual = nexus(grid, features)
    assert residual.abs().max().item() < 1e-5
    unfitted = nexus.readout.weight.clone()
    nexus.fit_readout(grid, features, ridge=1e3)
    assert nexus.readout.weight.norm().item() < 0.01 * unfitted.norm().item()
    mean = nexus(grid, features) + features
    assert (mean - features.mean(dim=0)).abs().max().item() < 0.1 * features.std().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_image_does_not_see_another(dtype: torch.dtype) -> None:
    nexus = trained().to(dtype)
    grid, features = normal(64, 5, 3, 7, seed=1).to(dtype), unit(64, 11, seed=2).to(dtype)
    whole = nexus(grid, features)
    for size in (1, 8):
        parts = zip(grid.split(size), features.split(size), strict=True)
        made = torch.cat([nexus(part, vectors) for part, vectors in parts])
        torch.testing.assert_close(made, whole, atol=1e-5, rtol=0)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(nexus(grid[order], features[order]), whole[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (2, 1), (9, 4)])
def test_any_grid_will_do(rows: int, columns: int) -> None:
    """A grid smaller than a window, and one token, whose windows hold itself."""
    nexus, grid = trained(replace(CONFIG, scales=3)), normal(2, rows, columns, 7, seed=1)
    assert nexus(grid, unit(2, 11, seed=2)).isfinite().all().item()
    for attention in nexus.windows(grid).attentions:
        torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, rows, columns).double())


def test_the_scale_of_tokens_does_not_change_where_they_look() -> None:
    torch.manual_seed(0)
    nexus, grid = Nexus(CONFIG).double().eval(), normal(2, 5, 3, 7, seed=1)
    for a, b in zip(nexus.windows(grid), nexus.windows(grid * 100), strict=True):
        for first, second in zip(a, b, strict=True):
            torch.testing.assert_close(first, second)


def test_evaluation_is_deterministic_and_training_is_soft() -> None:
    nexus, grid, features = trained(), normal(2, 5, 3, 7, seed=1), unit(2, 11, seed=2)
    first = nexus(grid, features)
    assert torch.equal(nexus(grid, features), first)
    nexus.train()
    soft = nexus(grid, features)
    assert torch.equal(nexus(grid, features), soft)
    assert not torch.equal(soft, first)


def test_every_parameter_learns() -> None:
    """Layers behind a zero wait a step or two, and no more."""
    torch.manual_seed(0)
    nexus, grid = Nexus(CONFIG).double(), normal(13, 5, 3, 7, seed=1)
    features: Tensor = unit(13, 11, seed=2)
    nexus.fit_readout(grid, features)
    optimiser = torch.optim.Adam(nexus.parameters(), lr=0.03)
    losses = []
    for step in range(40):
        loss = nexus(grid, features).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        if step > 2:
            for name, parameter in nexus.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.abs().max() > 0, name
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]


def test_a_saved_module_gives_the_same() -> None:
    nexus, grid, features = trained(), normal(2, 5, 3, 7, seed=1), unit(2, 11, seed=2)
    other = Nexus(CONFIG).double().eval()
    other.load_state_dict(nexus.state_dict())
    assert torch.equal(other(grid, features), nexus(grid, features))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_is_no_grid_is_refused() -> None:
    nexus, features = Nexus(CONFIG), torch.zeros(2, 11)
    for empty in (torch.zeros(0, 3, 5, 7), torch.zeros(2, 0, 5, 7)):
        with pytest.raises(
            ValueError, match=r"^grid is empty, shape \(.*\): give at least one ima"
        ):
            nexus(empty, features)
    with pytest.raises(ValueError, match="^tokens have width 6, this NEXUS was built for 7$"):
        nexus(torch.zeros(2, 3, 5, 6), features)
    for call in (nexus.forward, nexus.fit_readout):
        with pytest.raises(ValueError, match=r"^features has shape \(1, 11\), expected \(2, 11\)$"):
            call(torch.zeros(2, 3, 5, 7), features[:1])
    with pytest.raises(ValueError, match="^ridge must be above 0, got 0.0$"):
        nexus.fit_readout(torch.zeros(2, 3, 5, 7), features, 0.0)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"token_width": 0}, "^token_width must be at least 1, got 0$"),
        ({"width": 0}, "^width must be at least 1, got 0$"),
        ({"thickness": 0}, "^thickness must be at least 1, got 0$"),
        ({"scales": 0}, "^scales must be at least 1, got 0$"),
        ({"hidden": 0}, "^hidden must be at least 1, got 0$"),
        ({"rank": 0}, "^rank must be at least 1, got 0$"),
        ({"narrowest": 0.5}, "^narrowest must be at least 1 and at most widest 7.0, got 0.5$"),
        ({"narrowest": 8.0}, "^narrowest must be at least 1 and at most widest 7.0, got 8.0$"),
        ({"width_start": 9.0}, "^width_start must be from 1.0 to 7.0, got 9.0$"),
        ({"softness": 0.0}, "^softness must be above 0, got 0.0$"),
        ({"temperature_start": -1.0}, "^temperature_start must be above 0, got -1.0$"),
        ({"threshold_start": 1.0}, "^threshold_start must be above 0 and below 1, got 1.0$"),
        ({"fusion_start": math.nan}, "^fusion_start must be above 0 and below 1, got nan$"),
    ],
)
@pytest.mark.usefixtures("without_shape_hook")
def test_configs_have_limits(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NexusConfig(**{"token_width": 7, "width": 11, **limits})
