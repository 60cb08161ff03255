"""CASTLE 1.1 against its loops, and what the mask and the attention promise."""

import math

import pytest
import torch
from torch import Tensor, nn

from spectrum.castle.causal_attention import (
    PAIRS,
    causal_attention,
    causal_logits,
    causal_mask,
    mutual_mask,
)
from tests.references import castle as loops
from tests.spectrum.castle.neighbourhoods import (
    all_real,
    difference_network,
    looped_network,
    masks,
    tensor,
)
from tests.spectrum.harmony.vectors import normal


def attention_of(queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
    return causal_attention(causal_logits(queries, keys, mask), all_real(*queries.shape[:2]))


def test_the_mask_equals_the_loop() -> None:
    features, sources = normal(2, 5, 7, seed=1), normal(2, 3, 7, seed=2)
    network = difference_network(7, 11)
    made = causal_mask(features, sources, network)
    for b in range(2):
        looped = loops.causal_mask(
            features[b].tolist(), sources[b].tolist(), looped_network(network)
        )
        torch.testing.assert_close(made[b], tensor(looped))


def test_the_attention_equals_the_loop_and_its_rows_sum_to_one() -> None:
    queries, keys = normal(2, 5, 7, seed=1), normal(2, 5, 7, seed=2)
    mask = normal(2, 5, 5, seed=3).sigmoid()
    made = causal_attention(causal_logits(queries, keys, mask), all_real(2, 5))
    for b in range(2):
        looped = loops.causal_attention(queries[b].tolist(), keys[b].tolist(), mask[b].tolist())
        torch.testing.assert_close(made[b], tensor(looped))
    torch.testing.assert_close(made.sum(dim=-1), torch.ones(2, 5, dtype=torch.float64))


def test_a_worked_attention() -> None:
    """d = 4, so Q . K = 4 log 3 is a logit of 2 log 3, and a mask of one half makes it log 3."""
    queries = tensor([[[2 * math.log(3), 0, 0, 0], [0, 0, 0, 0]]])
    keys = tensor([[[2, 0, 0, 0], [0, 5, 0, 0]]])
    made = attention_of(queries, keys, tensor([[[0.5, 0.5], [0.5, 0.5]]]))
    torch.testing.assert_close(made, tensor([[[0.75, 0.25], [0.5, 0.5]]]))
    whole = attention_of(queries, keys, torch.ones(1, 2, 2, dtype=torch.float64))
    torch.testing.assert_close(whole[0, 0], tensor([0.9, 0.1]))


def test_a_worked_mask() -> None:
    """f_theta as minus the sum of differences: log 3 apart is a mask of a quarter."""
    features = tensor([[[0.0, 0.0], [math.log(3), 0.0]]])
    made = causal_mask(features, features, lambda apart: -apart.sum(dim=-1, keepdim=True))
    torch.testing.assert_close(made, tensor([[[0.5, 0.25], [0.25, 0.5]]]))


def test_the_mask_is_symmetric_and_between_zero_and_one() -> None:
    features = normal(2, 5, 7, seed=1)
    made = causal_mask(features, features, difference_network(7, 11))
    torch.testing.assert_close(made, made.mT)
    assert 0 < made.min().item() < made.max().item() < 1


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 6, 11])
def test_half_of_the_pairs_give_the_whole_mask(members: int) -> None:
    """More neighbourhoods than are compared at once, of odd and even numbers of members."""
    features = normal(PAIRS // members**2 + 2, members, 3, seed=members)
    network = difference_network(3, 2)
    torch.testing.assert_close(
        mutual_mask(features, network), causal_mask(features, features, network)
    )


def test_half_of_the_pairs_give_the_whole_gradient() -> None:
    features, network = normal(2, 4, 3, seed=1).requires_grad_(), difference_network(3, 2)
    weights = normal(2, 4, 4, seed=2)
    whole, half = (
        torch.autograd.grad((weights * mask).sum(), [features, *network.parameters()])
        for mask in (causal_mask(features, features, network), mutual_mask(features, network))
    )
    for one, other in zip(half, whole, strict=True):
        torch.testing.assert_close(one, other)


def test_a_mask_of_nothing_leaves_the_mean() -> None:
    queries, keys = normal(1, 5, 7, seed=1), normal(1, 5, 7, seed=2)
    made = attention_of(queries, keys, torch.zeros(1, 5, 5, dtype=torch.float64))
    torch.testing.assert_close(made, torch.full((1, 5, 5), 0.2, dtype=torch.float64))


def test_a_member_that_is_not_real_has_no_weight_and_no_effect() -> None:
    logits = normal(2, 5, 5, seed=1)
    real = masks("11010", "11111")
    made = causal_attention(logits, real)
    assert made[0][:, [2, 4]].abs().max().item() == 0
    kept = torch.tensor([0, 1, 3])
    alone = causal_attention(logits[:1][:, kept][:, :, kept], all_real(1, 3))
    torch.testing.assert_close(made[:1][:, kept][:, :, kept], alone)
    loud = logits.masked_fill(~real[:, None], 1e6)
    torch.testing.assert_close(causal_attention(loud, real), made)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_beyond_every_exponential_stay_finite(dtype: torch.dtype) -> None:
    logits = torch.tensor([[[1e4, -1e4, 0.0]] * 3], dtype=dtype)
    made = causal_attention(logits, masks("101"))
    assert made[0, 0].tolist() == [1, 0, 0]


def test_one_image_listens_to_itself() -> None:
    assert causal_attention(normal(3, 1, 1, seed=1), all_real(3, 1)).tolist() == [[[1.0]]] * 3


def test_gradients_are_derivatives() -> None:
    network = difference_network(3, 2)
    inputs = [normal(1, 3, 3, seed=seed).requires_grad_() for seed in (1, 2, 3)]

    def attention(features: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        return attention_of(queries, keys, causal_mask(features, features, network))

    # |x| has no derivative at 0, where an image meets itself: differences of two sets.
    assert torch.autograd.gradcheck(lambda a, b, _: causal_mask(a, b, network), tuple(inputs))
    assert torch.autograd.gradcheck(lambda q, k: attention(inputs[0], q, k), tuple(inputs[1:]))


def test_a_gradient_flows_where_an_image_meets_itself() -> None:
    features = normal(1, 3, 7, seed=1).requires_grad_()
    made = causal_mask(features, features, difference_network(7, 11))
    (gradient,) = torch.autograd.grad(made.square().sum(), features)
    assert gradient.isfinite().all().item()


@pytest.mark.usefixtures("without_shape_hook")
def test_shapes_that_do_not_fit_are_refused() -> None:
    rows = torch.zeros(1, 2, 3)
    with pytest.raises(ValueError, match=r"^mask has shape \(1, 2, 1\), expected \(1, 2, 2\)$"):
        causal_logits(rows, rows, torch.zeros(1, 2, 1))
    with pytest.raises(ValueError, match=r"^member_mask has shape \(1, 3\), expected \(1, 2\)$"):
        causal_attention(torch.zeros(1, 2, 2), all_real(1, 3))
    with pytest.raises(
        ValueError, match=r"^network\(\|F_i - F_j\|\) has shape \(1, 2, 2, 3\), expected \(1, 2, 2,"
    ):
        causal_mask(rows, rows, nn.Identity())
