"""The specification's own example (section 11.2), and settings that are refused."""

import dataclasses
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
import torch

from satipatthana import configs
from satipatthana.configs import (
    METRICS,
    AdapterConfig,
    AugmenterConfig,
    AugmenterType,
    CurriculumConfig,
    DrunkConfig,
    FallbackConfig,
    MlpAdapterConfig,
    PathMix,
    SamathaConfig,
    SatiConfig,
    SatiType,
    StageConfig,
    StandardVipassanaConfig,
    SystemConfig,
    TransformerAdapterConfig,
    VicaraConfig,
    VitakkaConfig,
    create_adapter_config,
    create_vicara_config,
    judged_scores,
    uniform_scores,
)
from satipatthana.curriculum import STAGES, fit
from satipatthana.system import SatipatthanaSystem

IMPORTS = """
from satipatthana.configs import SystemConfig, SamathaConfig, VipassanaEngineConfig
from satipatthana.configs import create_adapter_config, create_vicara_config
from satipatthana.configs import AugmenterConfig, AugmenterType, VitakkaConfig
from satipatthana.configs import SatiConfig, SatiType, StandardVipassanaConfig
"""
EXAMPLE = """
config = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("mlp", input_dim=784, latent_dim=64),
        augmenter=AugmenterConfig(type=AugmenterType.GAUSSIAN, max_noise_std=0.3),
        vitakka=VitakkaConfig(num_probes=16),
        vicara=create_vicara_config("standard", latent_dim=64),
        sati=SatiConfig(type=SatiType.THRESHOLD, threshold=1e-4),
    ),
    vipassana=VipassanaEngineConfig(
        vipassana=StandardVipassanaConfig(context_dim=32),
    ),
    use_label_guidance=True,
)
"""


def test_the_specifications_example_runs_as_written_and_trains_all_stages() -> None:
    names: dict[str, Any] = {}
    exec(textwrap.dedent(IMPORTS + EXAMPLE), names)
    system = SatipatthanaSystem(names["config"], output_dim=10)
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 10
    centres = torch.randn(10, 784, generator=generator)
    x = centres[y] + 0.3 * torch.randn(300, 784, generator=generator)
    history = fit(
        system,
        x,
        y,
        config=CurriculumConfig(
            batch_size=32,
            vipassana=StageConfig(max_epochs=2),
            decoder=StageConfig(max_epochs=15, learning_rate=3e-3),
        ),
    )
    assert [stage.stage for stage in history.stages] == list(STAGES)
    assert all(stage.epochs for stage in history.stages)
    adapter = history.stage("adapter").epochs
    assert adapter[-1].held_out["total"] < 0.9 * adapter[0].held_out["total"]
    with system.scoring():
        answers = system(x).output.argmax(dim=1)
    assert float((answers == y).float().mean()) > 0.9
    scores = history.path_scores
    assert scores["clean"]["trust"] > scores["void"]["trust"]


def samatha(**settings: Any) -> SamathaConfig:
    defaults: dict[str, Any] = {
        "adapter": MlpAdapterConfig(input_dim=3, latent_dim=4),
        "vicara": create_vicara_config("standard", latent_dim=4),
    }
    return SamathaConfig(**{**defaults, **settings})


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: create_adapter_config("gru"), "kind: expected one of mlp, cnn, lstm, transformer"),
    (
        lambda: create_adapter_config("mlp", latent_dim=4),
        "MlpAdapterConfig: expected a value for input_dim, got none",
    ),
    (
        lambda: create_adapter_config("mlp", latent_dim=4, input_dim=3, depth=2),
        "MlpAdapterConfig setting: expected one of latent_dim, normalised, input_dim",
    ),
    (lambda: create_vicara_config("fast"), "kind: expected one of standard, weighted, probe"),
    (lambda: VicaraConfig(latent_dim=4, beta=1.0), "beta: expected above 0.0 and below 1.0"),
    (lambda: VicaraConfig(latent_dim=4, lipschitz=1.5), "lipschitz: expected above 0.0 and below"),
    (lambda: SatiConfig(threshold=0.0), "threshold: expected above 0.0"),
    (lambda: DrunkConfig(dropout=1.0), r"dropout: expected 0.0 to 0.95, got 1.0"),
    (lambda: VitakkaConfig(num_probes=0), "num_probes: expected at least 1, got 0"),
    (lambda: StandardVipassanaConfig(metrics=("speed",)), "metrics: expected one of velocity"),
    (lambda: StandardVipassanaConfig(metrics=()), "metrics, extra_features: expected at least 1"),
    (lambda: StandardVipassanaConfig(context_dim=8, metric_proj_dim=8), "context_dim: expected at"),
    (
        lambda: TransformerAdapterConfig(latent_dim=4, length=3),
        "input_dim, vocabulary_size: expected one of the two, got None and None",
    ),
    (
        lambda: samatha(vicara=create_vicara_config("standard", latent_dim=5)),
        "vicara.latent_dim: expected adapter.latent_dim = 4, got 5",
    ),
    (
        lambda: samatha(vicara=create_vicara_config("probe_specific", latent_dim=4, num_probes=3)),
        "vicara.num_probes: expected vitakka.num_probes = 16, got 3",
    ),
    (lambda: PathMix(clean=0.0), "clean: expected above 0.0"),
    (lambda: CurriculumConfig(held_out=0.6, insight_share=0.5), r"held_out \+ insight_share: exp"),
    (lambda: FallbackConfig(threshold=1.5), "threshold: expected 0.0 to 1.0, got 1.5"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_bad_settings_are_refused_in_one_line(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_settings_cannot_be_changed_afterwards() -> None:
    config = SystemConfig(samatha=samatha())
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.task = "none"  # type: ignore[misc]


def test_the_eight_metrics_keep_the_specifications_order() -> None:
    assert METRICS == (
        "velocity",
        "avg_energy",
        "convergence_steps",
        "min_dist",
        "entropy",
        "s0_min_dist",
        "drift_magnitude",
        "recon_error",
    )


def test_widths_of_what_is_to_be_reconstructed() -> None:
    def width(kind: str, **settings: Any) -> int:
        config: AdapterConfig = create_adapter_config(kind, latent_dim=8, **settings)
        return config.target_dim

    assert width("mlp", input_dim=11) == 11
    assert width("cnn", channels=3, height=8, width=4) == 96
    assert width("lstm", input_dim=3, length=7) == 21
    assert width("transformer", length=7, input_dim=4) == 28
    assert width("transformer", length=7, vocabulary_size=50) == 50


def test_presets_of_what_each_score_learns_from() -> None:
    assert uniform_scores().trust.drunk == 1.0
    judged = judged_scores()
    assert (judged.trust.clean, judged.trust.drunk, judged.trust.mismatch) == (1.0, 0.0, 0.0)
    assert (judged.conformity.drunk, judged.confidence.mismatch) == (1.0, 1.0)


def test_everything_named_can_be_imported() -> None:
    assert {name for name in configs.__all__ if not hasattr(configs, name)} == set()
    assert AugmenterType("gaussian") is AugmenterType.GAUSSIAN
    assert SatiType("threshold") is SatiType.THRESHOLD
    assert AugmenterConfig().max_noise_std == 0.3
