"""CASTLE 1.3 against the naive re-run and its loops, and what interventions promise."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spectrum.castle.causal_attention import causal_logits, causal_mask
from spectrum.castle.counterfactual import (
    Intervention,
    ablated,
    counterfactual_attention,
    intervention_effects,
    mixed_attention,
    noised,
)
from tests.references import castle as loops
from tests.references.contrast import dot, softmax
from tests.references.harmony import Matrix
from tests.spectrum.castle.neighbourhoods import (
    all_real,
    difference_network,
    looped_network,
    masks,
    tensor,
)
from tests.spectrum.harmony.vectors import normal


def random_intervention(
    members: int, width: int, *, seed: int, spread: float = 1.0
) -> Intervention:
    square = (2, members, members)
    return Intervention(
        logits=spread * normal(*square, seed=seed),
        source_logits=spread * normal(*square, seed=seed + 1),
        own_logits=spread * normal(*square, seed=seed + 2),
        values=normal(2, members, width, seed=seed + 3),
        new_values=normal(2, members, width, seed=seed + 4),
    )


def rerun(given: Intervention, b: int) -> list[list[float]]:
    """Delta of one neighbourhood by running its attention again for each image replaced.

    An image stands for its number, and its replacement for that number less the count, so that
    the loop asks for the attention of any mixture of both.
    """
    logits, source, own, values, new_values = (each[b].tolist() for each in given)
    count = len(logits)

    def outputs(numbers: Matrix) -> Matrix:
        rows = []
        for j, (watched,) in enumerate(numbers):
            row = []
            for k, (seen,) in enumerate(numbers):
                if watched < 0:
                    row.append(own[j][k])
                else:
                    row.append(source[j][k] if seen < 0 else logits[j][k])
            rows.append(softmax(row))
        seen_values = [new_values[k] if n < 0 else values[k] for k, (n,) in enumerate(numbers)]
        return loops.attended(rows, seen_values)

    numbers = [[float(i)] for i in range(count)]
    replacements = [[float(i - count)] for i in range(count)]
    return loops.intervention_effects(numbers, replacements, outputs)


def attention_of_features(
    features: Tensor, replaced: Tensor, matrices: tuple[Tensor, Tensor, Tensor]
) -> tuple[Intervention, Callable[[Matrix], Matrix]]:
    """CASTLE's attention from features, once for the closed form and once as a loop."""
    network = difference_network(features.shape[-1], 3)
    queries, keys, values = (features @ matrix for matrix in matrices)
    new_queries, new_keys, new_values = (replaced @ matrix for matrix in matrices)
    own = causal_logits(new_queries, keys, causal_mask(replaced, features, network))
    on_itself = causal_logits(new_queries, new_keys, causal_mask(replaced, replaced, network))
    given = Intervention(
        logits=causal_logits(queries, keys, causal_mask(features, features, network)),
        source_logits=causal_logits(queries, new_keys, causal_mask(features, replaced, network)),
        own_logits=own.diagonal_scatter(on_itself.diagonal(dim1=1, dim2=2), dim1=1, dim2=2),
        values=values,
        new_values=new_values,
    )
    columns = [matrix.T.tolist() for matrix in matrices]

    def projected(rows: Matrix, which: int) -> Matrix:
        return [[dot(column, row) for column in columns[which]] for row in rows]

    def outputs(rows: Matrix) -> Matrix:
        mask = loops.causal_mask(rows, rows, looped_network(network))
        attention = loops.causal_attention(projected(rows, 0), projected(rows, 1), mask)
        return loops.attended(attention, projected(rows, 2))

    return given, outputs


@pytest.mark.parametrize("perturbation", ["ablate", "noise"])
def test_effects_equal_the_naive_rerun_from_the_features(perturbation: str) -> None:
    """The claim of the closed form: everything run again, M times, in plain loops."""
    features = normal(2, 5, 7, seed=1)
    matrices = (normal(7, 7, seed=2), normal(7, 7, seed=3), normal(7, 7, seed=4))
    replaced = ablated(features, all_real(2, 5)).expand(-1, 5, -1)
    if perturbation == "noise":
        replaced = features + 0.3 * normal(2, 5, 7, seed=5)
    given, outputs = attention_of_features(features, replaced, matrices)
    made = intervention_effects(given, all_real(2, 5))
    for b in range(2):
        one, _ = attention_of_features(features[b : b + 1], replaced[b : b + 1], matrices)
        looped = tensor(
            loops.intervention_effects(features[b].tolist(), replaced[b].tolist(), outputs)
        )
        torch.testing.assert_close(made[b], looped, atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(intervention_effects(one, all_real(1, 5))[0], looped)


@settings(max_examples=80, deadline=None)
@given(
    members=st.integers(1, 7),
    seed=st.integers(0, 2**31),
    spread=st.sampled_from([0.0, 0.1, 1.0, 5.0, 20.0]),
)
def test_effects_equal_the_rerun_of_any_logits(members: int, seed: int, spread: float) -> None:
    given = random_intervention(members, 3, seed=seed, spread=spread)
    made = intervention_effects(given, all_real(2, members))
    for b in range(2):
        torch.testing.assert_close(made[b], tensor(rerun(given, b)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("lead", [1.0, 20.0, 40.0, 300.0])
def test_a_source_that_had_all_the_weight_is_replaced_exactly(lead: float) -> None:
    """Z_j - e^l is nothing but rounding then, in the formula as it is written."""
    given = random_intervention(5, 3, seed=11)
    logits = given.logits.clone()
    logits[:, :, 2] += lead
    given = given._replace(logits=logits)
    made = intervention_effects(given, all_real(2, 5))
    for b in range(2):
        torch.testing.assert_close(made[b], tensor(rerun(given, b)), atol=1e-10, rtol=1e-10)
    single = Intervention(*(each.float() for each in given))
    torch.testing.assert_close(
        intervention_effects(single, all_real(2, 5)), made.float(), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("watched", [1, 2, 5])
def test_the_members_that_are_watched_see_what_they_see_among_all(watched: int) -> None:
    given = random_intervention(5, 7, seed=1)
    real = masks("11010", "11111")
    part = given._replace(
        source_logits=given.source_logits[:, :watched], own_logits=given.own_logits[:, :watched]
    )
    made, whole = intervention_effects(part, real), intervention_effects(given, real)
    torch.testing.assert_close(made, whole[:, :, :watched])
    torch.testing.assert_close(
        counterfactual_attention(made, real, 0.7),
        counterfactual_attention(whole, real, 0.7)[:, :watched],
    )


def test_a_null_intervention_has_no_effect() -> None:
    given = random_intervention(5, 7, seed=1)
    same = given._replace(
        source_logits=given.logits, own_logits=given.logits, new_values=given.values
    )
    made = intervention_effects(same, all_real(2, 5))
    off = ~torch.eye(5, dtype=torch.bool)
    assert made[:, off].abs().max().item() == 0
    assert made.abs().max().item() < 1e-28


def test_a_worked_effect() -> None:
    """Two equal images at 0 and 1 on a line; the second goes to 4, and nothing else changes."""
    nothing = torch.zeros(1, 2, 2, dtype=torch.float64)
    given = Intervention(nothing, nothing, nothing, tensor([[[0.0], [1.0]]]), tensor([[[0], [4]]]))
    # Both outputs go from 1/2 to 2 when image 1 is replaced; image 0 is replaced by itself.
    torch.testing.assert_close(
        intervention_effects(given, all_real(1, 2)), tensor([[[0, 0], [2.25, 2.25]]])
    )
    # Image 0 now gives 1's replacement weight 3/4: from 1/2 to 3.
    louder = given._replace(source_logits=tensor([[[0.0, math.log(3)], [0.0, 0.0]]]))
    torch.testing.assert_close(
        intervention_effects(louder, all_real(1, 2)), tensor([[[0, 0], [6.25, 2.25]]])
    )


def test_members_that_are_not_real_change_nothing() -> None:
    given = random_intervention(5, 7, seed=1)
    real = masks("11010", "10000")
    made = intervention_effects(given, real)
    kept = torch.tensor([0, 1, 3])
    small = Intervention(
        *(each[:1][:, kept][:, :, kept] for each in given[:3]),
        *(each[:1][:, kept] for each in given[3:]),
    )
    alone = intervention_effects(small, all_real(1, 3))
    torch.testing.assert_close(made[:1][:, kept][:, :, kept], alone)
    hidden = ~(real[:, None] & real[:, :, None])
    assert made[hidden].abs().max().item() == 0


def test_an_image_alone_is_moved_by_itself_only() -> None:
    given = random_intervention(1, 7, seed=1)
    moved = (given.new_values - given.values).square().sum(dim=-1)
    torch.testing.assert_close(intervention_effects(given, all_real(2, 1))[:, 0], moved)


def test_gradients_are_derivatives_and_finite_beside_members_that_are_not_real() -> None:
    given = [each[:1].requires_grad_() for each in random_intervention(3, 2, seed=1)]

    def effects(*tensors: Tensor) -> Tensor:
        return intervention_effects(Intervention(*tensors), all_real(1, 3))

    assert torch.autograd.gradcheck(effects, tuple(given))
    for mask in ("100", "101"):
        made = intervention_effects(Intervention(*given), masks(mask))
        for gradient in torch.autograd.grad(made.sum(), given):
            assert gradient.isfinite().all().item()


def test_ablation_puts_the_mean_of_the_real_members_in_place() -> None:
    features, real = normal(2, 5, 7, seed=1), masks("11010", "10000")
    made = ablated(features, real)
    for b, kept in enumerate([[0, 1, 3], [0]]):
        torch.testing.assert_close(made[b, 0], tensor(loops.mean(features[b, kept].tolist())))


def test_noise_has_the_length_asked_for() -> None:
    torch.manual_seed(0)
    features = normal(3, 17, 101, seed=1)
    moved = (noised(features, 0.5) - features).norm(dim=-1)
    assert moved.square().mean().sqrt().item() == pytest.approx(0.5, rel=0.02)
    assert torch.equal(noised(features, 0.0), features)


def test_counterfactual_attention_equals_the_loop() -> None:
    effects = normal(2, 5, 5, seed=1).square()
    made = counterfactual_attention(effects, all_real(2, 5), 0.7)
    for b in range(2):
        looped = loops.counterfactual_attention(effects[b].tolist(), 0.7)
        torch.testing.assert_close(made[b], tensor(looped))
    torch.testing.assert_close(made.sum(dim=-1), torch.ones(2, 5, dtype=torch.float64))


def test_a_worked_counterfactual_attention() -> None:
    """Replacing image 1 moves image 0 by log 3: so 0 gives it three times its own weight."""
    effects = tensor([[[0.0, 0.0], [math.log(3), 0.0]]])
    made = counterfactual_attention(effects, all_real(1, 2), 1.0)
    torch.testing.assert_close(made, tensor([[[0.25, 0.75], [0.5, 0.5]]]))
    made = counterfactual_attention(effects, all_real(1, 2), tensor(0.5))
    torch.testing.assert_close(made[0, 0], tensor([0.1, 0.9]))


def test_counterfactual_attention_tends_to_the_mean_and_to_the_largest_effect() -> None:
    effects = normal(1, 5, 5, seed=1).square()
    real = masks("11110")
    even = tensor([[[0.25, 0.25, 0.25, 0.25, 0.0]] * 5])
    torch.testing.assert_close(counterfactual_attention(effects, real, 1e9), even)
    largest = effects[:, :4].argmax(dim=1)
    made = counterfactual_attention(effects, real, 1e-4)
    assert made.argmax(dim=-1).tolist() == largest.tolist()
    assert made.max(dim=-1).values.min().item() > 0.99


def test_mixed_attention_equals_the_loop() -> None:
    standard = normal(2, 5, 5, seed=1).softmax(dim=-1)
    counterfactual = normal(2, 5, 5, seed=2).softmax(dim=-1)
    made = mixed_attention(standard, counterfactual, 0.3)
    for b in range(2):
        looped = loops.mixed_attention(standard[b].tolist(), counterfactual[b].tolist(), 0.3)
        torch.testing.assert_close(made[b], tensor(looped))
    assert torch.equal(mixed_attention(standard, counterfactual, 1.0), standard)
    assert torch.equal(mixed_attention(standard, counterfactual, 0.0), counterfactual)
    torch.testing.assert_close(made.sum(dim=-1), torch.ones(2, 5, dtype=torch.float64))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    given = random_intervention(3, 2, seed=1)
    short = given.logits[:, :1]
    with pytest.raises(ValueError, match=r"^source_logits has shape \(2, 1, 3\), expected \(2, 3,"):
        intervention_effects(given._replace(source_logits=short), all_real(2, 3))
    with pytest.raises(ValueError, match=r"^own_logits has shape \(2, 1, 3\), expected \(2, 3, 3"):
        intervention_effects(given._replace(own_logits=short), all_real(2, 3))
    with pytest.raises(ValueError, match=r"^new_values has shape \(2, 1, 2\), expected \(2, 3, 2"):
        intervention_effects(given._replace(new_values=given.values[:, :1]), all_real(2, 3))
    with pytest.raises(ValueError, match=r"^member_mask has shape \(2, 1\), expected \(2, 3\)$"):
        intervention_effects(given, all_real(2, 1))
    with pytest.raises(ValueError, match="^temperature must be above 0, got 0.0$"):
        counterfactual_attention(given.logits, all_real(2, 3), 0.0)
    with pytest.raises(ValueError, match=r"^member_mask has shape \(1, 3\), expected \(2, 3\)$"):
        counterfactual_attention(given.logits, all_real(1, 3), 1.0)
    with pytest.raises(ValueError, match=r"^counterfactual has shape \(2, 1, 3\), expected \(2, "):
        mixed_attention(given.logits, short, 0.5)
