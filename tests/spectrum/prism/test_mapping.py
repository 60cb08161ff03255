"""PRISM 2.3 against its loops, and what mapping and intent promise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spectrum.prism.config import PrismConfig
from spectrum.prism.mapping import (
    as_distributions,
    base_weights,
    intended_features,
    semantic_similarity,
    semantic_weights,
)
from spectrum.prism.networks import IntentNetwork
from tests.references import prism as loops
from tests.spectrum.harmony.vectors import normal, unit
from tests.spectrum.prism.networks import looped_intent, unsettle


def tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def all_real(anchors: int, members: int) -> Tensor:
    return torch.ones(anchors, members, dtype=torch.bool)


def test_similarities_equal_the_loop() -> None:
    prompts = normal(2, 5, 7, seed=1)
    made = semantic_similarity(prompts)
    for b in range(2):
        torch.testing.assert_close(made[b], tensor(loops.semantic_similarity(prompts[b].tolist())))


def test_worked_similarities() -> None:
    made = semantic_similarity(tensor([[[3.0, 4.0], [8.0, -6.0], [-6.0, -8.0], [0.0, 0.0]]]))
    expected = [[1, 0, -1, 0], [0, 1, 0, 0], [-1, 0, 1, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(made, tensor([expected]))


def test_a_prompts_length_does_not_matter() -> None:
    prompts, lengths = normal(2, 5, 7, seed=1), normal(2, 5, 1, seed=2).exp()
    torch.testing.assert_close(semantic_similarity(lengths * prompts), semantic_similarity(prompts))


def test_base_weights_equal_the_loop() -> None:
    features = unit(2, 5, 7, seed=1)
    made = base_weights(features, all_real(2, 5), 0.3)
    for b in range(2):
        torch.testing.assert_close(made[b], tensor(loops.base_weights(features[b].tolist(), 0.3)))


def test_a_member_that_is_not_real_has_no_base_weight() -> None:
    features = unit(1, 5, 7, seed=1)
    made = base_weights(features, torch.tensor([[True, True, False, True, False]]), 0.3)
    assert made[..., [2, 4]].abs().max().item() == 0
    kept = torch.tensor([0, 1, 3])
    alone = base_weights(features[:, kept], all_real(1, 3), 0.3)
    torch.testing.assert_close(made[:, kept][:, :, kept], alone)


@pytest.mark.parametrize("gain", [0.0, 0.7, 3.0])
def test_weights_equal_the_loop(gain: float) -> None:
    base, similarity = normal(2, 5, 5, seed=1).softmax(dim=-1), normal(2, 5, 5, seed=2).tanh()
    made = semantic_weights(base, similarity, gain)
    for b in range(2):
        looped = loops.semantic_weights(base[b].tolist(), similarity[b].tolist(), gain)
        torch.testing.assert_close(made[b], tensor(looped))


def test_worked_weights() -> None:
    """Described alike counts double, described as opposites nothing."""
    base = tensor([[[0.5, 0.5], [0.25, 0.75]]])
    similarity = tensor([[[1.0, -1.0], [0.0, 1.0]]])
    assert semantic_weights(base, similarity, 1.0).tolist() == [[[1, 0], [0.25, 1.5]]]
    assert semantic_weights(base, similarity, 2.0).tolist() == [[[1.5, -0.5], [0.25, 2.25]]]
    made = as_distributions(semantic_weights(base, similarity, 2.0))
    assert made.tolist() == [[[1, 0], [0.1, 0.9]]]


@settings(max_examples=60, deadline=None)
@given(members=st.integers(1, 7), seed=st.integers(0, 2**31), gain=st.floats(0, 100))
def test_adjusted_rows_are_distributions(members: int, seed: int, gain: float) -> None:
    features, prompts = unit(2, members, 3, seed=seed), normal(2, members, 5, seed=seed + 1)
    base = base_weights(features, all_real(2, members), 0.3)
    made = as_distributions(semantic_weights(base, semantic_similarity(prompts), gain))
    assert made.min().item() >= 0
    torch.testing.assert_close(made.sum(dim=-1), torch.ones(2, members, dtype=torch.float64))


def test_without_gain_the_base_stays() -> None:
    base, similarity = normal(2, 5, 5, seed=1).softmax(dim=-1), normal(2, 5, 5, seed=2).tanh()
    assert torch.equal(semantic_weights(base, similarity, 0.0), base)
    torch.testing.assert_close(as_distributions(base), base)


def test_images_described_alike_weigh_more_the_higher_the_gain() -> None:
    base = torch.full((1, 3, 3), 1 / 3, dtype=torch.float64)
    similarity = tensor([[[1.0, 0.5, 0.0]] * 3])
    shares = [
        as_distributions(semantic_weights(base, similarity, gain))[0, 0] for gain in (0.0, 1.0, 4.0)
    ]
    assert shares[0][0] < shares[1][0] < shares[2][0]
    assert shares[0][2] > shares[1][2] > shares[2][2]


def network(*, start: bool = False) -> IntentNetwork:
    torch.manual_seed(0)
    made = IntentNetwork(PrismConfig(width=7, semantic_width=5, hidden=3)).double().eval()
    return made if start else unsettle(made)


def test_intended_features_equal_the_loop() -> None:
    features, intent, ffn = normal(11, 7, seed=1), normal(11, 5, seed=2), network()
    made = intended_features(features, intent, 0.3, ffn)
    looped = loops.intended_features(features.tolist(), intent.tolist(), 0.3, looped_intent(ffn))
    torch.testing.assert_close(made, tensor(looped))


def test_a_worked_intent() -> None:
    """The network hands the intent on: the features, and half of it."""
    features, intent = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, -4.0]])
    made = intended_features(features, intent, 0.5, lambda joined: joined[:, 2:])
    assert made.tolist() == [[3, 0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_strength_the_features_stay_bit_for_bit(dtype: torch.dtype) -> None:
    features, intent = normal(11, 7, seed=1).to(dtype), normal(11, 5, seed=2).to(dtype)
    ffn, stored = network().to(dtype), normal(101, 7, seed=3).to(dtype)
    for strength in (0.0, torch.tensor(0.0, dtype=dtype)):
        made = intended_features(features, intent, strength, ffn)
        assert torch.equal(made, features)
        order = (made @ stored.T).argsort(dim=1, descending=True, stable=True)
        assert torch.equal(
            order, (features @ stored.T).argsort(dim=1, descending=True, stable=True)
        )


def test_it_starts_by_moving_the_semantic_block_towards_the_intent() -> None:
    features, intent, ffn = normal(11, 7, seed=1), normal(11, 5, seed=2), network(start=True)
    half = intended_features(features, intent, 0.5, ffn)
    torch.testing.assert_close(half[:, :5], (features[:, :5] + intent) / 2)
    assert torch.equal(half[:, 5:], features[:, 5:])
    there = intended_features(features, intent, 1.0, ffn)
    torch.testing.assert_close(there[:, :5], intent)
    again = intended_features(there, intent, 0.5, ffn)
    torch.testing.assert_close(again, there)


def test_the_stronger_the_intent_the_closer() -> None:
    features, intent, ffn = unit(11, 7, seed=1), unit(11, 5, seed=2), network(start=True)
    likeness = []
    for strength in (0.0, 0.25, 0.5, 1.0):
        made = intended_features(features, intent, strength, ffn)[:, :5]
        likeness.append(torch.cosine_similarity(made, intent, dim=1).mean().item())
    assert likeness == sorted(likeness)
    assert likeness[-1] == pytest.approx(1)


def test_gradients_are_derivatives() -> None:
    features, prompts = unit(1, 3, 4, seed=1), normal(1, 3, 5, seed=2)
    gain, temperature = tensor(0.5), tensor(0.3)
    inputs = tuple(each.requires_grad_() for each in (features, prompts, gain, temperature))
    assert torch.autograd.gradcheck(
        lambda f, p, gamma, tau: as_distributions(
            semantic_weights(base_weights(f, all_real(1, 3), tau), semantic_similarity(p), gamma)
        ),
        inputs,
    )
    queries = normal(2, 7, seed=1).requires_grad_(), normal(2, 5, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f, q, delta: intended_features(f, q, delta, network()), (*queries, gain)
    )


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    square = torch.zeros(2, 3, 3)
    with pytest.raises(
        ValueError, match=r"^similarity has shape \(2, 1, 3\), expected \(2, 3, 3\)"
    ):
        semantic_weights(square, square[:, :1], 1.0)
    with pytest.raises(ValueError, match="^gain must not be below 0, got -1.0$"):
        semantic_weights(square, square, -1.0)
    with pytest.raises(ValueError, match=r"^member_mask has shape \(2, 1\), expected \(2, 3\)$"):
        base_weights(square, all_real(2, 1), 1.0)
    with pytest.raises(
        ValueError,
        match=r"^features has shape \(3, 7\) and intent \(1, 5\): give one row of each an image$",
    ):
        intended_features(torch.zeros(3, 7), torch.zeros(1, 5), 1.0, nn.Identity())
    with pytest.raises(ValueError, match=r"^features is empty, shape \(0, 7\): give at least one"):
        intended_features(torch.zeros(0, 7), torch.zeros(0, 5), 1.0, nn.Identity())
    with pytest.raises(
        ValueError, match=r"^network\(\[F; E_T\(q\)\]\) has shape \(3, 12\), expected \(3, 7\)$"
    ):
        intended_features(torch.zeros(3, 7), torch.zeros(3, 5), 1.0, nn.Identity())
