"""HARMONY 5.3 against its loops, and what the bound, the attention and the sum promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrum.harmony.balance import (
    HarmonyWeights,
    attention_disagreement,
    harmony_loss,
    in_batch_attention,
    information_bound,
    total_loss,
)
from tests.references import harmony as loops
from tests.spectrum.harmony.vectors import normal, scalar, unit


def test_the_information_equals_the_loop() -> None:
    visual, textual = unit(5, 7, seed=1), unit(5, 7, seed=2)
    made = information_bound(visual, textual, 0.3)
    looped = loops.information_bound(visual.tolist(), textual.tolist(), 0.3)
    assert made.nats.item() == pytest.approx(looped, abs=1e-12)
    assert made.ceiling == pytest.approx(math.log(5))


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 9),
    seed=st.integers(0, 2**31),
    temperature=st.floats(0.01, 100),
    aligned=st.booleans(),
)
def test_the_information_never_exceeds_log_batch(
    batch: int, seed: int, temperature: float, aligned: bool
) -> None:
    visual = unit(batch, 3, seed=seed)
    textual = visual if aligned else unit(batch, 3, seed=seed + 1)
    made = information_bound(visual, textual, temperature)
    assert made.nats.item() <= made.ceiling + 1e-12
    assert made.ceiling == pytest.approx(math.log(batch))


def test_worked_informations() -> None:
    pairs = torch.eye(4, dtype=torch.float64)
    assert information_bound(pairs, pairs, 0.01).nats.item() == pytest.approx(math.log(4))
    # All are alike: nothing is told.
    alike = pairs[:1].repeat(4, 1)
    assert information_bound(alike, alike, 1.0).nats.item() == pytest.approx(0, abs=1e-12)
    # Worse than chance is below zero; with two swapped pairs the own text has 1 / (1 + e).
    swapped = information_bound(pairs[:2], pairs[:2].flip(0), 1.0)
    assert swapped.nats.item() == pytest.approx(math.log(2) - math.log(1 + math.e), abs=1e-12)


def test_one_pair_tells_nothing() -> None:
    made = information_bound(unit(1, 7, seed=1), unit(1, 7, seed=2), 0.1)
    assert (made.nats.item(), made.ceiling) == (0, 0)


def test_the_information_is_symmetric_and_of_no_order() -> None:
    visual, textual = unit(5, 7, seed=1), unit(5, 7, seed=2)
    made = information_bound(visual, textual, 0.3).nats.item()
    assert information_bound(textual, visual, 0.3).nats.item() == pytest.approx(made, abs=1e-12)
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = information_bound(visual[order], textual[order], 0.3).nats.item()
    assert shuffled == pytest.approx(made, abs=1e-12)


def test_the_bound_stays_below_the_true_information() -> None:
    """Two variables of eight equal states that tell all of each other: log 8, whatever the batch.

    A batch with a state twice sees a mistake in it, so the mean over batches has to stay below.
    """
    generator = torch.Generator().manual_seed(0)
    states = torch.eye(8, dtype=torch.float64)
    estimates = []
    for _ in range(200):
        drawn = states[torch.randint(8, (16,), generator=generator)]
        estimates.append(information_bound(drawn, drawn, 0.05).nats.item())
    assert sum(estimates) / 200 < math.log(8)
    assert sum(estimates) / 200 > 0.8 * math.log(8)


def test_harmony_equals_the_loop() -> None:
    visual, textual = normal(5, 7, seed=1), normal(5, 7, seed=2)
    made = harmony_loss(visual, textual, scalar(0.7), 0.3)
    looped = loops.harmony(visual.tolist(), textual.tolist(), 0.7, 0.3)
    assert made.item() == pytest.approx(looped, abs=1e-12)


def test_a_worked_harmony() -> None:
    visual = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    textual = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert harmony_loss(visual, textual, torch.tensor(0.25), 0.5).item() == 0.25
    assert harmony_loss(visual, textual, torch.tensor(0.25), 0.0).item() == -0.25


@pytest.mark.parametrize("distance_weight", [0.0, 1.0])
def test_harmony_falls_as_pairs_are_aligned(distance_weight: float) -> None:
    visual, apart = unit(6, 11, seed=1), unit(6, 11, seed=2)
    losses = []
    for part in [0.0, 0.25, 0.5, 0.75, 1.0]:
        textual = torch.nn.functional.normalize(part * visual + (1 - part) * apart, dim=-1)
        information = information_bound(visual, textual, 0.2).nats
        losses.append(harmony_loss(visual, textual, information, distance_weight).item())
    assert losses == sorted(losses, reverse=True)
    assert losses[0] - losses[-1] > 1


def test_training_on_harmony_brings_pairs_together() -> None:
    visual, textual = unit(6, 11, seed=1), unit(6, 11, seed=2).requires_grad_()
    optimiser = torch.optim.SGD([textual], lr=0.5)
    for _ in range(50):
        made = torch.nn.functional.normalize(textual, dim=-1)
        loss = harmony_loss(visual, made, information_bound(visual, made, 0.2).nats, 1.0)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    likeness = visual @ torch.nn.functional.normalize(textual.detach(), dim=-1).T
    assert likeness.argmax(dim=1).tolist() == list(range(6))
    assert likeness.diagonal().min().item() > 0.9


def test_attention_equals_the_loop_and_its_rows_sum_to_one() -> None:
    vectors = unit(5, 7, seed=1)
    made = in_batch_attention(vectors, 0.3)
    looped = torch.tensor(loops.attention(vectors.tolist(), 0.3), dtype=torch.float64)
    torch.testing.assert_close(made, looped)
    torch.testing.assert_close(made.sum(dim=1), torch.ones(5, dtype=torch.float64))


def test_attention_tends_to_the_mean_and_to_the_item_itself() -> None:
    vectors = unit(5, 7, seed=1)
    everyone = torch.full((5, 5), 0.2, dtype=torch.float64)
    torch.testing.assert_close(in_batch_attention(vectors, 1e9), everyone)
    torch.testing.assert_close(
        in_batch_attention(vectors, 1e-3), torch.eye(5, dtype=torch.float64), atol=1e-9, rtol=0
    )


def test_the_disagreement_equals_the_loop() -> None:
    first, second = normal(5, 5, seed=1), normal(5, 5, seed=2)
    looped = loops.disagreement(first.tolist(), second.tolist())
    assert attention_disagreement(first, second).item() == pytest.approx(looped, abs=1e-12)


def test_worked_disagreements() -> None:
    identity, swapped = torch.eye(3), torch.eye(3).roll(1, dims=0)
    assert attention_disagreement(identity, identity).item() == 0
    # The most that two maps of distributions can differ: 2 an item.
    assert attention_disagreement(identity, swapped).item() == 6


def test_equal_attention_has_no_disagreement_wherever_the_vectors_lie() -> None:
    """A rotation of one modality keeps its likenesses."""
    visual = unit(5, 7, seed=1)
    rotation, _ = torch.linalg.qr(normal(7, 7, seed=3))
    maps = in_batch_attention(visual, 0.1), in_batch_attention(visual @ rotation, 0.1)
    assert attention_disagreement(*maps).item() == pytest.approx(0, abs=1e-20)


def test_one_item_cannot_disagree() -> None:
    maps = in_batch_attention(unit(1, 3, seed=1), 0.1), in_batch_attention(unit(1, 3, seed=2), 0.1)
    assert attention_disagreement(*maps).item() == 0


def test_gradients_are_derivatives() -> None:
    visual = unit(3, 4, seed=1).requires_grad_()
    textual = unit(3, 4, seed=2).requires_grad_()
    temperature = scalar(0.5).requires_grad_()
    inputs = (visual, textual, temperature)
    gradcheck = torch.autograd.gradcheck
    assert gradcheck(lambda v, t, tau: information_bound(v, t, tau).nats, inputs)
    assert gradcheck(
        lambda v, t, tau: harmony_loss(v, t, information_bound(v, t, tau).nats, 0.3), inputs
    )
    assert gradcheck(
        lambda v, t, tau: attention_disagreement(
            in_batch_attention(v, tau), in_batch_attention(t, tau)
        ),
        inputs,
    )


def test_the_total_equals_the_loop_and_a_worked_number() -> None:
    weights = HarmonyWeights(
        distillation_weight=2.0,
        feature_distillation_weight=3.0,
        harmony_weight=5.0,
        disagreement_weight=7.0,
    )
    losses = [1.0, 0.1, 0.01, -0.001, 0.0001]
    names = ["task", "distillation", "feature_distillation", "harmony", "disagreement"]
    terms = {name: scalar(loss) for name, loss in zip(names, losses, strict=True)}
    made = total_loss(**terms, weights=weights).item()
    assert made == pytest.approx(1.2257, abs=1e-12)
    assert made == pytest.approx(loops.total(losses, [2, 3, 5, 7]), abs=1e-12)


@pytest.mark.usefixtures("without_shape_hook")
def test_shapes_that_torch_would_broadcast_are_refused() -> None:
    three, one = torch.ones(3, 2), torch.ones(1, 2)
    with pytest.raises(ValueError, match=r"^visual_unit has shape \(3, 2\) and textual_unit \(1, "):
        information_bound(three, one, 1.0)
    with pytest.raises(ValueError, match=r"^visual has shape \(3, 2\) and textual \(1, 2\): give "):
        harmony_loss(three, one, torch.tensor(0.0), 1.0)
    with pytest.raises(ValueError, match=r"^visual_attention has shape \(3, 3\) and textual_atten"):
        attention_disagreement(torch.eye(3), torch.eye(1))


def test_an_empty_batch_is_refused() -> None:
    empty = torch.zeros(0, 2)
    with pytest.raises(ValueError, match=r"^visual_unit is empty, shape \(0, 2\): give"):
        information_bound(empty, empty, 1.0)
    with pytest.raises(ValueError, match=r"^unit is empty, shape \(0, 2\): give at least one item"):
        in_batch_attention(empty, 1.0)


def test_temperatures_and_weights_have_limits() -> None:
    one = torch.ones(1, 2)
    with pytest.raises(ValueError, match="^temperature must be above 0, got 0.0$"):
        information_bound(one, one, 0.0)
    with pytest.raises(ValueError, match="^temperature must be above 0, got -2.0$"):
        in_batch_attention(one, torch.tensor(-2.0))
    with pytest.raises(ValueError, match="^distance_weight must not be below 0, got -1.0$"):
        harmony_loss(one, one, torch.tensor(0.0), -1.0)
    with pytest.raises(ValueError, match="^harmony_weight must not be below 0, got -1.0$"):
        HarmonyWeights(harmony_weight=-1.0)
    with pytest.raises(ValueError, match="^distillation_weight must not be below 0, got nan$"):
        HarmonyWeights(distillation_weight=math.nan)
