"""HARMONY's loss as it is wired: each term is its equation, and training lowers their sum."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from spectrum.harmony.balance import HarmonyWeights
from spectrum.harmony.module import HarmonyBatch, HarmonyConfig, HarmonyLoss
from tests.references import harmony as loops
from tests.spectrum.harmony.vectors import normal, scalar, unit

CONFIG = HarmonyConfig(
    distillation_temperature=2.0,
    contrast_temperature=0.3,
    attention_temperature=0.2,
    distance_weight=0.5,
    weights=HarmonyWeights(
        distillation_weight=0.3,
        feature_distillation_weight=0.7,
        harmony_weight=1.1,
        disagreement_weight=1.3,
    ),
)


def batch() -> HarmonyBatch:
    return HarmonyBatch(
        student_logits=normal(5, 11, seed=1),
        teacher_logits=normal(5, 11, seed=2),
        student_features=normal(5, 3, seed=3),
        teacher_features=normal(5, 7, seed=4),
        visual_unit=unit(5, 13, seed=5),
        textual_unit=unit(5, 13, seed=6),
    )


def adapter() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 7, bias=False, dtype=torch.float64)


def test_every_term_equals_its_loop() -> None:
    given, mapping = batch(), adapter()
    terms = HarmonyLoss(CONFIG, mapping)(scalar(0.9), given)
    weights = mapping.weight.tolist()
    visual, textual = given.visual_unit.tolist(), given.textual_unit.tolist()
    information = loops.information_bound(visual, textual, 0.3)
    looped = [
        0.9,
        loops.distillation(given.student_logits.tolist(), given.teacher_logits.tolist(), 2.0),
        loops.feature_distillation(
            given.student_features.tolist(),
            given.teacher_features.tolist(),
            lambda row: loops.linear(row, weights, [0.0] * 7),
        ),
        loops.harmony(visual, textual, information, 0.5),
        loops.disagreement(loops.attention(visual, 0.2), loops.attention(textual, 0.2)),
    ]
    assert [term.item() for term in terms[:5]] == pytest.approx(looped, abs=1e-12)
    assert terms.information.nats.item() == pytest.approx(information, abs=1e-12)
    assert terms.total.item() == pytest.approx(loops.total(looped, [0.3, 0.7, 1.1, 1.3]), abs=1e-12)


def test_without_weights_only_the_task_is_left() -> None:
    """The terms are still measured, and nothing but the task pulls."""
    nothing = HarmonyWeights(
        distillation_weight=0.0,
        feature_distillation_weight=0.0,
        harmony_weight=0.0,
        disagreement_weight=0.0,
    )
    mapping, task = adapter(), scalar(0.9).requires_grad_()
    terms = HarmonyLoss(replace(CONFIG, weights=nothing), mapping)(task, batch())
    assert terms.total.item() == pytest.approx(0.9)
    assert terms.distillation.item() > 0
    moved = torch.autograd.grad(terms.total, [task, mapping.weight])
    assert moved[0].item() == 1
    assert moved[1].abs().max().item() == 0


def test_a_student_that_agrees_loses_nothing() -> None:
    """Equal to the teacher, and sight equal to words: only the information is left, below zero."""
    given = batch()
    agreed = HarmonyBatch(
        student_logits=given.teacher_logits,
        teacher_logits=given.teacher_logits,
        student_features=given.teacher_features,
        teacher_features=given.teacher_features,
        visual_unit=given.visual_unit,
        textual_unit=given.visual_unit,
    )
    terms = HarmonyLoss(CONFIG, nn.Identity())(scalar(0.0), agreed)
    assert terms.distillation.item() == pytest.approx(0, abs=1e-12)
    assert terms.feature_distillation.item() == 0
    assert terms.disagreement.item() == 0
    assert terms.harmony.item() == pytest.approx(-terms.information.nats.item(), abs=1e-12)
    assert 0 < terms.information.nats.item() <= terms.information.ceiling


def test_one_item_is_a_batch() -> None:
    given = batch()
    single = HarmonyBatch(**{name: rows[:1] for name, rows in vars(given).items()})
    terms = HarmonyLoss(CONFIG, adapter())(scalar(0.0), single)
    apart = (given.visual_unit[0] - given.textual_unit[0]).square().sum().item()
    assert terms.harmony.item() == pytest.approx(0.5 * apart, abs=1e-12)
    assert terms.disagreement.item() == 0
    assert terms.total.isfinite().item()


def test_the_adapter_is_trained_with_the_loss() -> None:
    loss, given = HarmonyLoss(CONFIG, adapter()), batch()
    optimiser = torch.optim.SGD(loss.parameters(), lr=0.05)
    before = loss(scalar(0.0), given)
    for _ in range(20):
        terms = loss(scalar(0.0), given)
        optimiser.zero_grad()
        torch.autograd.backward(terms.total)
        optimiser.step()
    after = loss(scalar(0.0), given)
    assert after.feature_distillation.item() < 0.9 * before.feature_distillation.item()
    assert after.total.item() < before.total.item()
    assert after.harmony.item() == before.harmony.item()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"distillation_temperature": 0.0}, "^distillation_temperature must be above 0, got 0.0$"),
        ({"contrast_temperature": -1.0}, "^contrast_temperature must be above 0, got -1.0$"),
        ({"attention_temperature": 0.0}, "^attention_temperature must be above 0, got 0.0$"),
        ({"distance_weight": -0.1}, "^distance_weight must not be below 0, got -0.1$"),
    ],
)
def test_configs_have_limits(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HarmonyConfig(**limits)
