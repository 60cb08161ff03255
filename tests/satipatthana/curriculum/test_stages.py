"""Table 8.1: what each stage changes, parameter by parameter, and what it leaves alone."""

import pytest
import torch

from satipatthana.configs import (
    AugmenterConfig,
    ProbeSpecificVicaraConfig,
    SamathaConfig,
    StageConfig,
    WeightedVicaraConfig,
)
from satipatthana.curriculum import STAGES, Stage, fit
from satipatthana.curriculum.stages import freeze, trained_parameters
from satipatthana.system import SatipatthanaSystem
from tests.satipatthana.systems import clusters, short, small_config, small_system, state_of

TABLE: dict[Stage, tuple[str, ...]] = {
    "adapter": ("samatha.adapter.", "adapter_recon_head."),
    "samatha": (
        "samatha.adapter.",
        "samatha.vitakka.",
        "samatha.vicara.",
        "samatha_recon_head.",
        "aux_head.",
    ),
    "vipassana": ("vipassana.",),
    "decoder": ("decoder.",),
}


def changed_by(system: SatipatthanaSystem, stage: Stage) -> tuple[set[str], set[str]]:
    """Parameters that one stage changed, and those that table 8.1 names."""
    x, y = clusters()
    stages = {name: StageConfig(max_epochs=0) for name in STAGES}
    stages[stage] = StageConfig(max_epochs=1)
    config = short(**stages, seeded_probes=False)
    before = {name: value.detach().clone() for name, value in system.named_parameters()}
    fit(system, x, y, config=config)
    after = dict(system.named_parameters())
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    return changed, {name for name in after if name.startswith(TABLE[stage])}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_changes_exactly_the_parameters_of_the_table(stage: Stage) -> None:
    changed, named = changed_by(small_system(), stage)
    assert changed == named


@pytest.mark.parametrize("vicara", [WeightedVicaraConfig, ProbeSpecificVicaraConfig])
@pytest.mark.parametrize("stage", STAGES)
def test_so_it_does_with_other_vicaras(
    stage: Stage, vicara: type[WeightedVicaraConfig] | type[ProbeSpecificVicaraConfig]
) -> None:
    settings = {"num_probes": 3} if vicara is ProbeSpecificVicaraConfig else {}
    samatha = small_config().samatha
    config = vicara(latent_dim=samatha.adapter.latent_dim, **settings)  # type: ignore[arg-type]
    system = small_system(
        samatha=SamathaConfig(
            adapter=samatha.adapter, vitakka=samatha.vitakka, vicara=config, max_steps=4
        )
    )
    changed, named = changed_by(system, stage)
    assert changed == named


def test_stage_two_leaves_every_buffer_of_samatha_alone_but_the_fitted_threshold() -> None:
    system = small_system()
    x, y = clusters()
    before = state_of(system)
    fit(system, x, y, config=short(adapter=StageConfig(max_epochs=0), **SKIP_TWO))
    changed = {name for name, value in state_of(system).items() if not same(before, name, value)}
    outside = {name for name in changed if not name.startswith("vipassana.")}
    assert outside == {"samatha.sati.threshold"}


SKIP_TWO = {"samatha": StageConfig(max_epochs=0), "decoder": StageConfig(max_epochs=0)}


def same(before: dict[str, torch.Tensor], name: str, value: torch.Tensor) -> bool:
    return torch.equal(before[name], value)


def test_aux_head_is_gone_after_stage_three_and_not_before() -> None:
    x, y = clusters()
    system = small_system()
    fit(system, x, y, config=short(decoder=StageConfig(max_epochs=0)))
    assert any(name.startswith("aux_head.") for name in system.state_dict())
    fit(system, x, y, config=short())
    assert not any(name.startswith("aux_head.") for name in system.state_dict())


def test_aux_head_and_decoder_are_two_modules_of_other_widths() -> None:
    system = small_system()
    assert system.aux_head is not None
    aux = {parameter.data_ptr() for parameter in system.aux_head.parameters()}
    assert aux.isdisjoint(parameter.data_ptr() for parameter in system.decoder.parameters())


def test_freezing_ends_with_an_error_too() -> None:
    system = small_system()
    wanted = {name: value.requires_grad for name, value in system.named_parameters()}
    with freeze(system, "vipassana"):
        asking = [name for name, value in system.named_parameters() if value.requires_grad]
        assert asking == [name for name in wanted if name.startswith("vipassana.")]
        assert system.vipassana.training
        assert not system.samatha.training
    with pytest.raises(RuntimeError, match="stop"), freeze(system, "decoder"):
        raise RuntimeError("stop")
    assert {name: value.requires_grad for name, value in system.named_parameters()} == wanted
    assert not system.training


def test_sati_trains_nothing() -> None:
    system = small_system()
    assert list(system.samatha.sati.parameters()) == []
    assert len(trained_parameters(system, "samatha")) == len(
        [name for name, _ in system.named_parameters() if name.startswith(TABLE["samatha"])]
    )


@pytest.mark.usefixtures("without_shape_hook")
def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="stage: expected one of adapter, samatha, vipassana"):
        trained_parameters(small_system(), "third")  # type: ignore[arg-type]


def test_stages_zero_and_one_see_noise_only_where_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clusters()
    for denoising, expected in ((True, True), (False, False)):
        system = small_system()
        levels: list[float] = []
        augmenter = system.samatha.augmenter
        forward = augmenter.forward

        def noted(
            x: torch.Tensor,
            noise_level: float,
            generator: torch.Generator | None = None,
            levels: list[float] = levels,
            forward: object = forward,
        ) -> object:
            levels.append(noise_level)
            return forward(x, noise_level, generator)  # type: ignore[operator]

        monkeypatch.setattr(augmenter, "forward", noted)
        config = short(denoising=denoising, vipassana=StageConfig(max_epochs=0))
        fit(system, x, y, config=config)
        assert bool(levels) is expected


def test_the_augmenter_can_be_the_identity() -> None:
    from satipatthana.configs import AugmenterType

    samatha = small_config().samatha
    system = small_system(
        samatha=SamathaConfig(
            adapter=samatha.adapter,
            augmenter=AugmenterConfig(type=AugmenterType.IDENTITY),
            vitakka=samatha.vitakka,
            vicara=samatha.vicara,
        )
    )
    x, y = clusters()
    history = fit(system, x, y, config=short())
    assert history.path_scores["augmented"].keys() == {"trust", "conformity", "confidence"}
