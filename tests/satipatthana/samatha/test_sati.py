"""Who has settled, in every mode; and a threshold that tells samples apart."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from satipatthana.configs import SatiConfig, SatiType
from satipatthana.configs.samatha import Mode
from satipatthana.outputs import SantanaLog
from satipatthana.samatha import FixedStepSati, ThresholdSati, build_sati
from tests.references import satipatthana_samatha as loops
from tests.satipatthana.samatha.engines import move_lengths, normal

MOVES = [[8.0, 4.0, 2.0, 1.0, 0.5], [0.5, 0.25, 0.1, 0.05, 0.02], [9.0, 9.0, 9.0, 9.0, 9.0]]
"""Lengths of three samples' moves in five steps."""


def trajectory_of(moves: list[list[float]]) -> Tensor:
    """States in one line with these moves, T B 2."""
    along = torch.tensor(moves, dtype=torch.float64).T.cumsum(dim=0)
    along = torch.cat([torch.zeros(1, len(moves), dtype=torch.float64), along])
    return torch.stack([along, torch.zeros_like(along)], dim=-1)


def counted_steps(sati: torch.nn.Module, trajectory: Tensor) -> list[int]:
    """At which step each sample was first said to have stopped."""
    santana = SantanaLog()
    santana.max_steps = len(trajectory) - 1
    santana.add(trajectory[0])
    steps = [0] * trajectory.shape[1]
    for step, state in enumerate(trajectory[1:], start=1):
        santana.add(state)
        should_stop, info = sati(state, santana)
        for sample, stopped in enumerate(info["stopped"].tolist()):
            steps[sample] = steps[sample] or step * stopped
        assert should_stop == all(info["stopped"].tolist())
        expected = (state - trajectory[step - 1]).norm(dim=-1)
        assert info["energy"].tolist() == pytest.approx(expected.tolist())
    return steps


@pytest.mark.parametrize(
    ("mode", "worked"), [("fixed", [5, 5, 5]), ("early_stopping", [4, 1, 5]), ("hybrid", [4, 3, 5])]
)
def test_worked_steps_of_each_mode(mode: Mode, worked: list[int]) -> None:
    """Threshold 2: a move of 2 has not settled, one of 1 has; hybrid takes three steps at least."""
    sati = build_sati(SatiConfig(threshold=2.0, mode=mode, min_steps=3)).eval()
    assert counted_steps(sati, trajectory_of(MOVES)) == worked


@settings(max_examples=40, deadline=None)
@given(
    moves=st.lists(st.lists(st.floats(0.01, 9.0), min_size=5, max_size=5), min_size=1, max_size=4),
    threshold=st.floats(0.05, 9.0),
    min_steps=st.integers(1, 5),
)
def test_steps_equal_the_loop(moves: list[list[float]], threshold: float, min_steps: int) -> None:
    sati = build_sati(SatiConfig(threshold=threshold, mode="hybrid", min_steps=min_steps)).eval()
    trajectory = trajectory_of(moves)
    # The buffer is a float32; the loop gets the same number, and the moves as they came out.
    limit = float(sati.threshold) if isinstance(sati, ThresholdSati) else threshold
    looped = [
        loops.steps_until_settled(lengths, limit, min_steps, 5)
        for lengths in move_lengths(trajectory).T.tolist()
    ]
    assert counted_steps(sati, trajectory) == looped


@pytest.mark.parametrize("training_mode", get_args(Mode))
def test_training_has_a_mode_of_its_own(training_mode: Mode) -> None:
    config = SatiConfig(threshold=2.0, mode="hybrid", training_mode=training_mode, min_steps=3)
    sati = build_sati(config)
    worked = {"fixed": [5, 5, 5], "early_stopping": [4, 1, 5], "hybrid": [4, 3, 5]}
    assert counted_steps(sati.train(), trajectory_of(MOVES)) == worked[training_mode]


def test_fixed_steps_are_all_steps() -> None:
    sati = build_sati(SatiConfig(type=SatiType.FIXED_STEP))
    assert isinstance(sati, FixedStepSati)
    assert counted_steps(sati, trajectory_of(MOVES)) == [5, 5, 5]
    sati.fit(trajectory_of(MOVES))
    assert counted_steps(sati, trajectory_of(MOVES)) == [5, 5, 5]


def test_a_threshold_that_is_not_yet_fitted_stops_nothing() -> None:
    still = torch.zeros(6, 3, 2, dtype=torch.float64)
    assert counted_steps(build_sati(SatiConfig()).eval(), still) == [5, 5, 5]


def test_a_fitted_threshold_halves_the_samples_at_three_fifths_of_the_steps() -> None:
    """The third of five moves: 2, 0.1, 9 and 4; half-way between 2 and 4."""
    moves = [*MOVES, [6.0, 5.0, 4.0, 3.0, 2.0]]
    sati = ThresholdSati(SatiConfig()).eval()
    sati.fit(trajectory_of(moves))
    assert sati.threshold.item() == 3.0
    assert counted_steps(sati, trajectory_of(moves)) == [3, 1, 5, 5]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.3, 0.95))
def test_a_fitted_threshold_always_tells_samples_apart(seed: int, factor: float) -> None:
    """Geometric convergence from different lengths of the first move."""
    first = normal(20, seed=seed).abs() + 0.1
    moves = [[float(length) * factor**step for step in range(10)] for length in first]
    sati = ThresholdSati(SatiConfig()).eval()
    sati.fit(trajectory_of(moves))
    steps = counted_steps(sati, trajectory_of(moves))
    assert sum(count <= 6 for count in steps) == 10


def test_a_given_threshold_is_not_refitted_and_no_moves_fit_nothing() -> None:
    given_one = ThresholdSati(SatiConfig(threshold=0.5))
    given_one.fit(trajectory_of(MOVES))
    assert given_one.threshold.item() == 0.5
    unfitted = ThresholdSati(SatiConfig())
    unfitted.fit(trajectory_of(MOVES)[:1])
    assert unfitted.threshold.item() == 0.0


def test_the_threshold_is_saved_with_the_weights() -> None:
    fitted, fresh = ThresholdSati(SatiConfig()), ThresholdSati(SatiConfig())
    fitted.fit(trajectory_of(MOVES))
    fresh.load_state_dict(fitted.state_dict())
    assert fresh.threshold.item() == fitted.threshold.item() == 5.5
    assert list(fitted.parameters()) == []
