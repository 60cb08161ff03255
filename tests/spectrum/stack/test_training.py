"""Training of the stack on made-up material: it learns, repeats itself, and survives a kill."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from spectrum.stack.best_epochs import PARTS, Epoch, kept_epochs
from spectrum.stack.material import CaptionedImages
from spectrum.stack.reading import read
from spectrum.stack.settings import StackTraining
from spectrum.stack.stack import Stack
from spectrum.stack.training import StackTrainer
from tests.spectrum.stack.stacks import captioned, fresh_stack, small_config

BRIEF = StackTraining(
    alone=3, together=2, integrated=2, batch=20, validation=4, patience=9, learning_rate=3e-3
)


class Killed(Exception):
    """As a power cut would."""


def trained(
    training: StackTraining = BRIEF,
    *,
    material: CaptionedImages | None = None,
    checkpoint: Path | None = None,
    kill_in: int = 0,
) -> StackTrainer:
    """A run; `kill_in` names the stage in whose first epoch it is killed."""

    def watch(epoch: Epoch) -> None:
        if epoch.stage == kill_in:
            raise Killed

    trainer = StackTrainer(fresh_stack(seed=training.seed), material or captioned(60), training)
    trainer.run(checkpoint, watch)
    return trainer


def weights(stack: Stack) -> dict[str, torch.Tensor]:
    return stack.state_dict()


def same_weights(first: Stack, second: Stack) -> bool:
    other = weights(second)
    return all(torch.equal(value, other[name]) for name, value in weights(first).items())


@pytest.fixture(scope="module")
def whole() -> StackTrainer:
    return trained()


def test_every_stage_is_in_the_history(whole: StackTrainer) -> None:
    stages = [(epoch.stage, epoch.epoch) for epoch in whole.history]
    assert stages == [
        (0, 0),
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 0),
        (2, 1),
        (2, 2),
        (3, 0),
        (3, 1),
        (3, 2),
    ]
    assert math.isnan(whole.history[0].training_loss)
    modules = set(whole.history[0].validation_losses)
    assert modules == {"nexus", "oracle", "harmony", "prompts", "descriptions"}
    assert not whole.stack.training


def test_what_is_learned_from_and_what_chooses_are_apart(whole: StackTrainer) -> None:
    assert whole.held.tolist() == list(range(3, 60, 4))
    assert sorted([*whole.learned.tolist(), *whole.held.tolist()]) == list(range(60))


def test_losses_fall() -> None:
    training = dataclasses.replace(BRIEF, alone=12, together=0, integrated=4, batch=15)
    history = trained(training).history
    alone = [epoch for epoch in history if epoch.stage == 1]
    assert alone[-1].training_loss < 0.9 * alone[0].training_loss
    start, best = history[0], min(epoch.validation_loss for epoch in history)
    assert best < start.validation_loss
    last = history[-1].validation_losses
    assert sum(last.values()) < sum(start.validation_losses.values())


def test_a_seed_repeats_itself_and_another_does_not(whole: StackTrainer) -> None:
    assert same_weights(trained().stack, whole.stack)
    other = trained(dataclasses.replace(BRIEF, seed=1, alone=1, together=0, integrated=0))
    assert not same_weights(other.stack, whole.stack)


@pytest.mark.parametrize("stage", [2, 3])
def test_a_killed_run_ends_as_one_that_was_not(
    whole: StackTrainer, stage: int, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        trained(checkpoint=tmp_path / "kept", kill_in=stage)
    torch.manual_seed(12345)
    watched: list[int] = []
    trainer = StackTrainer(fresh_stack(seed=99), captioned(60), BRIEF)
    trainer.run(tmp_path / "kept", lambda epoch: watched.append(epoch.stage))
    assert min(watched) == stage
    assert same_weights(trainer.stack, whole.stack)
    without_time = [repr(epoch._replace(seconds=0.0)) for epoch in trainer.history]
    assert without_time == [repr(epoch._replace(seconds=0.0)) for epoch in whole.history]


def test_a_run_that_was_over_is_not_run_again(whole: StackTrainer, tmp_path: Path) -> None:
    first = trained(checkpoint=tmp_path / "kept")
    watched: list[Epoch] = []
    trainer = StackTrainer(fresh_stack(seed=99), captioned(60), BRIEF)
    trainer.run(tmp_path / "kept", watched.append)
    assert watched == []
    assert same_weights(trainer.stack, first.stack)
    assert not (tmp_path / "kept.tmp").exists()


def test_a_checkpoint_of_another_setting_or_of_other_images_is_not_used(tmp_path: Path) -> None:
    short = dataclasses.replace(BRIEF, alone=1, together=0, integrated=0)
    trained(short, checkpoint=tmp_path / "kept")
    for training, material in (
        (dataclasses.replace(short, learning_rate=1e-3), captioned(60)),
        (short, captioned(60, seed=50)),
    ):
        watched: list[Epoch] = []
        trainer = StackTrainer(fresh_stack(), material, training)
        trainer.run(tmp_path / "kept", watched.append)
        assert [epoch.stage for epoch in watched] == [1]


@pytest.mark.parametrize(("alone", "integrated"), [(1, 0), (5, 5), (0, 1)])
def test_any_number_of_steps_is_a_schedule(alone: int, integrated: int) -> None:
    """One step an epoch: torch's own schedule fails at five."""
    training = dataclasses.replace(BRIEF, alone=alone, together=0, integrated=integrated, batch=500)
    history = trained(training, material=captioned(12)).history
    assert len([each for each in history if each.epoch]) == alone + integrated
    assert all(math.isfinite(epoch.validation_loss) for epoch in history)


def test_a_stage_that_gains_nothing_ends_early_and_changes_nothing() -> None:
    training = dataclasses.replace(
        BRIEF, alone=9, together=0, integrated=0, patience=2, learning_rate=3.0
    )
    trainer = trained(training)
    assert len(trainer.history) == 1 + 2
    start = StackTrainer(fresh_stack(), captioned(60), training)
    start.start()
    assert same_weights(trainer.stack, start.stack)


def test_each_part_is_left_with_the_epoch_that_is_told() -> None:
    training = dataclasses.replace(
        BRIEF, alone=6, together=0, integrated=0, learning_rate=0.03, batch=15
    )
    trainer = StackTrainer(fresh_stack(), captioned(60), training)
    trainer.start()
    states = [{name: value.clone() for name, value in weights(trainer.stack).items()}]

    def watch(epoch: Epoch) -> None:
        states.append({name: value.clone() for name, value in weights(trainer.stack).items()})

    trainer = StackTrainer(fresh_stack(), captioned(60), training)
    trainer.run(None, watch)
    kept = kept_epochs(trainer.history)[1]
    assert set(kept) == set(PARTS)
    assert len(set(kept.values())) > 1  # else one epoch for all would do
    for part, epoch in kept.items():
        for name, value in weights(trainer.stack).items():
            if name.startswith(PARTS[part]):
                assert torch.equal(value, states[epoch][name]), (part, epoch, name)


def test_an_encoder_without_a_visual_block_is_trained() -> None:
    training = dataclasses.replace(BRIEF, alone=1, together=1, integrated=1)
    stack = fresh_stack(small_config(visual=0))
    trainer = StackTrainer(stack, captioned(40, visual=0), training)
    history = trainer.run()
    assert [epoch.stage for epoch in history] == [0, 1, 2, 2, 3, 3]
    assert all(math.isfinite(epoch.validation_loss) for epoch in history)


def test_a_memory_of_the_images_is_trained_and_resumed(tmp_path: Path) -> None:
    config = dataclasses.replace(small_config(), remembered=45)
    runs = []
    for kill in (0, 3):
        trainer = StackTrainer(fresh_stack(config), captioned(60), BRIEF)

        def watch(epoch: Epoch, kill: int = kill) -> None:
            if epoch.stage == kill:
                raise Killed

        if kill:
            with pytest.raises(Killed):
                trainer.run(tmp_path / "kept", watch)
            trainer = StackTrainer(fresh_stack(config, seed=99), captioned(60), BRIEF)
            trainer.run(tmp_path / "kept")
        else:
            trainer.run()
        runs.append(trainer)
    assert same_weights(runs[0].stack, runs[1].stack)
    assert runs[0].stack.memory.keys.norm(dim=-1).min().item() > 0.99


def test_a_memory_holds_the_first_images_or_is_refused() -> None:
    few = dataclasses.replace(small_config(), remembered=44)
    trainer = StackTrainer(fresh_stack(few), captioned(60), BRIEF)
    trainer.start()
    assert trainer.own[trainer.learned].tolist() == [*range(44), -1]
    many = dataclasses.replace(small_config(), remembered=46)
    with pytest.raises(ValueError, match=r"^visual has shape \(45, 5\), expected \(46, 5\)$"):
        StackTrainer(fresh_stack(many), captioned(60), BRIEF).start()


def test_reading_leaves_the_mode_as_it_was() -> None:
    view, stack = captioned(12).views[0], fresh_stack()
    for training in (True, False):
        local, readings = read(stack.train(training), view)
        assert stack.training is training
        assert local.shape == (12, 12)
        assert {each.shape for each in readings} == {(12, 7)}
        assert all(bool(each.isfinite().all()) for each in readings)


def test_images_are_read_once_for_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = StackTrainer(fresh_stack(), captioned(60), BRIEF)
    trainer.start()
    seen: list[int] = []
    read_before = trainer.stack.readings

    def counted(features: torch.Tensor, *given: object) -> object:
        seen.append(len(features))
        return read_before(features, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer.stack, "readings", counted)
    said = trainer.note(1, 1, 0.0, 0.0)
    assert sum(seen) == 60
    monkeypatch.undo()
    assert said.validation_losses == pytest.approx(trainer.history[0].validation_losses, rel=1e-6)


def test_what_cannot_be_trained_on_is_refused() -> None:
    with pytest.raises(ValueError, match="^the material has 7 captioned images: give at least 8$"):
        StackTrainer(fresh_stack(), captioned(7), BRIEF)
    material = captioned(9)
    with pytest.raises(
        ValueError, match="^a view has 9 images and captions 8: give each image its"
    ):
        CaptionedImages(views=material.views, captions=material.captions[:8])


@pytest.mark.parametrize(
    ("name", "value", "least"), [("batch", 1, 2), ("validation", 1, 2), ("patience", 0, 1)]
)
def test_settings_that_are_none_are_refused(name: str, value: int, least: int) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be at least {least}, got {value}$"):
        StackTraining(**{name: value})  # type: ignore[arg-type]
