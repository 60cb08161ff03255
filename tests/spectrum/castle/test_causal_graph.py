"""CASTLE 1.2 against its loops, and what the graph promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrum.castle.causal_graph import edge_weights, next_level
from tests.references import castle as loops
from tests.spectrum.castle.neighbourhoods import tensor
from tests.spectrum.harmony.vectors import normal


def test_edges_equal_the_loop() -> None:
    attention = normal(2, 5, 5, seed=1).softmax(dim=-1)
    made = edge_weights(attention, 0.2)
    for b in range(2):
        torch.testing.assert_close(made[b], tensor(loops.edge_weights(attention[b].tolist(), 0.2)))
    assert 0 < int((made > 0).sum()) < made.numel()


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.4, 0.9])
def test_the_next_level_equals_the_loop(threshold: float) -> None:
    attention = normal(2, 5, 5, seed=1).softmax(dim=-1)
    weights = edge_weights(attention, threshold)
    made = next_level(attention, weights, 0.7)
    for b in range(2):
        looped = loops.next_level(attention[b].tolist(), weights[b].tolist(), 0.7)
        torch.testing.assert_close(made[b], tensor(looped))


def test_a_worked_level() -> None:
    """Image 0 sees 1 alone above the threshold, image 1 both, image 2 none: it stays."""
    attention = tensor([[[0.25, 0.5, 0.25], [0.5, 0.375, 0.125], [0.25, 0.25, 0.5]]])
    weights = edge_weights(attention, 0.25)
    assert weights.tolist() == [[[0, 0.25, 0], [0.25, 0.125, 0], [0, 0, 0.25]]]
    weights[0, 2] = 0.0
    made = next_level(attention, weights, 0.5)
    first = [(0.25 + 0.5) / 2, (0.5 + 0.375) / 2, (0.25 + 0.125) / 2]
    second = [
        0.25 + (2 * 0.25 + 0.5) / 6,
        0.1875 + (2 * 0.5 + 0.375) / 6,
        0.0625 + (2 * 0.25 + 0.125) / 6,
    ]
    torch.testing.assert_close(made, tensor([[first, second, [0.25, 0.25, 0.5]]]))


@settings(max_examples=60, deadline=None)
@given(
    members=st.integers(1, 7),
    seed=st.integers(0, 2**31),
    levels=st.integers(1, 5),
    threshold=st.floats(0, 1),
    kept_share=st.floats(0.01, 0.99),
)
def test_rows_stay_stochastic(
    members: int, seed: int, levels: int, threshold: float, kept_share: float
) -> None:
    attention = (3 * normal(2, members, members, seed=seed)).softmax(dim=-1)
    for _ in range(levels):
        attention = next_level(attention, edge_weights(attention, threshold), kept_share)
        assert attention.min().item() >= 0
        ones = torch.ones(2, members, dtype=torch.float64)
        torch.testing.assert_close(attention.sum(dim=-1), ones)


def test_an_empty_neighbourhood_keeps_its_attention_bit_for_bit() -> None:
    attention = normal(2, 5, 5, seed=1).softmax(dim=-1)
    assert torch.equal(next_level(attention, edge_weights(attention, 0.99), 0.3), attention)


def test_effects_travel_over_two_edges_a_level() -> None:
    """A chain in which 0 sees 1, 1 sees 2 and so on: a level later 0 hears of 2, and not of 3."""
    chain = torch.eye(5, dtype=torch.float64).roll(1, dims=1)[None]
    made = next_level(chain, edge_weights(chain, 0.5), 0.75)
    assert made[0, 0].tolist() == [0, 0.75, 0.25, 0, 0]


def test_a_member_without_attention_gets_no_edge() -> None:
    attention = normal(1, 5, 5, seed=1).masked_fill(torch.arange(5) == 3, -torch.inf).softmax(-1)
    weights = edge_weights(attention, 0.0)
    assert weights[..., 3].abs().max().item() == 0
    altered = attention.clone()
    altered[:, 3] = 0.2
    kept = [0, 1, 2, 4]
    made, other = next_level(attention, weights, 0.5), next_level(altered, weights, 0.5)
    torch.testing.assert_close(other[:, kept], made[:, kept])


def test_gradients_are_derivatives() -> None:
    logits, kept_share = normal(1, 3, 3, seed=1).requires_grad_(), tensor(0.6).requires_grad_()
    threshold = tensor(0.2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, tau, alpha: next_level(x.softmax(-1), edge_weights(x.softmax(-1), tau), alpha),
        (logits, threshold, kept_share),
    )


def test_an_empty_neighbourhood_has_a_gradient() -> None:
    attention = normal(1, 3, 3, seed=1).softmax(dim=-1).requires_grad_()
    made = next_level(attention, edge_weights(attention, 0.99), 0.6)
    (gradient,) = torch.autograd.grad(made.sum(), attention)
    assert gradient.tolist() == torch.ones(1, 3, 3).tolist()


@pytest.mark.usefixtures("without_shape_hook")
def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^weights has shape \(1, 1, 2\), expected \(1, 2, 2\)$"):
        next_level(torch.zeros(1, 2, 2), torch.zeros(1, 1, 2), 0.5)
