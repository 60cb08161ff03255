"""SATIPATTHANA 5.1 against its loops."""

import pytest
import torch

from satipatthana.samatha import effective_lipschitz, has_settled, state_update
from tests.references import satipatthana_samatha as loops
from tests.satipatthana.samatha.engines import normal


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_update_equals_the_loop(beta: float) -> None:
    state, refined = normal(5, 7, seed=1), normal(5, 7, seed=2)
    made = state_update(state, refined, beta)
    for row, s, phi in zip(made.tolist(), state.tolist(), refined.tolist(), strict=True):
        assert row == pytest.approx(loops.state_update(s, phi, beta), abs=1e-12)


def test_a_worked_update() -> None:
    """A quarter of 8 and three quarters of 4 is 5."""
    assert state_update(torch.tensor([[4.0]]), torch.tensor([[8.0]]), 0.25).item() == 5.0


@pytest.mark.parametrize(
    ("beta", "lipschitz", "worked"), [(0.5, 0.5, 0.75), (0.3, 0.0, 0.7), (0.7, 1.0, 1.0)]
)
def test_the_effective_constant_equals_the_loop_and_worked_numbers(
    beta: float, lipschitz: float, worked: float
) -> None:
    assert effective_lipschitz(beta, lipschitz) == pytest.approx(worked, abs=1e-15)
    assert effective_lipschitz(beta, lipschitz) == loops.effective_lipschitz(beta, lipschitz)


@pytest.mark.parametrize("threshold", [0.0, 2.5, 4.0])
def test_settling_equals_the_loop(threshold: float) -> None:
    state, before = normal(11, 7, seed=3), normal(11, 7, seed=4)
    looped = [
        loops.has_settled(new, old, threshold)
        for new, old in zip(state.tolist(), before.tolist(), strict=True)
    ]
    assert has_settled(state, before, threshold).tolist() == looped


def test_a_move_as_long_as_the_threshold_has_not_settled() -> None:
    """Moves of 5, 0 and less than 5, against 5."""
    state = torch.tensor([[3.0, 4.0], [0.0, 0.0], [3.0, 3.99]]).double()
    assert has_settled(state, torch.zeros(3, 2).double(), 5.0).tolist() == [False, True, True]
