import pytest

from satipatthana.configs import StageConfig
from satipatthana.curriculum.transitions import Ending, Transition


def endings(
    held_out: list[float], goal_losses: list[float] | None = None, **settings: float
) -> list[Ending | None]:
    config = StageConfig(**{"max_epochs": 50, **settings})  # type: ignore[arg-type]
    transition = Transition(config)
    found = []
    for loss, goal_loss in zip(held_out, goal_losses or held_out, strict=True):
        transition.improves(loss)
        found.append(transition.ending(goal_loss))
    return found


def test_a_stage_goes_on_while_its_loss_falls() -> None:
    assert endings([5.0, 4.0, 3.0, 2.0], patience=1) == [None] * 4


def test_patience_counts_epochs_without_a_new_lowest_loss() -> None:
    assert endings([3.0, 2.0, 2.5, 2.0, 2.2], patience=3) == [None, None, None, None, "plateau"]


def test_epochs_are_used_up() -> None:
    assert endings([3.0, 2.0], max_epochs=2) == [None, "max_epochs"]


def test_a_goal_ends_the_stage_once_its_loss_has_levelled_off() -> None:
    found = endings([1.0, 0.5, 0.4999], [0.9, 0.01, 0.01], goal=0.1)
    assert found == [None, None, "goal"]


def test_a_goal_that_is_not_met_does_not_end_it() -> None:
    assert endings([1.0, 0.999], [0.9, 0.9], goal=0.1) == [None, None]


def test_a_goal_must_be_passed_not_touched() -> None:
    assert endings([1.0, 1.0], [0.1, 0.1], goal=0.1) == [None, None]


def test_a_loss_that_is_no_number_is_no_improvement() -> None:
    transition = Transition(StageConfig(max_epochs=5))
    assert transition.improves(1.0)
    assert not transition.improves(float("nan"))
    assert (transition.best_epoch, transition.best_loss) == (1, 1.0)


def test_the_lowest_epoch_is_remembered() -> None:
    transition = Transition(StageConfig(max_epochs=5))
    assert [transition.improves(loss) for loss in (3.0, 1.0, 2.0)] == [True, True, False]
    assert transition.best_epoch == 2


def test_patience_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="patience: expected at least 1, got 0"):
        StageConfig(max_epochs=1, patience=0)
