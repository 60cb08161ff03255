"""From metrics to trust: standardised, turned the bad way up, and never rising as they worsen."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from satipatthana.vipassana import MetricProjection, TrustHead
from satipatthana.vipassana.monotone import share_higher
from tests.references import satipatthana_vipassana as loops

M, G = 5, 7


def numbers(count: int, seed: int) -> Tensor:
    return torch.randn(count, M, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def projection(monotone: bool = True) -> MetricProjection:
    """Random weights, fitted to metrics of which the odd ones fall for voids."""
    torch.manual_seed(5)
    made = MetricProjection(M, G, monotone).double()
    clean = 3 * numbers(101, 6) + 2
    made.fit(clean, clean[:53] + torch.tensor([4.0, -4.0] * M)[:M])
    torch.nn.init.normal_(made.linear.weight)
    return made


def test_the_monotone_projection_equals_the_loop() -> None:
    made = projection()
    metrics = numbers(11, 8)
    wanted = [
        loops.h_static(
            row,
            made.mean.tolist(),
            made.scale.tolist(),
            made.sign.tolist(),
            made.linear.weight.tolist(),
            made.linear.bias.tolist(),
        )
        for row in metrics.tolist()
    ]
    for row, expected in zip(made(metrics).tolist(), wanted, strict=True):
        assert row == pytest.approx(expected, abs=1e-9)


def test_signs_follow_the_voids() -> None:
    assert projection().sign.tolist() == [1, -1, 1, -1, 1]


def test_scales_are_medians_and_quartiles_which_a_few_strange_samples_do_not_move() -> None:
    made = MetricProjection(1, 2)
    clean = torch.arange(101.0)[:, None]
    made.fit(clean, clean)
    assert made.mean.tolist() == [50]
    assert made.scale.tolist() == pytest.approx([50 / 1.349])
    clean[-1] = 1e9
    made.fit(clean, clean)
    assert made.mean.tolist() == [50]
    assert made.scale.tolist() == pytest.approx([50 / 1.349])


def test_a_metric_that_hardly_varies_is_scaled_by_its_deviation_and_a_constant_one_by_one() -> None:
    made = MetricProjection(2, 2)
    clean = torch.tensor([[1.0, 5.0]] * 99 + [[11.0, 5.0]])
    made.fit(clean, clean)
    assert made.scale.tolist() == pytest.approx([(0.01 * 0.99) ** 0.5 * 10, 1.0])


def test_a_metric_that_voids_do_not_move_keeps_the_way_of_the_table() -> None:
    made = MetricProjection(1, 2)
    made.fit(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [2.0]]))
    assert made.sign.tolist() == [1]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=9),
    st.lists(st.integers(-3, 3), min_size=1, max_size=9),
)
def test_the_share_of_higher_voids_equals_the_loop(clean: list[int], void: list[int]) -> None:
    made = share_higher(torch.tensor(clean).double(), torch.tensor(void).double())
    assert float(made) == pytest.approx(loops.share_higher(clean, void))


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    which=st.integers(0, M - 1),
    worsening=st.floats(1e-3, 100),
    size=st.sampled_from([0.1, 3.0, 100.0]),
)
def test_trust_never_rises_as_a_metric_goes_its_bad_way(
    seed: int, which: int, worsening: float, size: float
) -> None:
    made, head = projection(), TrustHead(G).double()
    generator = torch.Generator().manual_seed(seed)
    for weight in (made.linear.weight, head.linear.weight):
        torch.nn.init.normal_(weight, generator=generator)
    metrics = size * numbers(101, seed)
    worse = metrics.clone()
    worse[:, which] += worsening * made.sign[which]
    assert bool((head(made(worse)) <= head(made(metrics)) + 1e-9).all())


def test_a_free_projection_can_do_what_the_monotone_one_cannot() -> None:
    made, head = MetricProjection(1, 1, monotone=False), TrustHead(1, monotone=False)
    for linear in (made.linear, head.linear):
        torch.nn.init.ones_(linear.weight)
    better, worse = head(made(torch.tensor([[1.0], [2.0]])))
    assert worse > better


def told() -> MetricProjection:
    """Three metrics of which voids raise the first always, the second in 3 of 4 pairs, and the
    third as often as not."""
    made = MetricProjection(3, 2)
    clean = torch.tensor([0.0, 1.0, 2.0, 3.0])
    void = torch.stack([clean + 4, torch.full([4], 2.5), clean], dim=1)
    made.fit(clean[:, None].expand(4, 3).contiguous(), void)
    return made


def test_a_metric_starts_with_the_weight_of_what_it_tells() -> None:
    # AUROC 1, 0.75 and 0.5: (2 A - 1)^2 is 1, 1/4 and 0, of length sqrt(17) / 4 together.
    for weights in told().linear.weight.tolist():
        assert weights == pytest.approx([4 / 17**0.5, 1 / 17**0.5, 0.0])


def test_a_metric_that_tells_nothing_is_not_heard_even_when_training_would_use_it() -> None:
    made = told()
    torch.nn.init.ones_(made.linear.weight)
    metrics = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, -300.0]])
    first, second = made(metrics)
    assert torch.equal(first, second)


def test_no_metric_outweighs_another_at_the_start() -> None:
    made, head = MetricProjection(M, G), TrustHead(G)
    one_strange_metric_each = head(made(10 * torch.eye(M)))
    assert one_strange_metric_each.flatten().tolist() == pytest.approx(
        [one_strange_metric_each[0].item()] * M
    )


def test_far_out_trust_still_tells_apart() -> None:
    made, head = MetricProjection(M, G), TrustHead(G)
    far, farther = head(made(torch.tensor([[100.0], [1000.0]]) * torch.ones(M)))
    assert farther.item() == pytest.approx(10 * far.item(), rel=0.02)


def test_an_untrained_head_is_undecided_about_the_middle_and_doubts_what_is_worse() -> None:
    made, head = MetricProjection(M, G), TrustHead(G)
    better, middle, worse = head(made(torch.tensor([[-1.0], [0.0], [1.0]]) * torch.ones(M)))
    assert middle.item() == pytest.approx(0, abs=1e-5)
    assert worse.item() < -1 < 0 < better.item()


def test_a_single_unit_is_enough() -> None:
    made, head = MetricProjection(1, 1), TrustHead(1)
    assert head(made(torch.zeros(1, 1))).item() == pytest.approx(0, abs=1e-6)


def test_units_that_start_with_equal_weights_learn_to_differ() -> None:
    made, head = MetricProjection(M, G), TrustHead(G)
    loss = head(made(numbers(20, 3).float())).square().sum()
    (gradient,) = torch.autograd.grad(loss, [made.linear.weight])
    assert len({tuple(row) for row in gradient.tolist()}) == G


@pytest.mark.usefixtures("without_shape_hook")
@pytest.mark.parametrize(
    ("clean", "void", "message"),
    [
        (torch.ones(3, 2), torch.ones(3, M), r"clean: expected the shape \(B, 5\), got \(3, 2\)"),
        (torch.ones(3, M), torch.ones(3, 2), r"void: expected the shape \(B, 5\), got \(3, 2\)"),
        (torch.ones(0, M), torch.ones(3, M), "clean: expected one sample or more"),
        (torch.ones(3, M), torch.ones(0, M), "void: expected one sample or more"),
        (torch.ones(3, M), torch.full((3, M), torch.nan), "void: expected finite numbers"),
    ],
)
def test_bad_material_is_named(clean: Tensor, void: Tensor, message: str) -> None:
    made = MetricProjection(M, G)
    with pytest.raises(ValueError, match=message):
        made.fit(clean, void)
