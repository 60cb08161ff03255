"""What a training may be given, and what it refuses."""

from typing import Any

import pytest
import torch

from satipatthana.configs import (
    DecoderConfig,
    PathMix,
    SamathaConfig,
    StageConfig,
    StandardVicaraConfig,
    SystemConfig,
    TransformerAdapterConfig,
    VitakkaConfig,
)
from satipatthana.curriculum import STAGES, fit
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import VoidDataset
from tests.satipatthana.systems import clusters, short, small_system, state_of


def test_without_voids_the_known_are_shuffled_into_some() -> None:
    x, y = clusters()
    history = fit(small_system(), x, y, config=short(1))
    assert "void" in history.path_scores


def test_without_a_share_of_voids_there_are_none() -> None:
    x, y = clusters()
    system = small_system()
    history = fit(system, x, y, config=short(1, path_mix=PathMix(void=0.0)))
    assert "void" not in history.path_scores
    assert set(system.vipassana.vipassana.projection.sign.tolist()) == {1.0}  # type: ignore[union-attr, operator]


def test_voids_may_be_a_dataset_or_a_tensor() -> None:
    x, y = clusters()
    far = 5.0 + torch.rand(20, x.shape[1])
    systems = small_system(), small_system()
    fit(systems[0], x, y, void=far, config=short(1))
    fit(systems[1], x, y, void=VoidDataset(far), config=short(1))
    for name, value in systems[0].state_dict().items():
        assert torch.equal(value, systems[1].state_dict()[name]), name


@pytest.mark.parametrize("task", ["reconstruction", "none"])
def test_tasks_without_labels(task: str) -> None:
    x, _ = clusters()
    decoder = DecoderConfig(kind="reconstruction") if task == "reconstruction" else DecoderConfig()
    system = small_system(task=task, output_dim=None, use_label_guidance=False, decoder=decoder)
    history = fit(system, x, config=short(1))
    stages = [stage.stage for stage in history.stages]
    assert stages == list(STAGES[:4] if task == "reconstruction" else STAGES[:3])


def test_regression_takes_numbers_of_one_or_more_columns() -> None:
    x, _ = clusters()
    for y, width in ((x.sum(dim=1), 1), (x[:, :2], 2)):
        system = small_system(task="regression", output_dim=width)
        history = fit(system, x, y, config=short(2, decoder=StageConfig(max_epochs=6)))
        losses = [epoch.held_out["total"] for epoch in history.stage("decoder").epochs]
        assert min(losses) < losses[0]


def test_token_numbers_can_be_trained_on() -> None:
    adapter = TransformerAdapterConfig(
        latent_dim=6, length=5, vocabulary_size=9, width=8, num_heads=2, num_layers=1
    )
    samatha = SamathaConfig(
        adapter=adapter,
        vitakka=VitakkaConfig(num_probes=2),
        vicara=StandardVicaraConfig(latent_dim=6),
        max_steps=3,
    )
    system = SatipatthanaSystem(SystemConfig(samatha=samatha, task="none"))
    tokens = torch.randint(1, 9, (40, 5), generator=torch.Generator().manual_seed(0))
    history = fit(system, tokens, config=short(1))
    assert history.path_scores["augmented"].keys() == {"trust", "conformity", "confidence"}


def bad_inputs() -> list[tuple[dict[str, Any], str]]:
    x, y = clusters()
    nan = x.clone()
    nan[7, 2] = float("nan")
    return [
        ({"x": x[:, :5], "y": y}, r"x: expected the shape \(B, 7\), got \(90, 5\)"),
        ({"x": x[:0], "y": y[:0]}, "x: expected one sample or more, got an empty batch"),
        ({"x": x[:1], "y": y[:1]}, "samples in x: expected at least 6, got 1"),
        ({"x": nan, "y": y}, "x: expected finite numbers, got NaN or infinity in sample 7"),
        ({"x": x}, r"y: expected one label for each sample \(task 'classification'\), got None"),
        ({"x": x, "y": y[:5]}, "y: expected 90 entries, got 5"),
        ({"x": x, "y": y.float()}, r"y: expected class numbers of the shape \(90,\), got torch"),
        ({"x": x, "y": y + 1}, "y: expected classes 0 to 2, got 1 to 3"),
        ({"x": x, "y": y, "void": x[:, :5]}, r"void: expected the shape \(B, 7\), got \(90, 5\)"),
        ({"x": x, "y": y, "void": x[:1]}, "samples in void: expected at least 2, got 1"),
        ({"x": x, "y": y, "void": nan}, "void: expected finite numbers, got NaN or infinity"),
    ]


@pytest.mark.usefixtures("without_shape_hook")
@pytest.mark.parametrize(("arguments", "message"), bad_inputs())
def test_bad_input_is_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    system = small_system()
    before = state_of(system)
    with pytest.raises(ValueError, match=message) as refused:
        fit(system, **arguments, config=short(1))
    assert "\n" not in str(refused.value)
    assert all(torch.equal(before[name], value) for name, value in state_of(system).items())


def test_regression_numbers_of_the_wrong_width_are_refused() -> None:
    x, _ = clusters()
    system = small_system(task="regression", output_dim=2)
    with pytest.raises(ValueError, match=r"y: expected the shape \(B, 2\), got \(90, 3\)"):
        fit(system, x, x[:, :3], config=short(1))


def test_a_batch_too_small_for_five_paths_is_refused() -> None:
    x, y = clusters()
    with pytest.raises(ValueError, match="batch_size: expected at least 6, got 4"):
        fit(small_system(), x, y, config=short(1, batch_size=4))
