"""The ensemble as one teacher: folds, and heads that never saw the rows they are asked about."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from spectrum.training.ensemble_head import (
    EnsembleTeacher,
    EnsembleTrainer,
    EnsembleTraining,
    folds,
)
from spectrum.training.heads import HeadShape

SMALL = EnsembleTraining(
    shape=HeadShape(width=5, hidden=0, dropout=0.0), folds=3, epochs=20, batch=7, seed=1
)
COUNT = 22


def material() -> tuple[np.ndarray, np.ndarray]:
    """Two views of signals 7 wide, and two captions 6 wide of each, which say the same."""
    random = np.random.default_rng(0)
    meanings = random.normal(size=(COUNT, 4))
    signals = meanings @ random.normal(size=(4, 7))
    sentences = (meanings @ random.normal(size=(4, 6)))[:, None].repeat(2, axis=1)
    sentences /= np.linalg.norm(sentences, axis=2, keepdims=True)
    views = np.stack([signals, signals + 0.01 * random.normal(size=signals.shape)])
    return views.astype(np.float32), sentences.astype(np.float32)


def taught(training: EnsembleTraining = SMALL) -> tuple[EnsembleTeacher, EnsembleTrainer]:
    signals, captions = material()
    torch.manual_seed(0)
    teacher = EnsembleTeacher(training, signals.shape[2], captions.shape[2])
    trainer = EnsembleTrainer(teacher, signals, captions)
    trainer.train()
    return teacher, trainer


@given(st.integers(1, 200), st.integers(1, 9), st.integers(0, 5))
def test_folds_are_equal_in_size_and_always_the_same(count: int, parts: int, seed: int) -> None:
    made = folds(count, parts, seed)
    sizes = torch.bincount(made, minlength=parts)
    assert len(made) == count
    assert sizes.max() - sizes.min() <= 1
    assert made.tolist() == folds(count, parts, seed).tolist()


def test_folds_are_drawn() -> None:
    assert folds(100, 5, 0).tolist() != folds(100, 5, 1).tolist()
    assert folds(100, 5, 0).tolist() != (torch.arange(100) % 5).tolist()


def test_a_fold_head_never_sees_the_rows_of_its_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, set[int]] = {}
    loss = EnsembleTrainer._loss

    def spying(self: EnsembleTrainer, head: nn.Module, rows: Tensor) -> Any:
        number = [other is head for other in self.teacher.heads].index(True)
        seen.setdefault(number, set()).update(rows.tolist())
        return loss(self, head, rows)

    monkeypatch.setattr(EnsembleTrainer, "_loss", spying)
    _, trainer = taught()
    assert sorted(seen) == [0, 1, 2, 3]
    assert seen[0] == set(range(COUNT))
    for part in range(3):
        lacked = {row for row in range(COUNT) if trainer.fold[row] == part}
        assert seen[part + 1] == set(range(COUNT)) - lacked


def test_a_photograph_is_seen_by_the_head_of_its_fold() -> None:
    teacher, trainer = taught()
    signals = material()[0][0]
    made = teacher.photographs(signals, trainer.fold)
    standardised = teacher.standardised(torch.from_numpy(signals))
    for row in range(COUNT):
        head = teacher.heads[int(trainer.fold[row]) + 1]
        torch.testing.assert_close(made[row], head(standardised[row : row + 1])[0])
    torch.testing.assert_close(made.norm(dim=1), torch.ones(COUNT))


def test_other_photographs_are_seen_by_the_mean_of_the_fold_heads() -> None:
    teacher, _ = taught()
    signals = material()[0][1]
    standardised = teacher.standardised(torch.from_numpy(signals))
    total = sum((head(standardised) for head in teacher.heads[1:]), torch.zeros(COUNT, 5))
    wanted = total / total.norm(dim=1, keepdim=True)
    torch.testing.assert_close(teacher.photographs(signals), wanted)


def test_only_the_first_head_moves_what_the_texts_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folds' vectors are compared with each other, so one projection serves them all."""
    states = []
    train = EnsembleTrainer._train

    def spying(self: EnsembleTrainer, *given: Any) -> None:
        train(self, *given)
        states.append([part.clone() for part in self.teacher.projection.parameters()])

    monkeypatch.setattr(EnsembleTrainer, "_train", spying)
    taught()
    assert len(states) == 4
    for later in states[1:]:
        for before, after in zip(states[0], later, strict=True):
            assert torch.equal(before, after)


def test_captions_find_their_photographs_after_training() -> None:
    signals, captions = material()
    torch.manual_seed(0)
    teacher = EnsembleTeacher(SMALL, 7, 6)
    trainer = EnsembleTrainer(teacher, signals, captions)
    teacher.standardised.fit(signals[0])
    before = trainer.dev_hits(signals[0], captions)["text_to_image"]
    _, trainer = taught(replace(SMALL, epochs=80, learning_rate=0.02))
    after = trainer.dev_hits(signals[0], captions)["text_to_image"]
    assert after[1] > max(70.0, before[1])


def test_a_seed_repeats_a_training() -> None:
    first, second = taught()[0].state_dict(), taught()[0].state_dict()
    for name, value in first.items():
        assert torch.equal(second[name], value), name
    assert not any(part.requires_grad for part in taught()[0].parameters())
