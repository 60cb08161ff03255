"""The eight grounding metrics against loops, pencil numbers, and what padding may not change."""

import math

import pytest
import torch
from torch import Tensor

from satipatthana.configs import METRICS
from satipatthana.vipassana import metrics
from tests.references import satipatthana_vipassana as loops
from tests.satipatthana.vipassana.trajectories import real_states

STEPS = [4, 2, 0, 1, 3, 4, 1]
T, B, D, K = 5, 7, 3, 2


@pytest.fixture
def trajectory() -> Tensor:
    return torch.randn(T, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def probes() -> Tensor:
    return torch.randn(K, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def equal(made: Tensor, wanted: list[float]) -> None:
    assert made.tolist() == pytest.approx(wanted, abs=1e-12)


def test_velocity_equals_the_loop(trajectory: Tensor) -> None:
    equal(
        metrics.velocity(trajectory, torch.tensor(STEPS)),
        [loops.velocity(real_states(trajectory, STEPS, b)) for b in range(B)],
    )


def test_avg_energy_equals_the_loop(trajectory: Tensor) -> None:
    equal(
        metrics.avg_energy(trajectory, torch.tensor(STEPS)),
        [loops.avg_energy(real_states(trajectory, STEPS, b)) for b in range(B)],
    )


@pytest.mark.parametrize("max_steps", [0, 4, 11])
def test_convergence_steps_equal_the_loop(trajectory: Tensor, max_steps: int) -> None:
    steps = STEPS if max_steps else [0] * B
    made = metrics.convergence_steps(torch.tensor(steps), max_steps)
    wanted = [
        loops.convergence_steps(real_states(trajectory, steps, b), max_steps) for b in range(B)
    ]
    assert made.tolist() == pytest.approx(wanted, abs=1e-7)


def test_min_dist_equals_the_loop(trajectory: Tensor, probes: Tensor) -> None:
    equal(
        metrics.min_dist(trajectory[2], probes),
        [loops.nearest(state.tolist(), probes.tolist()) for state in trajectory[2]],
    )


@pytest.mark.parametrize("temperature", [0.01, 1.0, 30.0])
def test_entropy_equals_the_loop(trajectory: Tensor, probes: Tensor, temperature: float) -> None:
    wanted = [loops.entropy(s.tolist(), probes.tolist(), temperature) for s in trajectory[2]]
    equal(metrics.entropy(trajectory[2], probes, temperature), wanted)
    per_sample = torch.full((B, 1), temperature, dtype=torch.float64)
    equal(metrics.entropy(trajectory[2], probes, per_sample), wanted)


def test_s0_min_dist_equals_the_loop(trajectory: Tensor, probes: Tensor) -> None:
    equal(
        metrics.s0_min_dist(trajectory[0], probes),
        [loops.nearest(state.tolist(), probes.tolist()) for state in trajectory[0]],
    )


def test_drift_magnitude_equals_the_loop(trajectory: Tensor) -> None:
    equal(
        metrics.drift_magnitude(trajectory[3], trajectory[0]),
        [
            loops.drift_magnitude(end.tolist(), start.tolist())
            for end, start in zip(trajectory[3], trajectory[0], strict=True)
        ],
    )


def test_recon_error_equals_the_loop() -> None:
    errors = [0.0, 0.3, 5.0, 1e-9]
    equal(
        metrics.recon_error(torch.tensor(errors, dtype=torch.float64)),
        [loops.recon_error(error) for error in errors],
    )


def test_a_table_for_the_pencil() -> None:
    # One sample walks (0,0) -> (3,4) -> (3,0) of 4 steps allowed; probes at (0,0) and (3,3).
    states = torch.tensor([[[0.0, 0.0]], [[3.0, 4.0]], [[3.0, 0.0]]], dtype=torch.float64)
    probes = torch.tensor([[0.0, 0.0], [3.0, 3.0]], dtype=torch.float64)
    made = metrics.grounding_metrics(
        states[2],
        states,
        torch.tensor([2]),
        4,
        probes,
        error=torch.tensor([math.e - 1], dtype=torch.float64),
    )
    wanted = {
        "velocity": math.log(1 + 4),
        "avg_energy": math.log(1 + (25 + 16) / 2),
        "convergence_steps": 0.5,
        "min_dist": math.log(1 + 3),
        "entropy": math.log(2),  # both probes are 3 away
        "s0_min_dist": 0.0,
        "drift_magnitude": math.log(1 + 3),
        "recon_error": 1.0,
    }
    assert tuple(wanted) == METRICS
    equal(made[0], list(wanted.values()))


def test_without_probes_or_errors_what_they_would_tell_is_zero(trajectory: Tensor) -> None:
    made = metrics.grounding_metrics(trajectory[4], trajectory, torch.tensor(STEPS), 4)
    silent = {METRICS[m] for m in range(8) if not made[:, m].any()}
    assert silent == {"min_dist", "entropy", "s0_min_dist", "recon_error"}


def test_no_move_gives_no_velocity_energy_or_steps(trajectory: Tensor, probes: Tensor) -> None:
    start = trajectory[:1]
    made = metrics.grounding_metrics(start[0], start, torch.zeros(B, dtype=torch.long), 0, probes)
    assert not made[:, [0, 1, 2, 6]].any()
    assert bool((made[:, [3, 4, 5]] > 0).all())


@pytest.mark.parametrize("padding", [0.0, 1e6, math.nan])
def test_what_stands_behind_the_last_move_changes_nothing(
    trajectory: Tensor, probes: Tensor, padding: float
) -> None:
    steps = torch.tensor(STEPS)
    s_star = metrics.state_at(trajectory, steps)
    padded = trajectory.clone()
    for b, n in enumerate(STEPS):
        padded[n + 1 :, b] = padding
    before = metrics.grounding_metrics(s_star, trajectory, steps, 4, probes)
    assert torch.equal(metrics.grounding_metrics(s_star, padded, steps, 4, probes), before)


def test_a_state_on_a_probe_and_a_still_state_have_finite_gradients(probes: Tensor) -> None:
    states = probes.clone().requires_grad_()
    still = torch.stack([states, states])
    made = metrics.grounding_metrics(states, still, torch.tensor([1, 1]), 1, probes)
    made.sum().backward()  # type: ignore[no-untyped-call]
    assert states.grad is not None
    assert bool(torch.isfinite(states.grad).all())


def test_the_entropy_of_equally_far_probes_is_the_logarithm_of_their_number() -> None:
    corners = torch.eye(5, dtype=torch.float64)
    middle = torch.full((1, 5), 0.2, dtype=torch.float64)
    equal(metrics.entropy(middle, corners, 0.7), [math.log(5)])
