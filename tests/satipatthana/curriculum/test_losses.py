import math

import pytest
import torch
from torch import Tensor

from satipatthana.curriculum.losses import (
    adapter_loss,
    decoder_loss,
    samatha_loss,
    task_loss,
    vipassana_loss,
)
from satipatthana.outputs import VipassanaOutput
from tests.references import satipatthana_curriculum as loops

GENERATOR = torch.Generator().manual_seed(3)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR, dtype=torch.float64)


def judgement(scores: Tensor) -> VipassanaOutput:
    trust, conformity, confidence = scores[:, :1], scores[:, 1:2], scores[:, 2:]
    return VipassanaOutput(scores.new_zeros(len(scores), 2), trust, conformity, confidence)


def test_the_adapter_loss_equals_the_loop() -> None:
    guess, truth = drawn(5, 7), drawn(5, 7)
    expected = loops.mean_squared_error(guess.tolist(), truth.tolist())
    assert adapter_loss(guess, truth).item() == pytest.approx(expected, abs=1e-12)


def test_the_adapter_loss_of_two_numbers_that_are_off_by_one_and_three_is_five() -> None:
    assert adapter_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 5.0]])).item() == 5.0


def test_the_samatha_loss_equals_the_loop() -> None:
    now, before, guess, truth = drawn(5, 3), drawn(5, 3), drawn(5, 7), drawn(5, 7)
    logits, classes = drawn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    guidance = loops.cross_entropy(logits.tolist(), classes.tolist())
    found = samatha_loss(
        now,
        before,
        guess,
        truth,
        task_loss(logits, classes, "classification"),
        recon_weight=0.2,
        guidance_weight=0.4,
    )
    expected = loops.samatha(
        now.tolist(), before.tolist(), guess.tolist(), truth.tolist(), guidance, 0.2, 0.4
    )
    assert found.total.item() == pytest.approx(expected, abs=1e-12)
    assert found.guidance.item() == pytest.approx(guidance, abs=1e-12)


def test_the_samatha_loss_by_hand() -> None:
    now, before = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    guess, truth = torch.tensor([[2.0], [0.0]]), torch.tensor([[0.0], [0.0]])
    found = samatha_loss(
        now,
        before,
        guess,
        truth,
        torch.tensor(10.0),
        torch.tensor([4.0, 6.0]),
        stability_weight=2.0,
        recon_weight=0.5,
        guidance_weight=0.1,
        probe_weight=0.2,
    )
    assert found.stability.item() == 3.0  # (1 + 4) and 1, halved
    assert found.reconstruction.item() == 2.0
    assert found.probes.item() == 5.0
    assert found.total.item() == pytest.approx(2 * 3 + 0.5 * 2 + 0.1 * 10 + 0.2 * 5)


def test_without_labels_and_probe_distances_those_terms_are_zero() -> None:
    found = samatha_loss(drawn(2, 3), drawn(2, 3), drawn(2, 4), drawn(2, 4))
    assert found.guidance.item() == 0.0
    assert found.probes.item() == 0.0


def test_the_vipassana_loss_equals_the_loop() -> None:
    scores, targets = drawn(7, 3).sigmoid(), drawn(7, 1).sigmoid()
    weights = drawn(7, 3).abs()
    found = vipassana_loss(judgement(scores), targets, weights)
    expected = loops.vipassana(
        (scores[:, 0].tolist(), scores[:, 1].tolist(), scores[:, 2].tolist()),
        targets[:, 0].tolist(),
        weights.T.tolist(),
    )
    terms = [found.trust.item(), found.conformity.item(), found.confidence.item()]
    assert terms == pytest.approx(expected, abs=1e-12)
    assert found.total.item() == pytest.approx(sum(expected), abs=1e-12)


def test_undecided_scores_cost_log_two_each() -> None:
    found = vipassana_loss(judgement(torch.full((4, 3), 0.5)), torch.tensor([[1.0], [0], [1], [0]]))
    assert found.total.item() == pytest.approx(3 * math.log(2))


def test_a_score_does_not_learn_from_what_weighs_nothing() -> None:
    scores = torch.full((2, 3), 0.5, requires_grad=True)
    weights = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    loss = vipassana_loss(judgement(scores), torch.tensor([[1.0], [0.0]]), weights)
    loss.total.backward()
    assert scores.grad is not None
    assert (scores.grad != 0).tolist() == [[True, True, False], [False, True, False]]
    assert loss.confidence.item() == 0.0


def test_the_decoder_loss_of_classes_equals_the_loop() -> None:
    logits, classes = drawn(5, 3), torch.tensor([2, 0, 1, 1, 2])
    expected = loops.cross_entropy(logits.tolist(), classes.tolist())
    found = decoder_loss(logits, classes, "classification").item()
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("task", ["regression", "reconstruction"])
def test_the_decoder_loss_of_numbers_equals_the_loop(task: str) -> None:
    guess, truth = drawn(5, 3), drawn(5, 3)
    expected = loops.mean_squared_error(guess.tolist(), truth.tolist())
    assert decoder_loss(guess, truth, task).item() == pytest.approx(expected, abs=1e-12)  # type: ignore[arg-type]


def test_nothing_to_be_right_about_is_refused() -> None:
    message = "task: expected one of classification, regression, reconstruction, got 'none'"
    with pytest.raises(ValueError, match=message):
        decoder_loss(drawn(2, 3), drawn(2, 3), "none")
