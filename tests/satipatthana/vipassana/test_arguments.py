"""What the second engine refuses, by name."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from satipatthana.configs import StandardVipassanaConfig
from satipatthana.outputs import SantanaLog
from satipatthana.vipassana import StandardVipassana
from tests.satipatthana.vipassana.trajectories import B, D, K, evidence


def changed(**arguments: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {**evidence(), **arguments}


def with_steps(steps: list[int]) -> dict[str, Any]:
    given = evidence()
    given["santana"].convergence_steps = torch.tensor(steps)
    return given


@pytest.mark.usefixtures("without_shape_hook")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (changed(s_star=torch.ones(B, 2)), r"s_star: expected the shape \(B, 6\), got \(7, 2\)"),
        (changed(s_star=torch.ones(0, D)), "s_star: expected one sample or more"),
        (changed(s_star=torch.full((B, D), math.nan)), "s_star: expected finite numbers"),
        (changed(santana=SantanaLog()), "SantanaLog: expected one state or more, got none"),
        (
            changed(s_star=torch.ones(3, D)),
            r"santana: expected states of the shape \(3, 6\), got \(7, 6\)",
        ),
        (changed(probes=torch.ones(K, 2)), r"probes: expected the shape \(B, 6\)"),
        (changed(recon_error=torch.ones(B, 2)), r"recon_error: expected the shape \(B, 1\)"),
        (changed(recon_error=torch.ones(2, 1)), "recon_error: expected 7 entries, got 2"),
        (
            changed(step_errors=torch.ones(2, B)),
            r"step_errors: expected the shape \(5, 7\), got \(2, 7\)",
        ),
        (changed(extra=torch.ones(B, 1)), r"extra: expected the shape \(B, 0\)"),
        (lambda: with_steps([5] * B), "santana.convergence_steps: expected 0 to 4, got 5"),
        (lambda: with_steps([-1] * B), "santana.convergence_steps: expected 0 to 4, got -1"),
        (lambda: with_steps([1]), "santana.convergence_steps: expected 7 entries, got 1"),
    ],
)
def test_bad_arguments_are_named(arguments: Callable[[], dict[str, Any]], message: str) -> None:
    judge = StandardVipassana(StandardVipassanaConfig(context_dim=10), D)
    with pytest.raises(ValueError, match=message):
        judge(**arguments())


def test_missing_extra_features_are_named() -> None:
    config = StandardVipassanaConfig(context_dim=10, extra_features=("knn", "margin"))
    judge = StandardVipassana(config, D)
    with pytest.raises(ValueError, match="extra: expected the features knn, margin, got none"):
        judge(**evidence())
