"""What is said in place of answers that are not trusted."""

import math

import pytest
import torch
from torch import Tensor

from satipatthana.configs import FallbackConfig
from satipatthana.fallbacks import (
    DefaultAnswer,
    Fallback,
    MaximalVariance,
    Prediction,
    Refusal,
)

OUTPUT = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3], [1.0, 0.0, 0.0]])
SCORE = torch.tensor([[0.9], [0.1], [0.5], [math.nan]])
TRUSTED = [True, False, True, False]
CONFIG = FallbackConfig(threshold=0.5)
EVERY: list[Fallback] = [DefaultAnswer(), MaximalVariance(), Refusal(), Refusal(lambda at: at)]


@pytest.mark.parametrize("fallback", EVERY)
def test_every_fallback_keeps_trusted_answers_and_only_those(fallback: Fallback) -> None:
    answers = fallback(OUTPUT, SCORE, CONFIG)
    assert answers.trusted.tolist() == TRUSTED
    assert len(answers.values) == 4
    for answer, row, kept in zip(answers.values, OUTPUT, TRUSTED, strict=True):
        same = isinstance(answer, Tensor) and torch.equal(answer, row)
        assert same == kept


@pytest.mark.parametrize("fallback", EVERY)
def test_with_a_threshold_of_zero_all_is_trusted(fallback: Fallback) -> None:
    answers = fallback(OUTPUT, SCORE.nan_to_num(), FallbackConfig(threshold=0.0))
    assert answers.trusted.all()
    assert torch.equal(torch.stack(answers.values), OUTPUT)


@pytest.mark.usefixtures("without_shape_hook")
@pytest.mark.parametrize("fallback", EVERY)
def test_scores_of_another_batch_are_named(fallback: Fallback) -> None:
    with pytest.raises(ValueError, match=r"score: expected the shape \(4, 1\), got \(2, 1\)"):
        fallback(OUTPUT, torch.ones(2, 1), CONFIG)


def test_the_default_answer_is_the_specifications_or_the_callers() -> None:
    assert DefaultAnswer()(OUTPUT, SCORE, CONFIG).values[1] == "I don't know"
    assert DefaultAnswer(-1)(OUTPUT, SCORE, CONFIG).values[3] == -1


def test_untrusted_classes_become_equally_likely_as_probabilities_and_as_logits() -> None:
    row = MaximalVariance()(OUTPUT, SCORE, CONFIG).values[1]
    assert row.tolist() == pytest.approx([1 / 3] * 3)
    assert row.softmax(dim=0).tolist() == pytest.approx([1 / 3] * 3)


def test_untrusted_numbers_become_mean_and_variance_of_the_training_targets() -> None:
    targets = torch.tensor([[1.0, 10.0, 0.0], [3.0, 10.0, 4.0]])
    fallback = MaximalVariance(targets, residual_variance=0.25)
    values = fallback(OUTPUT, SCORE, CONFIG).values
    assert all(isinstance(value, Prediction) for value in values)
    assert values[1].mean.tolist() == [2, 10, 2]
    assert values[1].variance.tolist() == [1, 0, 4]
    assert torch.equal(values[0].mean, OUTPUT[0])
    assert values[0].variance.tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.ones(0, 3), "targets: expected one sample or more, got an empty batch"),
        (torch.full((2, 3), math.inf), "targets: expected finite numbers, got NaN or infinity"),
    ],
)
def test_bad_targets_are_named(targets: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaximalVariance(targets)


def test_a_negative_variance_is_named() -> None:
    with pytest.raises(ValueError, match=r"residual_variance: expected at least 0.0, got -1.0"):
        MaximalVariance(torch.ones(2, 3), residual_variance=-1.0)


def test_targets_of_another_width_than_the_answers_are_named() -> None:
    with pytest.raises(ValueError, match=r"output: expected the shape \(B, 2\), got \(4, 3\)"):
        MaximalVariance(torch.ones(5, 2))(OUTPUT, SCORE, CONFIG)


def test_a_refusal_without_a_search_is_none() -> None:
    assert Refusal()(OUTPUT, SCORE, CONFIG).values[1::2] == [None, None]


def test_the_search_is_asked_once_for_what_is_refused() -> None:
    asked: list[list[int]] = []

    def search(positions: list[int]) -> list[str]:
        asked.append(positions)
        return [f"found {position}" for position in positions]

    answers = Refusal(search)(OUTPUT, SCORE, CONFIG)
    assert asked == [[1, 3]]
    assert answers.values[1::2] == ["found 1", "found 3"]


def test_the_search_is_not_asked_where_all_is_trusted() -> None:
    def search(positions: list[int]) -> list[str]:
        raise AssertionError(positions)

    assert Refusal(search)(OUTPUT, torch.ones(4, 1), CONFIG).trusted.all()


def test_a_search_that_answers_too_little_is_named() -> None:
    with pytest.raises(ValueError, match="answers of the search: expected 2 entries, got 1"):
        Refusal(lambda positions: ["one"])(OUTPUT, SCORE, CONFIG)
