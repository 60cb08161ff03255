"""PRISM 2.2 against its loops, and what the loss promises."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from spectrum.prism.alignment import (
    alignment_loss,
    textual_to_visual_attention,
    visual_to_textual_attention,
)
from tests.references import prism as loops
from tests.spectrum.harmony.vectors import normal, unit


def tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_images_look_at_texts_as_in_the_loop() -> None:
    queries, keys = normal(5, 7, seed=1), normal(5, 7, seed=2)
    made = visual_to_textual_attention(queries, keys)
    torch.testing.assert_close(made, tensor(loops.attention(queries.tolist(), keys.tolist())))
    torch.testing.assert_close(made.sum(dim=1), torch.ones(5, dtype=torch.float64))


def test_texts_look_at_images_as_in_the_loop() -> None:
    queries, keys = normal(5, 7, seed=3), normal(5, 7, seed=4)
    made = textual_to_visual_attention(queries, keys)
    torch.testing.assert_close(made, tensor(loops.attention(queries.tolist(), keys.tolist())))
    torch.testing.assert_close(made.sum(dim=1), torch.ones(5, dtype=torch.float64))


def test_a_worked_attention() -> None:
    """d = 4 halves the products: log 3 above the other text is three quarters."""
    images = tensor([[2.0, 0, 0, 0], [0, 0, 0, 0]])
    texts = tensor([[math.log(3), 0, 0, 0], [0, 1, 0, 0]])
    made = visual_to_textual_attention(images, texts)
    torch.testing.assert_close(made, tensor([[0.75, 0.25], [0.5, 0.5]]))


def attentions(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    first, second = normal(count, count, seed=seed), normal(count, count, seed=seed + 1)
    return first.softmax(dim=-1), second.softmax(dim=-1)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_loss_equals_the_loop(weight: float) -> None:
    first, second = attentions(5, seed=1)
    looped = loops.alignment_loss(first.tolist(), second.tolist(), weight)
    assert alignment_loss(first, second, weight).item() == pytest.approx(looped, abs=1e-12)


def test_a_worked_loss() -> None:
    """(1/4)^2 four times, and per row (1/2) log(2/3) + (1/2) log 2 twice: half of log(4/3)."""
    first, second = tensor([[0.5, 0.5], [0.5, 0.5]]), tensor([[0.75, 0.25], [0.25, 0.75]])
    assert alignment_loss(first, second, 0.0).item() == pytest.approx(0.25)
    assert alignment_loss(first, second, 1.0).item() == pytest.approx(0.25 + math.log(4 / 3))


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 7), seed=st.integers(0, 2**31), weight=st.floats(0, 10))
def test_the_loss_is_never_below_zero(count: int, seed: int, weight: float) -> None:
    assert alignment_loss(*attentions(count, seed=seed), weight).item() >= -1e-12


def test_modalities_that_agree_lose_nothing() -> None:
    visual = unit(5, 7, seed=1)
    maps = visual_to_textual_attention(visual, visual), textual_to_visual_attention(visual, visual)
    assert alignment_loss(*maps, 1.0).item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weight_rounded_to_zero_leaves_the_loss_finite(dtype: torch.dtype) -> None:
    certain = torch.tensor([[0.0, 1e4], [1e4, 0.0]], dtype=dtype).softmax(dim=-1)
    assert certain.tolist() == [[0, 1], [1, 0]]
    wrong = certain.flip(0).requires_grad_()
    loss = alignment_loss(certain, wrong, 1.0)
    assert loss.item() == pytest.approx(4 - 2 * math.log(torch.finfo(dtype).tiny))
    (gradient,) = torch.autograd.grad(loss, wrong)
    assert gradient.isfinite().all().item()


def test_training_on_it_aligns_what_the_modalities_look_at() -> None:
    """Texts learn to look at images as those look at them."""
    visual, textual = 3 * unit(6, 11, seed=1), normal(6, 11, seed=2).requires_grad_()
    optimiser = torch.optim.SGD([textual], lr=0.5)

    def loss() -> Tensor:
        made = 3 * functional.normalize(textual, dim=-1)
        to_text = visual_to_textual_attention(visual, made)
        return alignment_loss(to_text, textual_to_visual_attention(made, visual), 1.0)

    before = loss().item()
    for _ in range(30):
        optimiser.zero_grad()
        torch.autograd.backward(loss())
        optimiser.step()
    assert loss().item() < 0.3 * before


def test_gradients_are_derivatives() -> None:
    inputs = tuple(normal(3, 4, seed=seed).requires_grad_() for seed in (1, 2, 3, 4))
    assert torch.autograd.gradcheck(
        lambda q_v, k_t, q_t, k_v: alignment_loss(
            visual_to_textual_attention(q_v, k_t), textual_to_visual_attention(q_t, k_v), 0.3
        ),
        inputs,
    )


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    three, one, square = torch.ones(3, 2), torch.ones(1, 2), torch.full((3, 3), 1 / 3)
    with pytest.raises(ValueError, match=r"^visual_queries has shape \(3, 2\) and textual_keys \("):
        visual_to_textual_attention(three, one)
    with pytest.raises(ValueError, match=r"^textual_queries has shape \(1, 2\) and visual_keys \("):
        textual_to_visual_attention(one, three)
    with pytest.raises(ValueError, match=r"^visual_queries is empty, shape \(0, 2\): give at leas"):
        visual_to_textual_attention(three[:0], three[:0])
    with pytest.raises(ValueError, match=r"^textual_to_visual has shape \(3, 1\), expected \(3, 3"):
        alignment_loss(square, square[:, :1], 1.0)
    with pytest.raises(ValueError, match="^divergence_weight must not be below 0, got -1.0$"):
        alignment_loss(square, square, -1.0)
