"""HARMONY 5.2 against its loops, and what the weights of the levels promise."""

import pytest
import torch
from torch import Tensor, nn

from spectrum.harmony.fusion import FusionShape, LevelFusion, fused_level, weighted_levels
from tests.references import harmony as loops
from tests.references.contrast import Vector, softmax
from tests.spectrum.harmony.vectors import normal

SHAPE = FusionShape(visual_widths=(3, 5), textual_widths=(7, 2), hidden=11, width=13)


def fusion() -> LevelFusion:
    torch.manual_seed(0)
    return LevelFusion(SHAPE).double()


def levels(seed: int) -> tuple[list[Tensor], list[Tensor]]:
    visual = [normal(5, width, seed=seed + width) for width in SHAPE.visual_widths]
    return visual, [normal(5, width, seed=seed - width) for width in SHAPE.textual_widths]


def looped_level(module: LevelFusion, level: int, visual: Tensor, textual: Tensor) -> loops.Matrix:
    parameters = dict(module.networks[level].named_parameters())
    weights = [parameters[f"{layer}.weight"].tolist() for layer in (0, 2)]
    biases = [parameters[f"{layer}.bias"].tolist() for layer in (0, 2)]

    def network(row: Vector) -> Vector:
        hidden = loops.linear(row, weights[0], biases[0])
        return loops.linear([loops.gelu(value) for value in hidden], weights[1], biases[1])

    return loops.fused_level(visual.tolist(), textual.tolist(), network)


def test_a_fused_level_equals_the_loop() -> None:
    module, (visual, textual) = fusion(), levels(40)
    for level in range(2):
        made = fused_level(visual[level], textual[level], module.networks[level])
        looped = looped_level(module, level, visual[level], textual[level])
        torch.testing.assert_close(made, torch.tensor(looped, dtype=torch.float64))


def test_sight_stands_before_words() -> None:
    made = fused_level(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]), nn.Identity())
    assert made.tolist() == [[1, 2, 3]]


def test_weighted_levels_equal_the_loop() -> None:
    fused, weights = normal(3, 5, 7, seed=1), normal(3, seed=2)
    looped = loops.weighted_levels(fused.tolist(), weights.tolist())
    made = weighted_levels(fused, weights)
    torch.testing.assert_close(made, torch.tensor(looped, dtype=torch.float64))


def test_a_worked_sum_of_levels() -> None:
    fused = torch.tensor([[[1.0, 2.0]], [[10.0, 20.0]]])
    assert weighted_levels(fused, torch.tensor([2.0, -0.5])).tolist() == [[-3, -6]]
    assert weighted_levels(fused, torch.zeros(2)).tolist() == [[0, 0]]


def test_the_fusion_is_the_weighted_sum_of_its_levels() -> None:
    module, (visual, textual) = fusion(), levels(40)
    with torch.no_grad():
        module.level_logits.copy_(torch.tensor([0.0, 2.0]))
    fused = [looped_level(module, level, visual[level], textual[level]) for level in range(2)]
    looped = loops.weighted_levels(fused, softmax([0.0, 2.0]))
    torch.testing.assert_close(module(visual, textual), torch.tensor(looped, dtype=torch.float64))


@pytest.mark.parametrize("logits", [[0.0, 0.0], [3.0, -4.0], [-200.0, 200.0]])
def test_the_weights_of_the_levels_sum_to_one(logits: list[float]) -> None:
    module = fusion()
    with torch.no_grad():
        module.level_logits.copy_(torch.tensor(logits))
    assert module.level_weights.sum().item() == pytest.approx(1, abs=1e-12)
    assert bool((module.level_weights >= 0).all())


def test_levels_are_equal_before_training_and_learn() -> None:
    module, (visual, textual) = fusion(), levels(40)
    assert module.level_weights.tolist() == pytest.approx([0.5, 0.5])
    parameters = list(module.parameters())
    before = (module(visual, textual) - 1).square().mean()
    gradients = torch.autograd.grad(before, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            assert gradient.abs().sum() > 0
            parameter.sub_(0.01 * gradient)
    assert (module(visual, textual) - 1).square().mean().item() < before.item()


def test_an_item_does_not_see_its_companions() -> None:
    module, (visual, textual) = fusion(), levels(40)
    together = module(visual, textual)
    alone = module([level[2:3] for level in visual], [level[2:3] for level in textual])
    torch.testing.assert_close(together[2:3], alone)


def test_one_level_is_its_network() -> None:
    module = LevelFusion(
        FusionShape(visual_widths=(2,), textual_widths=(3,), hidden=4, width=5)
    ).double()
    visual, textual = normal(1, 2, seed=1), normal(1, 3, seed=2)
    expected = module.networks[0](torch.cat([visual, textual], dim=1))
    torch.testing.assert_close(module([visual], [textual]), expected)


def test_the_gradient_is_the_derivative() -> None:
    fused, weights = normal(2, 3, 2, seed=1), normal(2, seed=2)
    inputs = (fused.requires_grad_(), weights.requires_grad_())
    assert torch.autograd.gradcheck(weighted_levels, inputs)


def test_a_missing_level_is_named() -> None:
    visual, textual = levels(40)
    with pytest.raises(
        ValueError,
        match=r"^visual levels have widths \(3,\) and textual \(7, 2\), this fusion was built for "
        r"\(3, 5\) and \(7, 2\)$",
    ):
        fusion()(visual[:1], textual)
    with pytest.raises(ValueError, match=r"^visual levels have widths \(\) and textual \(\), "):
        fusion()([], [])


def test_a_level_of_another_width_is_named() -> None:
    visual, textual = levels(40)
    with pytest.raises(ValueError, match=r"^visual levels have widths \(5, 3\) and textual "):
        fusion()(visual[::-1], textual)


@pytest.mark.usefixtures("without_shape_hook")
def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="^visual has 3 rows and textual 2: give one text an im"):
        fused_level(torch.zeros(3, 2), torch.zeros(2, 2), nn.Identity())
    with pytest.raises(ValueError, match=r"^2 fused levels and level_weights of shape \(3,\): "):
        weighted_levels(torch.zeros(2, 3, 4), torch.zeros(3))
    with pytest.raises(ValueError, match=r"^0 fused levels and level_weights of shape \(0,\): "):
        weighted_levels(torch.zeros(0, 3, 4), torch.zeros(0))


@pytest.mark.parametrize(
    ("visual", "textual", "hidden", "message"),
    [
        ((1, 2), (1,), 3, "^visual_widths has 2 levels and textual_widths 1: give both the same"),
        ((), (), 3, "^visual_widths has 0 levels and textual_widths 0: give both the same"),
        ((1, 2), (1, 0), 3, "^widths must be at least 1, got 0$"),
        ((1, 2), (1, 2), -3, "^widths must be at least 1, got -3$"),
    ],
)
def test_shapes_of_a_fusion_have_limits(
    visual: tuple[int, ...], textual: tuple[int, ...], hidden: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FusionShape(visual_widths=visual, textual_widths=textual, hidden=hidden, width=1)
