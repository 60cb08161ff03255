"""Context vector, three scores and their targets against the specification's 5.2."""

import pytest
import torch
from torch import nn

from satipatthana.configs import PATHS
from satipatthana.vipassana import scores
from tests.references import satipatthana_vipassana as loops

H_DYNAMIC = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
H_STATIC = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def linear(weights: list[float], bias: float) -> nn.Linear:
    head = nn.Linear(len(weights), 1, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([weights]))
        head.bias.fill_(bias)
    return head


def loop_of(head: nn.Linear, rows: list[list[float]]) -> list[float]:
    weights, bias = head.weight[0].tolist(), head.bias.item()

    def logit(row: loops.Vector) -> float:
        return bias + sum(w * x for w, x in zip(weights, row, strict=True))

    return [loops.score(row, logit) for row in rows]


def test_the_context_vector_equals_the_loop() -> None:
    made = scores.context_vector(H_DYNAMIC, H_STATIC)
    pairs = zip(H_DYNAMIC.tolist(), H_STATIC.tolist(), strict=True)
    assert made.tolist() == [loops.context_vector(dynamic, static) for dynamic, static in pairs]


def test_trust_equals_the_loop() -> None:
    head = linear([0.5, -2.0], 0.1)
    made = scores.trust(H_STATIC, head)
    assert made[:, 0].tolist() == pytest.approx(loop_of(head, H_STATIC.tolist()), abs=1e-12)


def test_conformity_equals_the_loop() -> None:
    head = linear([1.0, -1.0, 3.0], -0.4)
    made = scores.conformity(H_DYNAMIC, head)
    assert made[:, 0].tolist() == pytest.approx(loop_of(head, H_DYNAMIC.tolist()), abs=1e-12)


def test_confidence_equals_the_loop_with_the_static_part_first() -> None:
    head = linear([1.0, 0.2, -1.0, 3.0, 0.7], 0.3)
    made = scores.confidence(H_STATIC, H_DYNAMIC, head)
    rows = [[*s, *d] for s, d in zip(H_STATIC.tolist(), H_DYNAMIC.tolist(), strict=True)]
    assert made[:, 0].tolist() == pytest.approx(loop_of(head, rows), abs=1e-12)


def test_a_logit_of_zero_is_a_score_of_a_half() -> None:
    head = linear([0.0, 0.0], 0.0)
    assert scores.trust(H_STATIC, head).tolist() == [[0.5]] * 5


@pytest.mark.parametrize("path", PATHS)
def test_targets_equal_the_loop(path: str) -> None:
    severities = [0.0, 0.25, 1.0]
    made = scores.score_targets(path, torch.tensor(severities))  # type: ignore[arg-type]
    assert made.tolist() == [[loops.score_target(path, severity)] for severity in severities]


def test_void_targets_are_zero_whatever_the_severity() -> None:
    assert not scores.score_targets("void", torch.ones(3)).any()


@pytest.mark.usefixtures("without_shape_hook")
def test_an_unknown_path_is_named() -> None:
    with pytest.raises(ValueError, match="path: expected one of clean, .*, got 'sober'"):
        scores.score_targets("sober", torch.ones(1))  # type: ignore[arg-type]
