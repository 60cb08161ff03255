"""ORACLE as a whole: against its loops, where it starts, and on what an anchor's result depends."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from spectrum.oracle.config import OracleConfig
from spectrum.oracle.module import Oracle
from tests.references import oracle as loops
from tests.references.contrast import dot, softmax
from tests.references.harmony import Matrix
from tests.spectrum.harmony.vectors import normal, unit
from tests.spectrum.oracle.scenes import (
    boxes,
    flags,
    looped_layers,
    looped_projection,
    scene,
    tensor,
    unsettled,
)

CONFIG = OracleConfig(token_width=11, width=7, relation_width=3, hidden=5, rank=2)


def trained(config: OracleConfig = CONFIG) -> Oracle:
    """As training might leave it: no parameter where it started."""
    torch.manual_seed(0)
    return unsettled(Oracle(config)).eval()


def started(config: OracleConfig = CONFIG) -> Oracle:
    torch.manual_seed(0)
    return Oracle(config).double().eval()


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def looped(
    oracle: Oracle, own: Matrix, around: Matrix, given: Matrix, image: list[float]
) -> list[float]:
    """The residual of one anchor whose objects, and those of its neighbours, are all real."""
    sharpness = math.exp(oracle.log_sharpness.item())
    query, key = looped_projection(oracle.query), looped_projection(oracle.key)
    attention = loops.object_attention(
        [[sharpness * x for x in query(thing)] for thing in own], [key(thing) for thing in own]
    )
    things = loops.object_branch(own, attention, looped_projection(oracle.object_network))
    related = loops.relation_branch(
        loops.pair_relations(own, given), looped_layers(oracle.relation_network)
    )
    things, related = loops.exchanged_branches(
        things,
        related,
        oracle.exchange_strengths.tolist(),
        [looped_layers(network) for network in oracle.exchange_networks],
    )
    asks, answers = (
        looped_projection(oracle.context_query),
        looped_projection(oracle.context_key),
    )
    tau = math.exp(oracle.log_context_temperature.item())

    def context(objects: Matrix) -> list[list[float]]:
        scores = [[loops.cosine(asks(thing), answers(o)) for o in objects] for thing in things]
        everyone = [range(len(objects))] * len(things)
        return loops.context_features(loops.context_weights(scores, everyone, tau), objects)

    final = context(own)
    if around:
        beta = sigmoid(oracle.local_share_logit.item())
        final = loops.balanced_context(final, context(around), beta)
    importance = looped_layers(oracle.importance_network)
    weights = softmax([importance([*a, *b])[0] for a, b in zip(things, related, strict=True)])
    alpha = sigmoid(oracle.image_share_logit.item())
    made = loops.hierarchical_features(image, final, weights, alpha)
    return [a - b for a, b in zip(made, image, strict=True)]


@pytest.mark.parametrize("members", [1, 3])
def test_the_residual_equals_the_loops(members: int) -> None:
    oracle, (objects, given, real, features) = trained(), scene(members=members)
    made = oracle(objects, given, real, features)
    for b in range(2):
        residual = looped(
            oracle,
            objects[b, 0].tolist(),
            objects[b, 1:].flatten(0, 1).tolist(),
            given[b].tolist(),
            features[b].tolist(),
        )
        torch.testing.assert_close(made[b], tensor(residual), atol=1e-10, rtol=1e-10)


def test_objects_equal_the_loop_and_have_unit_length() -> None:
    oracle, grid = trained(), normal(2, 3, 5, 11, seed=1)
    given = tensor([[[0.0, 0, 1, 1], [0.2, 1 / 3, 0.6, 2 / 3]]] * 2)
    made = oracle.objects(grid, given)
    weights, biases = oracle.readout.weight.tolist(), oracle.readout.bias.tolist()

    def network(token: Any) -> list[float]:
        said = [dot(row, token) + bias for row, bias in zip(weights, biases, strict=True)]
        return [x / math.sqrt(dot(said, said)) for x in said]

    for b in range(2):
        rows = loops.object_features(grid[b].tolist(), given[b].tolist(), network)
        torch.testing.assert_close(made[b], tensor(rows))
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(2, 2).double())


def test_it_starts_as_the_mean_of_the_objects() -> None:
    """Exactly where context is the object itself; closely with the defaults and unlike objects."""
    objects, given, real, features = scene()
    sharp = replace(
        CONFIG,
        attention_temperature_start=1e-3,
        context_temperature_start=1e-3,
        local_share_start=1 - 1e-9,
    )
    moved = features + 2 * started(sharp)(objects, given, real, features)
    torch.testing.assert_close(moved, objects[:, 0].mean(dim=1), rtol=1e-6, atol=1e-6)
    moved = features + 2 * started()(objects[:, :1], given, real[:, :1], features)
    mean = objects[:, 0].mean(dim=1)
    assert functional.cosine_similarity(moved, mean, dim=1).min().item() > 0.95


def test_an_image_without_objects_stays_bit_for_bit() -> None:
    oracle, (objects, given, real, features) = trained(), scene()
    zero = torch.zeros(2, 7).double()
    assert torch.equal(oracle(objects[:, :, :0], given[:, :0], real[:, :, :0], features), zero)
    real[:, 0] = False
    assert torch.equal(oracle(objects, given, real, features), zero)


def test_one_object_is_its_own_context() -> None:
    oracle, (objects, given, real, features) = started(), scene(members=1, objects=1)
    made = oracle(objects, given, real, features)
    torch.testing.assert_close(made, (objects[:, 0, 0] - features) / 2)


def test_objects_that_are_not_real_change_nothing() -> None:
    oracle, (objects, given, _, features) = trained(), scene()
    own, around = flags("11010", "10111"), flags("01110", "11111")
    real = torch.stack([own, around, torch.zeros_like(own)], dim=1)
    made = oracle(objects, given, real, features)
    loud = objects.masked_fill(~real[..., None], 50.0)
    elsewhere = given.clone()
    elsewhere[~own] = tensor([0.9, 0.9, 0.9, 1.0])
    torch.testing.assert_close(oracle(loud, elsewhere, real, features), made)
    kept = torch.tensor([0, 1, 3])
    alone = oracle.branches(objects[:1, 0, kept], given[:1, kept], flags("111"))
    whole = oracle.branches(objects[:, 0], given, own)
    for few, many in zip(alone, whole, strict=True):
        torch.testing.assert_close(many[:1, kept], few)
    without = oracle(objects[:, :2], given, real[:, :2], features)
    torch.testing.assert_close(without, made)


def test_permuting_objects_permutes_outputs() -> None:
    """The branches follow, and the anchor's result stays."""
    oracle, (objects, given, real, features) = trained(), scene()
    real[0, 0, 3] = False
    made, branches = (
        oracle(objects, given, real, features),
        oracle.branches(objects[:, 0], given, real[:, 0]),
    )
    for order in ([4, 2, 0, 1, 3], [1, 0, 2, 4, 3]):
        shuffled = objects[:, :, order], given[:, order], real[:, :, order]
        torch.testing.assert_close(oracle(*shuffled, features), made)
        moved = oracle.branches(objects[:, 0, order], given[:, order], real[:, 0, order])
        for first, second in zip(branches, moved, strict=True):
            torch.testing.assert_close(second, first[:, order])


def test_the_order_of_the_neighbours_does_not_matter() -> None:
    oracle, (objects, given, real, features) = trained(), scene(members=4)
    real[1, 2] = False
    made = oracle(objects, given, real, features)
    for order in ([0, 3, 1, 2], [0, 2, 3, 1]):
        torch.testing.assert_close(oracle(objects[:, order], given, real[:, order], features), made)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_anchor_does_not_see_other_anchors(dtype: torch.dtype) -> None:
    oracle = trained().to(dtype)
    objects, given, _, features = (each.to(dtype) for each in scene(anchors=64))
    real = torch.rand(64, 3, 5, generator=torch.Generator().manual_seed(0)) < 0.6
    whole = oracle(objects, given, real, features)
    given_all = objects, given, real, features
    for size in (1, 8):
        parts = zip(*(each.split(size) for each in given_all), strict=True)
        made = torch.cat([oracle(*part) for part in parts])
        torch.testing.assert_close(made, whole, atol=1e-5, rtol=0)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    shuffled: list[Tensor] = [each[order] for each in given_all]
    torch.testing.assert_close(oracle(*shuffled), whole[order], atol=1e-5, rtol=0)


def test_neighbours_with_the_same_object_move_an_image_towards_it() -> None:
    """One thing in common with every neighbour: context brings it forward, at the start."""
    common = unit(1, 7, seed=9)
    objects, given, real, features = scene(anchors=1, members=5, objects=2)
    objects[:, 0, 0] = common
    objects[:, 1:] = functional.normalize(common + 0.2 * normal(1, 4, 2, 7, seed=8), dim=-1)
    oracle = started()
    alone = features + oracle(objects[:, :1], given, real[:, :1], features)
    together = features + oracle(objects, given, real, features)
    before, after = (
        functional.cosine_similarity(each, common).item() for each in (alone, together)
    )
    assert after > before + 0.02


def test_before_its_readout_is_fitted_it_only_shortens() -> None:
    oracle, features = started(), unit(2, 7, seed=1)
    objects = oracle.objects(normal(2, 3, 5, 11, seed=2), boxes(2, 3, seed=3))
    real = torch.ones(2, 1, 3, dtype=torch.bool)
    made = oracle(objects[:, None], boxes(2, 3, seed=3), real, features)
    torch.testing.assert_close(made, -features / 2)


def test_a_fitted_readout_takes_the_whole_frame_to_the_stored_vector() -> None:
    oracle, grid = trained(), normal(200, 3, 2, 11, seed=1)
    features = functional.normalize(grid.mean(dim=(1, 2)) @ normal(11, 7, seed=2), dim=-1)
    oracle.fit_readout(grid, features, ridge=1e-6)
    whole = tensor([0.0, 0, 1, 1]).expand(200, 1, -1)
    found = oracle.objects(grid, whole)[:, 0]
    assert (found * features).sum(dim=-1).mean().item() > 0.95


def test_every_parameter_learns() -> None:
    """Layers behind a zero wait a step or two, and no more; R learns where objects are made."""
    torch.manual_seed(0)
    oracle, grid = Oracle(CONFIG).double(), normal(13, 3, 3, 5, 11, seed=1)
    features, targets, given = unit(13, 7, seed=2), unit(13, 7, seed=3), boxes(39, 5, seed=4)
    oracle.fit_readout(grid[:, 0], features)
    optimiser = torch.optim.Adam(oracle.parameters(), lr=0.03)
    losses, real = [], torch.ones(13, 3, 5, dtype=torch.bool)
    for step in range(40):
        objects = oracle.objects(grid.flatten(0, 1), given).unflatten(0, (13, 3))
        residual = oracle(objects, given.unflatten(0, (13, 3))[:, 0], real, features)
        loss = (features + residual - targets).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        if step > 2:
            for name, parameter in oracle.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.abs().max() > 0, name
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]


def test_a_saved_module_gives_the_same_again_and_again() -> None:
    oracle, given = trained(), scene()
    other = started()
    other.load_state_dict(oracle.state_dict())
    assert torch.equal(other(*given), oracle(*given))
    assert torch.equal(oracle(*given), oracle(*given))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    oracle, (objects, given, real, features) = Oracle(CONFIG), scene()
    for empty in (objects[:0], objects[:, :0]):
        with pytest.raises(
            ValueError, match=r"^objects are of no image, shape \(.*\): give at leas"
        ):
            oracle(empty, given, real, features)
    with pytest.raises(ValueError, match="^objects have width 6, this ORACLE was built for 7$"):
        oracle(objects[..., :6], given, real, features)
    with pytest.raises(
        ValueError, match=r"^object_mask has shape \(2, 2, 5\), expected \(2, 3, 5\)$"
    ):
        oracle(objects, given, real[:, :2], features)
    with pytest.raises(ValueError, match=r"^boxes has shape \(2, 4, 4\), expected \(2, 5, 4\)$"):
        oracle(objects, given[:, :4], real, features)
    with pytest.raises(ValueError, match=r"^features has shape \(1, 7\), expected \(2, 7\)$"):
        oracle(objects, given, real, features[:1])
    with pytest.raises(
        ValueError, match=r"^grid is empty, shape \(2, 0, 5, 11\): give at least one"
    ):
        oracle.objects(torch.zeros(2, 0, 5, 11), given)
    with pytest.raises(ValueError, match="^tokens have width 6, this ORACLE was built for 11$"):
        oracle.fit_readout(torch.zeros(2, 3, 5, 6), features)
    with pytest.raises(ValueError, match="^ridge must be above 0, got -1.0$"):
        oracle.fit_readout(torch.zeros(2, 3, 5, 11), features, -1.0)
