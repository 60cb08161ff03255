"""The dynamic branch: packed, standardised, and the recurrence that it claims to be."""

import math

import pytest
import torch
from torch import Tensor

from satipatthana.configs.vipassana import STEP_FEATURES, StepFeature
from satipatthana.vipassana import TrajectoryEncoder
from satipatthana.vipassana.metrics import state_at
from tests.references import satipatthana_vipassana as loops

T, B, D, H = 5, 7, 3, 2
STEPS = [4, 2, 0, 1, 3, 4, 1]


@pytest.fixture
def trajectory() -> Tensor:
    return torch.randn(T, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def errors() -> Tensor:
    return torch.rand(T, B, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def encoder() -> TrajectoryEncoder:
    torch.manual_seed(3)
    return TrajectoryEncoder(D, H, STEP_FEATURES).double()


def features_by_loop(
    states: list[list[float]], s_star: list[float], errors: list[float]
) -> list[list[float]]:
    rows = []
    for t, state in enumerate(states):
        residual = [a - b for a, b in zip(state, s_star, strict=True)]
        energy = loops.distance(state, states[t - 1]) if t else 0.0
        rows.append([*state, *residual, energy, math.log(1 + errors[t])])
    return rows


def test_the_encoder_equals_the_loop_over_each_samples_own_steps(
    encoder: TrajectoryEncoder, trajectory: Tensor, errors: Tensor
) -> None:
    s_star = trajectory[-1]
    encoder.fit(s_star, trajectory, torch.tensor(STEPS), errors)
    made = encoder(s_star, trajectory, torch.tensor(STEPS), errors)
    weights = {
        "input": encoder.gru.weight_ih_l0.tolist(),
        "hidden": encoder.gru.weight_hh_l0.tolist(),
        "input_bias": [encoder.gru.bias_ih_l0.tolist()],
        "hidden_bias": [encoder.gru.bias_hh_l0.tolist()],
    }
    for b, n in enumerate(STEPS):
        rows = features_by_loop(
            trajectory[: n + 1, b].tolist(), s_star[b].tolist(), errors[:, b].tolist()
        )
        scaled = [
            [
                (x - m) / s
                for x, m, s in zip(row, encoder.mean.tolist(), encoder.scale.tolist(), strict=True)
            ]
            for row in rows
        ]
        assert made[b].tolist() == pytest.approx(loops.gru(scaled, weights), abs=1e-9)


def test_scales_are_those_of_the_real_steps_only(
    encoder: TrajectoryEncoder, trajectory: Tensor, errors: Tensor
) -> None:
    steps = torch.tensor(STEPS)
    s_star = state_at(trajectory, steps)
    encoder.fit(s_star, trajectory, steps, errors)
    columns = list(
        zip(
            *(
                row
                for b, n in enumerate(STEPS)
                for row in features_by_loop(
                    trajectory[: n + 1, b].tolist(), s_star[b].tolist(), errors[:, b].tolist()
                )
            ),
            strict=True,
        )
    )
    means = [sum(column) / len(column) for column in columns]
    assert encoder.mean.tolist() == pytest.approx(means)
    assert encoder.scale.tolist() == pytest.approx(
        [
            math.sqrt(sum((x - mean) ** 2 for x in column) / len(column))
            for mean, column in zip(means, columns, strict=True)
        ]
    )


def test_features_that_do_not_vary_keep_the_scale_one(encoder: TrajectoryEncoder) -> None:
    still = torch.ones(1, B, D, dtype=torch.float64)
    encoder.fit(still[0], still, torch.zeros(B, dtype=torch.long))
    assert encoder.scale.tolist() == [1.0] * (2 * D + 2)


@pytest.mark.parametrize("padding", [0.0, 1e6, math.nan])
def test_padding_changes_nothing(
    encoder: TrajectoryEncoder, trajectory: Tensor, errors: Tensor, padding: float
) -> None:
    steps = torch.tensor(STEPS)
    s_star = state_at(trajectory, steps)
    before = encoder(s_star, trajectory, steps, errors)
    for b, n in enumerate(STEPS):
        trajectory[n + 1 :, b] = padding
        errors[n + 1 :, b] = padding
    assert torch.equal(encoder(s_star, trajectory, steps, errors), before)


def test_a_real_step_does_change_it(
    encoder: TrajectoryEncoder, trajectory: Tensor, errors: Tensor
) -> None:
    steps = torch.tensor(STEPS)
    s_star = state_at(trajectory, steps)
    before = encoder(s_star, trajectory, steps, errors)
    trajectory[1, 0] += 1
    changed = (encoder(s_star, trajectory, steps, errors) != before).any(dim=1)
    assert changed.tolist() == [True] + [False] * (B - 1)


def test_another_samples_state_in_place_of_its_own_changes_it(
    encoder: TrajectoryEncoder, trajectory: Tensor
) -> None:
    steps = torch.tensor(STEPS)
    s_star = state_at(trajectory, steps)
    swapped = s_star.roll(1, dims=0)
    own, other = encoder(s_star, trajectory, steps), encoder(swapped, trajectory, steps)
    assert bool((own != other).any(dim=1).all())


@pytest.mark.parametrize(
    ("names", "width"),
    [(("state",), D), (("energy",), 1), (("reconstruction", "residual"), D + 1)],
)
def test_only_the_named_features_are_read(
    names: tuple[StepFeature, ...], width: int, trajectory: Tensor, errors: Tensor
) -> None:
    encoder = TrajectoryEncoder(D, H, names).double()
    features = encoder.features(trajectory[-1], trajectory, errors)
    assert features.shape == (T, B, width)
    if names == ("energy",):
        assert features[0].tolist() == [[0.0]] * B
    if "reconstruction" in names:
        assert torch.equal(features[..., 0], errors.log1p())


def test_without_errors_the_reconstruction_reads_zero(
    encoder: TrajectoryEncoder, trajectory: Tensor
) -> None:
    assert not encoder.features(trajectory[-1], trajectory)[..., -1].any()
