"""The log of a batch's states."""

import pytest
import torch

from satipatthana.outputs import SantanaLog

STATES = torch.arange(24.0).reshape(4, 3, 2)


def log() -> SantanaLog:
    """Four states of three samples."""
    santana = SantanaLog({"winner_id": torch.tensor([2, 0, 1])})
    for state in STATES:
        santana.add(state)
    return santana


def test_a_log_gives_its_states_one_by_one_from_either_end() -> None:
    santana = log()
    assert len(santana) == 4
    for step in range(-4, 4):
        assert torch.equal(santana[step], STATES[step])
    assert torch.equal(santana.to_tensor(), STATES)


@pytest.mark.parametrize("step", [4, -5])
def test_a_step_that_was_not_recorded_is_an_error(step: int) -> None:
    with pytest.raises(IndexError):
        log()[step]
    with pytest.raises(IndexError):
        SantanaLog()[step]


def test_a_log_ends_when_it_is_walked_through() -> None:
    walked = list(log())
    assert len(walked) == 4
    assert all(map(torch.equal, walked, STATES))


def test_a_log_starts_without_moves_and_counts_those_of_each_sample() -> None:
    santana = log()
    assert santana.convergence_steps.tolist() == [0, 0, 0]
    santana.convergence_steps += torch.tensor([3, 0, 1])
    santana.add(STATES[0])
    assert santana.convergence_steps.tolist() == [3, 0, 1]


def test_a_state_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"state: expected the shape \(3, 2\), got \(2, 2\)"):
        log().add(torch.zeros(2, 2))


def test_metadata_are_copied_and_may_be_missing() -> None:
    given = {"winner_id": torch.tensor([1])}
    santana = SantanaLog(given)
    given.clear()
    assert santana.metadata["winner_id"].tolist() == [1]
    assert SantanaLog().metadata == {}
