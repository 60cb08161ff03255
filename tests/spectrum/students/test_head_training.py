"""What training of the heads promises, on features whose answer is known."""

import math

import numpy as np
import pytest
import torch

from spectrum.students.head_training import HeadTrainer, fitting_temperature, likeness_logits
from spectrum.students.lessons import CaptionRows, Lessons, Pairs, TextRows
from spectrum.students.settings import StudentTraining

NONE = TextRows([], [], CaptionRows(), CaptionRows())


def lessons(count: int, *, views: int = 1, bent: float = 1.0, seed: int = 0) -> Lessons:
    """Targets that are linear in 12 inputs, plus `bent` times something that is not."""
    random = np.random.default_rng(seed)
    truth, turn = np.random.default_rng(9).normal(size=(2, 12, 6))

    def pairs(size: int, shown: int) -> Pairs:
        inputs = random.normal(size=(1, size, 12))
        right = inputs[0] @ truth + bent * 4.0 * np.abs(inputs[0] @ turn)
        noisy = inputs + random.normal(scale=0.02, size=(shown, size, 12))
        return Pairs(
            inputs=noisy.astype(np.float32),
            teacher_unit=(right / np.linalg.norm(right, axis=1, keepdims=True)).astype(np.float32),
        )

    return Lessons(training=pairs(count, views), validation=pairs(100, 1))


def test_training_betters_what_no_line_can_say() -> None:
    training = StudentTraining(epochs=25, learning_rate=5e-3, dropout=0.0, weight_decay=0.0)
    taught = HeadTrainer(lessons(800, views=2), lessons(300, seed=1), NONE, training).taught()
    first, best = taught.epochs[0], taught.epochs[taught.best_epoch]
    assert first.training_loss is None
    assert best.validation_loss < 0.8 * first.validation_loss
    assert best.validation_cosine > first.validation_cosine + 0.02
    losses = [epoch.training_loss or math.inf for epoch in taught.epochs[1:]]
    assert losses[-1] < losses[0]
    assert best.validation_loss == min(epoch.validation_loss for epoch in taught.epochs)


def test_the_kept_heads_are_those_of_the_best_epoch() -> None:
    """A learning rate that spoils everything leaves ridge regression."""
    training = StudentTraining(epochs=9, patience=2, learning_rate=3.0, dropout=0.0)
    given = lessons(60, bent=0.0)
    taught = HeadTrainer(given, None, NONE, training).taught()
    assert taught.best_epoch == 0
    assert len(taught.epochs) == 3
    inputs = given.validation.inputs[0]
    np.testing.assert_array_equal(taught.images.vectors(inputs), taught.linear.vectors(inputs))
    assert taught.texts is None


def test_no_epochs_leave_ridge_regression() -> None:
    advanced: list[int] = []
    trainer = HeadTrainer(lessons(50), None, NONE, StudentTraining(epochs=0))
    taught = trainer.taught(lambda: advanced.append(1))
    assert (taught.best_epoch, len(taught.epochs), advanced) == (0, 1, [])


def test_the_same_seed_teaches_the_same() -> None:
    def vectors(seed: int) -> np.ndarray:
        given = lessons(60)
        training = StudentTraining(epochs=2, seed=seed, learning_rate=1e-2)
        taught = HeadTrainer(given, None, NONE, training).taught()
        return taught.images.vectors(given.validation.inputs[0])

    np.testing.assert_array_equal(vectors(0), vectors(0))


def test_captions_teach_what_the_teacher_does_not() -> None:
    """Pairs that the teacher does not see together are found once captions say so."""
    images, texts = lessons(60, bent=0.0), lessons(60, bent=0.0, seed=3)
    own = CaptionRows(images=list(range(60)), texts=[[n] for n in range(60)])
    unseen = CaptionRows(images=[0, 1, 2], texts=[[0], [1], [2]])
    rows = TextRows([], [], own, unseen)
    texts.training.inputs[:] = images.training.inputs
    texts.validation.inputs[:] = images.validation.inputs

    def losses(weight: float) -> tuple[float, float]:
        training = StudentTraining(
            epochs=15, patience=15, caption_weight=weight, learning_rate=5e-3,
            feature_weight=0.0, likeness_weight=0.01, dropout=0.0,
        )  # fmt: skip
        taught = HeadTrainer(images, texts, rows, training).taught()
        return taught.epochs[0].validation_loss, taught.epochs[taught.best_epoch].validation_loss

    before, after = losses(1.0)
    assert after < 0.7 * before


def test_an_item_is_not_like_itself_and_spread_is_half_a_deviation() -> None:
    unit = torch.nn.functional.normalize(torch.randn(6, 3, dtype=torch.float64), dim=-1)
    probs = likeness_logits(unit, 0.1).softmax(dim=-1)
    assert probs.diagonal().max() == 0.0
    others = [float(unit[i] @ unit[j]) for i in range(6) for j in range(6) if i != j]
    assert fitting_temperature(unit, unit) == pytest.approx(np.std(others, ddof=1) / 2)
    assert fitting_temperature(unit[:1].expand(4, 3), unit[:1]) == 1e-6


def test_an_input_that_never_varied_says_nothing_later() -> None:
    given = lessons(50)
    given.training.inputs[:, :, 4] = 2.5
    given.validation.inputs[:, :, 4] = 2.5
    taught = HeadTrainer(given, None, NONE, StudentTraining(epochs=0)).taught()
    inputs = given.validation.inputs[0].copy()
    before = taught.images.vectors(inputs)
    inputs[:, 4] = 1000.0
    np.testing.assert_array_equal(taught.images.vectors(inputs), before)
