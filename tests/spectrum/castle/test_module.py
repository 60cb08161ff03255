"""CASTLE as a whole: against its loops, where it starts, and on what an anchor's result depends."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from spectrum.castle.config import CastleConfig
from spectrum.castle.counterfactual import intervention_effects
from spectrum.castle.module import BLOCK, Castle
from tests.references import castle as loops
from tests.references.harmony import Matrix
from tests.spectrum.castle.neighbourhoods import (
    all_real,
    looped_network,
    looped_projection,
    masks,
    tensor,
)
from tests.spectrum.harmony.vectors import normal, unit

CONFIG = CastleConfig(width=7, levels=2, hidden=3, rank=2, threshold_start=0.15)


def trained(config: CastleConfig = CONFIG) -> Castle:
    """As training might leave it: no parameter where it started."""
    torch.manual_seed(0)
    castle = Castle(config).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in castle.parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.add_(0.3 * noise)
    return castle


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def looped(castle: Castle, features: Matrix) -> tuple[list[float], list[list[float]]]:
    """The residual of one neighbourhood of real members, and Delta."""
    sharpness = math.exp(castle.log_sharpness.item())
    query, key, value = map(looped_projection, (castle.query, castle.key, castle.value))

    def attention(rows: Matrix) -> list[list[float]]:
        mask = loops.causal_mask(rows, rows, looped_network(castle.difference_network))
        queries = [[sharpness * x for x in query(row)] for row in rows]
        return loops.causal_attention(queries, [key(row) for row in rows], mask)

    def outputs(rows: Matrix) -> list[list[float]]:
        return loops.attended(attention(rows), [value(row) for row in rows])

    standard = attention(features)
    for threshold, kept in zip(
        castle.threshold_logits.tolist(), castle.kept_share_logits.tolist(), strict=True
    ):
        edges = loops.edge_weights(standard, sigmoid(threshold))
        standard = loops.next_level(standard, edges, sigmoid(kept))
    effects = loops.intervention_effects(features, [loops.mean(features)] * len(features), outputs)
    beta = math.exp(castle.log_effect_temperature.item())
    mixed = loops.mixed_attention(
        standard,
        loops.counterfactual_attention(effects, beta),
        sigmoid(castle.standard_share_logit.item()),
    )
    made = loops.attended(mixed[:1], [value(row) for row in features])[0]
    return [a - b for a, b in zip(made, features[0], strict=True)], effects


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_the_residual_and_the_influences_equal_the_loops(levels: int) -> None:
    castle = trained(replace(CONFIG, levels=levels))
    features = unit(2, 5, 7, seed=1)
    made, influences = castle(features, all_real(2, 5)), castle.influences(features, all_real(2, 5))
    for b in range(2):
        residual, effects = looped(castle, features[b].tolist())
        torch.testing.assert_close(made[b], tensor(residual), atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(influences[b], tensor(effects)[:, 0], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("training", [False, True])
def test_watching_the_anchor_alone_leaves_its_intervention_as_it_is(training: bool) -> None:
    castle, features, real = trained().train(training), unit(3, 5, 7, seed=1), masks(*["11101"] * 3)
    made = []
    for watched in (1, None):
        torch.manual_seed(0)
        given = castle.intervention(features, real, watched=watched)
        made.append(intervention_effects(given, real)[:, :, 0])
    torch.testing.assert_close(made[0], made[1], atol=1e-12, rtol=1e-10)


def test_without_gradients_blocks_give_the_same() -> None:
    castle, features = trained(), unit(2 * BLOCK + 3, 5, 7, seed=1)
    real = all_real(len(features), 5)
    whole = castle(features, real).detach()
    with torch.inference_mode():
        torch.testing.assert_close(castle(features, real), whole, atol=1e-12, rtol=1e-10)


def test_a_mask_network_that_has_not_learned_is_the_constant_of_its_bias() -> None:
    castle, features, real = trained(), unit(3, 5, 7, seed=1), all_real(3, 5)
    *_, last_weight, last_bias = castle.difference_network.parameters()
    with torch.no_grad():
        last_weight.zero_()
    run = castle(features, real).detach()
    with torch.no_grad():
        torch.testing.assert_close(castle(features, real), run, atol=1e-12, rtol=1e-10)
        last_bias.add_(0.5)
        assert (castle(features, real) - run).abs().max().item() > 1e-6


def query_expansion(features: Tensor, temperature: float) -> Tensor:
    """Similarity-weighted averages of the neighbourhood, by hand."""
    logits = (features @ features[:, :1].mT)[..., 0] / temperature
    return (logits.softmax(dim=-1)[:, None] @ features)[:, 0]


def test_it_starts_as_query_expansion_when_its_shares_say_so() -> None:
    plain = replace(CONFIG, kept_share_start=1 - 1e-9, standard_share_start=1 - 1e-9)
    castle, features = Castle(plain).double().eval(), unit(3, 5, 7, seed=1)
    expected = query_expansion(features, plain.temperature_start) - features[:, 0]
    torch.testing.assert_close(castle(features, all_real(3, 5)), expected, atol=1e-6, rtol=1e-6)


def clusters() -> tuple[Tensor, Tensor]:
    """Twelve noisy images of each of five kinds, and what each is of."""
    kinds = torch.arange(60) % 5
    features = functional.normalize(
        unit(5, 31, seed=1)[kinds] + 0.25 * normal(60, 31, seed=2), dim=1
    )
    return features, kinds


def same_kind_above_others(queries: Tensor, database: Tensor, same: Tensor) -> float:
    """The part of (same, other) pairs that the similarity puts in the right order; no own image."""
    similarity = functional.normalize(queries, dim=1) @ functional.normalize(database, dim=1).T
    itself = torch.eye(len(same), dtype=torch.bool)
    wins = similarity[:, :, None] > similarity[:, None, :]
    counted = (same & ~itself)[:, :, None] & ~same[:, None, :]
    return wins[counted].double().mean().item()


def test_at_its_start_it_does_what_query_expansion_does() -> None:
    """Close to it with the default shares, and it lifts the ranking of noisy kinds as it does."""
    features, kinds = clusters()
    neighbours = (features @ features.T).topk(9, dim=1).indices
    neighbourhoods = features[neighbours]
    castle = Castle(CastleConfig(width=31)).double().eval()
    moved = features + castle(neighbourhoods, all_real(60, 9))
    expanded = query_expansion(neighbourhoods, CastleConfig(width=31).temperature_start)
    assert functional.cosine_similarity(moved, expanded, dim=1).min().item() > 0.99
    same = kinds[:, None] == kinds
    before = same_kind_above_others(features, features, same)
    after = same_kind_above_others(moved, features, same)
    assert before < 0.95
    assert after > before + 0.02


def test_an_image_alone_stays_where_it_is_at_the_start() -> None:
    features = unit(3, 1, 7, seed=1)
    castle = Castle(CONFIG).double().eval()
    zero = torch.zeros(3, 7, dtype=torch.float64)
    torch.testing.assert_close(castle(features, all_real(3, 1)), zero, atol=1e-12, rtol=0)
    crowd = torch.cat([features, normal(3, 4, 7, seed=2)], dim=1)
    alone = castle(crowd, masks("10000", "10000", "10000"))
    torch.testing.assert_close(alone, zero, atol=1e-12, rtol=0)


def test_equal_images_stay_where_they_are() -> None:
    """A neighbourhood of duplicates has nothing to move to, and no intervention moves it."""
    features = unit(2, 1, 7, seed=1).expand(-1, 5, -1)
    castle = Castle(CONFIG).double().eval()
    zero = torch.zeros(2, 7, dtype=torch.float64)
    torch.testing.assert_close(castle(features, all_real(2, 5)), zero, atol=1e-12, rtol=0)
    assert castle.influences(features, all_real(2, 5)).max().item() < 1e-28


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_anchor_does_not_see_other_anchors(dtype: torch.dtype) -> None:
    castle, features = trained().to(dtype), unit(64, 5, 7, seed=1).to(dtype)
    real = torch.rand(64, 5, generator=torch.Generator().manual_seed(0)) < 0.7
    real[:, 0] = True
    whole = castle(features, real)
    for size in (1, 8):
        parts = zip(features.split(size), real.split(size), strict=True)
        made = torch.cat([castle(part, mask) for part, mask in parts])
        torch.testing.assert_close(made, whole, atol=1e-5, rtol=0)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        castle(features[order], real[order]), whole[order], atol=1e-5, rtol=0
    )


def test_the_order_of_the_neighbours_does_not_matter() -> None:
    castle, features, real = trained(), unit(2, 5, 7, seed=1), masks("11101", "11011")
    made = castle(features, real)
    influences = castle.influences(features, real)
    for order in ([0, 4, 2, 1, 3], [0, 2, 1, 4, 3]):
        shuffled = features[:, order], real[:, order]
        torch.testing.assert_close(castle(*shuffled), made)
        torch.testing.assert_close(castle.influences(*shuffled), influences[:, order])


def test_members_that_are_not_real_change_nothing() -> None:
    castle, features, real = trained(), unit(2, 5, 7, seed=1), masks("11100", "10111")
    made = castle(features, real)
    loud = features.masked_fill(~real[:, :, None], 50.0)
    torch.testing.assert_close(castle(loud, real), made)
    without = castle(features[:1, :3], all_real(1, 3))
    torch.testing.assert_close(without, made[:1])
    assert castle.influences(loud, real)[~real].tolist() == [0, 0, 0]


def test_the_most_influential_neighbour_is_the_one_that_no_other_stands_in_for() -> None:
    """Four neighbours equally like the anchor, three of them the same: the fourth counts most."""
    same, other = [0.8, 0.6, 0, 0, 0, 0, 0], [0.8, -0.6, 0, 0, 0, 0, 0]
    features = tensor([[[1.0, 0, 0, 0, 0, 0, 0], same, same, other, same]])
    influences = Castle(CONFIG).double().eval().influences(features, all_real(1, 5))[0]
    assert influences[1:].argmax().item() == 2
    assert influences[3].item() > 4 * influences[1].item()
    torch.testing.assert_close(influences[[1, 2]], influences[[2, 4]])


def test_evaluation_is_deterministic_and_training_draws_noise() -> None:
    castle, features = trained(), unit(2, 5, 7, seed=1)
    first = castle(features, all_real(2, 5))
    assert torch.equal(castle(features, all_real(2, 5)), first)
    castle.train()
    drawn = castle(features, all_real(2, 5))
    assert not torch.equal(castle(features, all_real(2, 5)), drawn)
    assert (drawn - first).abs().max().item() < 0.2
    ablating = trained(replace(CONFIG, perturbation="ablate")).train()
    torch.testing.assert_close(ablating(features, all_real(2, 5)), first)


def test_every_parameter_learns() -> None:
    """Layers behind a zero wait one step, and no more."""
    torch.manual_seed(0)
    castle, features = Castle(CONFIG).double(), unit(11, 5, 7, seed=1)
    optimiser = torch.optim.SGD(castle.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        loss = (features[:, 0] + castle(features, all_real(11, 5)) - features[:, 1]).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        if len(losses) > 1:
            for name, parameter in castle.named_parameters():
                assert isinstance(parameter.grad, Tensor), name
                assert parameter.grad.abs().max().item() > 0, name
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]


def test_the_graph_is_used() -> None:
    """With another share for its levels the result is another."""
    features, made = unit(2, 5, 7, seed=1), []
    for share in (0.1, 0.9):
        castle = Castle(replace(CONFIG, kept_share_start=share)).double().eval()
        made.append(castle(features, all_real(2, 5)))
    assert (made[0] - made[1]).abs().max().item() > 1e-3


def test_a_saved_module_gives_the_same() -> None:
    castle, features = trained(), unit(2, 5, 7, seed=1)
    other = Castle(CONFIG).double().eval()
    other.load_state_dict(castle.state_dict())
    assert torch.equal(other(features, all_real(2, 5)), castle(features, all_real(2, 5)))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_is_no_neighbourhood_is_refused() -> None:
    castle = Castle(CONFIG)
    features = torch.zeros(2, 5, 7)
    with pytest.raises(
        ValueError,
        match="^member_mask hides the anchor of neighbourhood 1: member 0 is the image itself$",
    ):
        castle(features, masks("11111", "01111"))
    with pytest.raises(ValueError, match="^member_mask hides the anchor of neighbourhood 0: "):
        castle.influences(features, masks("00000", "11111"))
    for empty in (features[:0], features[:, :0]):
        with pytest.raises(
            ValueError, match=r"^features is empty, shape \(.*\): give at least one"
        ):
            castle(empty, all_real(*empty.shape[:2]))
    with pytest.raises(
        ValueError, match=r"^member_mask has shape \(2, 4\) and features \(2, 5, 7\): give one fl"
    ):
        castle(features, all_real(2, 4))
    with pytest.raises(ValueError, match=r"^features have width 7, this CASTLE was built for 6$"):
        Castle(replace(CONFIG, width=6))(features, all_real(2, 5))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"width": 0}, "^width must be at least 1, got 0$"),
        ({"levels": -1}, "^levels must be at least 0, got -1$"),
        ({"hidden": 0}, "^hidden must be at least 1, got 0$"),
        ({"rank": 0}, "^rank must be at least 1, got 0$"),
        ({"temperature_start": 0.0}, "^temperature_start must be above 0, got 0.0$"),
        ({"effect_temperature_start": math.nan}, "^effect_temperature_start must be above 0, got"),
        ({"noise": -1.0}, "^noise must be above 0, got -1.0$"),
        ({"threshold_start": 0.0}, "^threshold_start must be above 0 and below 1, got 0.0$"),
        ({"kept_share_start": 1.0}, "^kept_share_start must be above 0 and below 1, got 1.0$"),
        ({"standard_share_start": 2.0}, "^standard_share_start must be above 0 and below 1, got"),
        ({"perturbation": "swap"}, "^perturbation must be 'ablate' or 'noise', got 'swap'$"),
    ],
)
@pytest.mark.usefixtures("without_shape_hook")
def test_configs_have_limits(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CastleConfig(**{"width": 7, **limits})
