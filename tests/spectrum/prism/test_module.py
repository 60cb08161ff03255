"""PRISM as a whole: against its loops, where it starts, and on what an anchor's result depends."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from spectrum.prism.config import PrismConfig
from spectrum.prism.module import Prism
from tests.references import prism as loops
from tests.references.harmony import Matrix
from tests.spectrum.harmony.vectors import normal, unit
from tests.spectrum.prism.networks import looped_intent, looped_projection, looped_prompt, unsettle

CONFIG = PrismConfig(width=7, semantic_width=5, hidden=3, rank=2)


def trained() -> Prism:
    return unsettle(fresh())


def fresh(config: PrismConfig = CONFIG) -> Prism:
    torch.manual_seed(0)
    return Prism(config).double().eval()


def tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def all_real(anchors: int, members: int) -> Tensor:
    return torch.ones(anchors, members, dtype=torch.bool)


def masks(*rows: str) -> Tensor:
    return torch.tensor([[letter == "1" for letter in row] for row in rows])


def looped_residual(prism: Prism, features: Matrix, prompts: Matrix) -> list[float]:
    base = loops.base_weights(features, math.exp(prism.log_base_temperature.item()))
    gain = math.log(1 + math.exp(prism.gain_logit.item()))
    weights = loops.semantic_weights(base, loops.semantic_similarity(prompts), gain)[0]
    positive = [max(0.0, weight) for weight in weights]
    residual = [-value for value in features[0]]
    for weight, prompt, vector in zip(positive, prompts, features, strict=True):
        for d, value in enumerate([*prompt, *vector[len(prompt) :]]):
            residual[d] += weight / sum(positive) * value
    return residual


@pytest.mark.parametrize("gain", [0.2, 6.0])
def test_the_residual_equals_the_loop(gain: float) -> None:
    prism = trained()
    with torch.no_grad():
        prism.gain_logit.fill_(gain)
    features, prompts = unit(2, 5, 7, seed=1), normal(2, 5, 5, seed=2)
    made = prism(features, prompts, all_real(2, 5))
    for b in range(2):
        looped = looped_residual(prism, features[b].tolist(), prompts[b].tolist())
        torch.testing.assert_close(made[b], tensor(looped))


def test_prompts_and_intents_equal_the_loops() -> None:
    prism, visual, textual = trained(), unit(11, 5, seed=1), unit(11, 5, seed=2)
    looped = loops.prompt_embeddings(
        visual.tolist(), textual.tolist(), looped_prompt(prism.prompt_network)
    )
    torch.testing.assert_close(prism.prompts(visual, textual), tensor(looped))
    features, delta = unit(11, 7, seed=3), prism.strength.item()
    for strength in (None, 0.2):
        looped = loops.intended_features(
            features.tolist(),
            textual.tolist(),
            delta if strength is None else strength,
            looped_intent(prism.intent_network),
        )
        torch.testing.assert_close(prism.intended(features, textual, strength), tensor(looped))


def test_the_alignment_equals_the_loops() -> None:
    prism, visual, textual = trained(), unit(11, 5, seed=1), unit(11, 5, seed=2)
    made = prism.alignment(visual, textual)
    sharpness = math.exp(prism.log_sharpness.item())

    def projected(rows: Tensor, by: Any, scale: float) -> Matrix:
        return [[scale * value for value in looped_projection(by)(row)] for row in rows.tolist()]

    to_text = loops.attention(
        projected(visual, prism.visual_query, sharpness), projected(textual, prism.textual_key, 1)
    )
    to_image = loops.attention(
        projected(textual, prism.textual_query, sharpness), projected(visual, prism.visual_key, 1)
    )
    torch.testing.assert_close(made.visual_to_textual, tensor(to_text))
    torch.testing.assert_close(made.textual_to_visual, tensor(to_image))
    assert made.loss.item() == pytest.approx(loops.alignment_loss(to_text, to_image, 1.0))


def test_its_attention_starts_as_similarity_over_a_temperature() -> None:
    visual, textual = unit(11, 5, seed=1), unit(11, 5, seed=2)
    made = fresh().alignment(visual, textual)
    torch.testing.assert_close(made.visual_to_textual, (visual @ textual.T / 0.07).softmax(dim=1))
    torch.testing.assert_close(made.textual_to_visual, (textual @ visual.T / 0.07).softmax(dim=1))


def test_an_image_alone_moves_to_its_prompt() -> None:
    features, textual = unit(3, 1, 7, seed=1), unit(3, 1, 5, seed=2)
    prism = fresh()
    prompts = prism.prompts(features[..., :5], textual)
    moved = features[:, 0] + prism(features, prompts, all_real(3, 1))
    expected = 0.75 * features[:, 0, :5] + 0.25 * textual[:, 0]
    torch.testing.assert_close(moved[:, :5], expected)
    torch.testing.assert_close(moved[:, 5:], features[:, 0, 5:])


def test_it_starts_as_a_mean_by_likeness_of_sight_and_words() -> None:
    features, prompts = unit(2, 5, 7, seed=1), unit(2, 5, 5, seed=2)
    seen = (features[:, :1] @ features.mT * 3).exp() * (1 + prompts[:, :1] @ prompts.mT)
    values = torch.cat([prompts, features[..., 5:]], dim=-1)
    expected = (seen / seen.sum(dim=-1, keepdim=True) @ values)[:, 0] - features[:, 0]
    torch.testing.assert_close(fresh()(features, prompts, all_real(2, 5)), expected)


def test_of_two_neighbours_that_look_alike_the_one_described_alike_counts_more() -> None:
    features = tensor([[[1.0, 0, 0], [0.6, 0.8, 0], [0.6, -0.8, 0]]])
    prompts = tensor([[[1.0, 0, 0], [1.0, 0.1, 0], [-1.0, 0.1, 0]]])
    prism = fresh(replace(CONFIG, width=3, semantic_width=3))
    there = prism(features, prompts, all_real(1, 3))
    mirrored = prism(features, prompts[:, [0, 2, 1]], all_real(1, 3))
    assert there[0, 0].item() > -0.2
    torch.testing.assert_close(mirrored[0, 0], there[0, 0])
    weights = there[0, 1] / 0.1
    # Only described alike: the opposite description leaves it no weight at all (gamma = 1).
    near = math.exp(1.8) * (1 + 1 / math.sqrt(1.01))
    opposite = math.exp(1.8) * (1 - 1 / math.sqrt(1.01))
    expected = (near + opposite) / (near + opposite + 2 * math.exp(3))
    assert weights.item() == pytest.approx(expected)
    assert near / (near + opposite) > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_anchor_does_not_see_other_anchors(dtype: torch.dtype) -> None:
    prism = trained().to(dtype)
    features, prompts = unit(64, 5, 7, seed=1).to(dtype), normal(64, 5, 5, seed=2).to(dtype)
    real = torch.rand(64, 5, generator=torch.Generator().manual_seed(0)) < 0.7
    real[:, 0] = True
    whole = prism(features, prompts, real)
    for size in (1, 8):
        parts = zip(features.split(size), prompts.split(size), real.split(size), strict=True)
        made = torch.cat([prism(*part) for part in parts])
        torch.testing.assert_close(made, whole, atol=1e-5, rtol=0)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    shuffled = prism(features[order], prompts[order], real[order])
    torch.testing.assert_close(shuffled, whole[order], atol=1e-5, rtol=0)


def test_the_order_of_the_neighbours_does_not_matter() -> None:
    prism, features, prompts = trained(), unit(2, 5, 7, seed=1), normal(2, 5, 5, seed=2)
    real = masks("11101", "11011")
    made = prism(features, prompts, real)
    for order in ([0, 4, 2, 1, 3], [0, 2, 1, 4, 3]):
        shuffled = prism(features[:, order], prompts[:, order], real[:, order])
        torch.testing.assert_close(shuffled, made)


def test_members_that_are_not_real_change_nothing() -> None:
    prism, features, prompts = trained(), unit(2, 5, 7, seed=1), normal(2, 5, 5, seed=2)
    real = masks("11100", "10111")
    made = prism(features, prompts, real)
    hidden = ~real[:, :, None]
    loud = prism(features.masked_fill(hidden, 50.0), prompts.masked_fill(hidden, 50.0), real)
    torch.testing.assert_close(loud, made)
    without = prism(features[:1, :3], prompts[:1, :3], all_real(1, 3))
    torch.testing.assert_close(without, made[:1])


def test_evaluation_is_deterministic_and_training_drops_units() -> None:
    prism, visual, textual = trained(), unit(11, 5, seed=1), unit(11, 5, seed=2)
    first = prism.prompts(visual, textual)
    assert torch.equal(prism.prompts(visual, textual), first)
    prism.train()
    assert not torch.equal(prism.prompts(visual, textual), first)


def test_every_parameter_learns() -> None:
    """Layers behind a zero wait one step, and no more."""
    prism = fresh(replace(CONFIG, dropout=0.0)).train()
    features, textual, intent = unit(11, 5, 7, seed=1), unit(11, 5, 5, seed=2), unit(11, 5, seed=3)
    optimiser = torch.optim.SGD(prism.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        prompts = prism.prompts(features[..., :5], textual)
        moved = features[:, 0] + prism(features, prompts, all_real(11, 5))
        wanted = prism.intended(moved, intent)
        aligned = prism.alignment(features[:, 0, :5], textual[:, 0]).loss
        loss = (wanted - features[:, 1]).square().mean() + 0.01 * aligned
        losses.append(loss.item())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        if len(losses) > 1:
            for name, parameter in prism.named_parameters():
                assert isinstance(parameter.grad, Tensor), name
                assert parameter.grad.abs().max().item() > 0, name
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]


def test_a_gain_above_one_stays_a_distribution_and_keeps_its_start() -> None:
    prism = fresh(replace(CONFIG, gain_start=4.0))
    assert functional.softplus(prism.gain_logit).item() == pytest.approx(4)
    features, prompts = unit(2, 5, 7, seed=1), normal(2, 5, 5, seed=2)
    made = prism(features, prompts, all_real(2, 5))
    looped = [looped_residual(prism, features[b].tolist(), prompts[b].tolist()) for b in range(2)]
    torch.testing.assert_close(made, tensor(looped))


def test_a_saved_module_gives_the_same() -> None:
    prism, other = trained(), fresh()
    other.load_state_dict(prism.state_dict())
    features, prompts = unit(2, 5, 7, seed=1), normal(2, 5, 5, seed=2)
    real = all_real(2, 5)
    assert torch.equal(other(features, prompts, real), prism(features, prompts, real))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_is_no_neighbourhood_is_refused() -> None:
    prism = Prism(CONFIG)
    features, prompts = torch.zeros(2, 5, 7), torch.zeros(2, 5, 5)
    with pytest.raises(
        ValueError,
        match="^member_mask hides the anchor of neighbourhood 1: member 0 is the image itself$",
    ):
        prism(features, prompts, masks("11111", "00000"))
    for empty in (features[:0], features[:, :0]):
        with pytest.raises(
            ValueError, match=r"^features is empty, shape \(.*\): give at least one"
        ):
            prism(empty, prompts, all_real(*empty.shape[:2]))
    with pytest.raises(ValueError, match=r"^prompts has shape \(2, 4, 5\), expected \(2, 5, 5\)$"):
        prism(features, prompts[:, :4], all_real(2, 5))
    with pytest.raises(
        ValueError, match=r"^member_mask has shape \(2, 4\) and features \(2, 5, 7\): give one fl"
    ):
        prism(features, prompts, all_real(2, 4))
    with pytest.raises(ValueError, match="^features have width 5, this PRISM was built for 7$"):
        prism(prompts, prompts, all_real(2, 5))
    with pytest.raises(
        ValueError, match=r"^visual has shape \(2, 5, 5\) and textual \(2, 4, 5\): "
    ):
        prism.prompts(prompts, prompts[:, :4])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"semantic_width": 0}, "^semantic_width must be at least 1, got 0$"),
        ({"hidden": 0}, "^hidden must be at least 1, got 0$"),
        ({"rank": 0}, "^rank must be at least 1, got 0$"),
        ({"width": 4}, "^width must be at least semantic_width 5, got 4$"),
        ({"dropout": 1.0}, "^dropout must be at least 0 and below 1, got 1.0$"),
        ({"textual_share_start": 1.5}, "^textual_share_start must be from 0 to 1, got 1.5$"),
        ({"base_temperature_start": 0.0}, "^base_temperature_start must be above 0, got 0.0$"),
        ({"gain_start": 0.0}, "^gain_start must be above 0, got 0.0$"),
        ({"alignment_temperature_start": -1.0}, "^alignment_temperature_start must be above 0, go"),
        ({"divergence_weight": math.nan}, "^divergence_weight must not be below 0, got nan$"),
    ],
)
def test_configs_have_limits(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrismConfig(**{"width": 7, "semantic_width": 5, **limits})
