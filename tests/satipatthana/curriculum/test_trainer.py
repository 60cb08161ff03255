import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from satipatthana.configs import (
    CurriculumConfig,
    DecoderConfig,
    PathMix,
    SamathaConfig,
    StageConfig,
    StandardVicaraConfig,
    StandardVipassanaConfig,
    SystemConfig,
    TransformerAdapterConfig,
    VipassanaEngineConfig,
    VitakkaConfig,
)
from satipatthana.curriculum import STAGES, fit
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import VoidDataset
from tests.satipatthana.systems import clusters, short, small_config, small_system, state_of

NONE = StageConfig(max_epochs=0)


class Told:
    """Remembers what it was told; stops the training after some event if asked to."""

    def __init__(self, stop_at: tuple[str, int] | None = None) -> None:
        self.events: list[str] = []
        self.stop_at = stop_at
        self.states: list[dict[str, Tensor]] = []
        self.system: SatipatthanaSystem | None = None

    def stage_started(self, stage: str, max_epochs: int) -> None:
        self.events.append(f"{stage} starts")

    def epoch_ended(
        self, stage: str, epoch: int, train: Mapping[str, float], held_out: Mapping[str, float]
    ) -> None:
        self.events.append(f"{stage} {epoch}")
        if self.stop_at == (stage, epoch):
            raise KeyboardInterrupt

    def stage_ended(self, stage: str, ending: str) -> None:
        self.events.append(f"{stage} {ending}")


def test_all_stages_run_in_order_and_end_in_scoring_mode() -> None:
    x, y = clusters()
    system, told = small_system(), Told()
    history = fit(system, x, y, config=short(1), progress=told)
    assert [stage.stage for stage in history.stages] == list(STAGES)
    assert told.events == [
        line
        for stage in STAGES
        for line in (f"{stage} starts", f"{stage} 1", f"{stage} max_epochs")
    ]
    assert not any(module.training for module in system.modules())
    assert all(parameter.requires_grad for parameter in system.parameters())
    assert all(parameter.grad is None for parameter in system.parameters())


def test_the_system_learns_its_task_and_whom_to_trust() -> None:
    x, y = clusters(300)
    system = small_system()
    config = short(15, samatha=StageConfig(max_epochs=15, learning_rate=1e-2))
    history = fit(system, x, y, config=config)
    fresh, classes = clusters(60, seed=9)
    with system.scoring():
        answers = system(fresh).output.argmax(dim=1)
    assert float((answers == classes).float().mean()) > 0.95
    far = 6.0 * torch.randn(60, x.shape[1], generator=torch.Generator().manual_seed(2))
    assert float(system.score(fresh).trust_score.mean()) > 0.6
    assert float(system.score(far).trust_score.mean()) < 0.2
    scores = history.path_scores
    assert scores["clean"]["trust"] > scores["void"]["trust"] + 0.4
    assert scores["clean"]["confidence"] > scores["mismatch"]["confidence"]
    assert history.stage("samatha").epochs[-1].held_out["guidance"] < 0.5


def test_the_same_seed_gives_the_same_training_and_torch_is_left_alone() -> None:
    x, y = clusters()
    first, second, other = small_system(), small_system(), small_system()
    before = torch.get_rng_state()
    histories = [
        fit(first, x, y, config=short(1)).to_dict(),
        fit(second, x, y, config=short(1)).to_dict(),
    ]
    assert torch.equal(torch.get_rng_state(), before)
    fit(other, x, y, config=short(1, seed=1))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert histories[0]["path_scores"] == histories[1]["path_scores"]
    weights = "samatha.adapter.layers.0.weight"
    assert not torch.equal(first.state_dict()[weights], other.state_dict()[weights])


def test_the_history_is_json() -> None:
    x, y = clusters()
    history = fit(small_system(), x, y, config=short(1))
    told = json.loads(json.dumps(history.to_dict()))
    assert [stage["ended"] for stage in told["stages"]] == ["max_epochs"] * 4
    terms = told["stages"][1]["epochs"][0]["held_out"]
    assert list(terms) == ["stability", "reconstruction", "guidance", "probes", "total"]
    assert history.seconds == pytest.approx(sum(stage.seconds for stage in history.stages))
    assert set(told["path_scores"]) == {"clean", "augmented", "drunk", "mismatch", "void"}


def test_stages_of_no_epochs_are_skipped_and_change_nothing() -> None:
    x, y = clusters()
    system = small_system()
    before = state_of(system)
    history = fit(system, x, y, config=short(0))
    assert [stage.ended for stage in history.stages] == ["skipped"] * 3
    assert all(torch.equal(before[name], value) for name, value in state_of(system).items())
    assert history.path_scores == {}


@pytest.mark.parametrize(("stage", "epoch"), [("adapter", 1), ("samatha", 2), ("vipassana", 1)])
def test_an_interrupted_training_leaves_a_usable_system(stage: str, epoch: int) -> None:
    x, y = clusters()
    system, told = small_system(), Told(stop_at=(stage, epoch))
    with pytest.raises(KeyboardInterrupt):
        fit(system, x, y, config=short(3), progress=told)
    assert told.events[-1] == f"{stage} interrupted"
    assert not any(module.training for module in system.modules())
    assert all(parameter.requires_grad for parameter in system.parameters())
    scores = system.score(x)
    assert bool(((scores.trust_score >= 0) & (scores.trust_score <= 1)).all())
    history = fit(system, x, y, config=short(1))
    assert history.stage("decoder").ended == "max_epochs"


def test_an_interruption_within_an_epoch_takes_back_that_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = clusters()
    system = small_system()
    before = state_of(system)
    calls: list[int] = []
    step = torch.optim.AdamW.step

    def interrupted(self: torch.optim.AdamW, *arguments: Any, **settings: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(self, *arguments, **settings)

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(system, x, y, config=short(2))
    assert all(torch.equal(before[name], value) for name, value in state_of(system).items())


def test_a_plateau_keeps_the_best_epoch() -> None:
    x, y = clusters()
    config = short(0, decoder=StageConfig(max_epochs=40, learning_rate=0.5, patience=2))
    history = fit(small_system(), x, y, config=config)
    decoder = history.stage("decoder")
    losses = [epoch.held_out["total"] for epoch in decoder.epochs]
    assert decoder.ended == "plateau"
    assert decoder.kept_epoch == 1 + losses.index(min(losses))


def test_a_loss_that_explodes_is_told_in_one_line() -> None:
    x, y = clusters()
    config = short(0, adapter=StageConfig(max_epochs=5, learning_rate=1e30))
    with pytest.raises(FloatingPointError, match=r"adapter\.learning_rate: expected a rate at"):
        fit(small_system(), x, y, config=config)


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


def test_the_threshold_is_fitted_so_that_steps_differ() -> None:
    x, y = clusters(200)
    system = small_system()
    fit(system, x, y, config=short(3))
    with system.scoring():
        steps = system.samatha(x, run_augmenter=False)[1].convergence_steps
    assert len(steps.unique()) > 1


def test_probes_start_where_samples_lie() -> None:
    x, y = clusters()
    system = small_system()
    slow = StageConfig(max_epochs=1, learning_rate=1e-9)
    fit(system, x, y, config=short(0, samatha=slow))
    z = system.samatha.adapter(x)
    nearest = torch.cdist(system.samatha.vitakka.probes, z).amin(dim=1)
    assert float(nearest.max()) < 1.0
    other = small_system()
    before = other.samatha.vitakka.probes.detach().clone()
    fit(other, x, y, config=short(0, samatha=slow, seeded_probes=False))
    assert torch.allclose(other.samatha.vitakka.probes, before, atol=1e-6)


def test_no_moves_at_all_can_be_trained() -> None:
    samatha = small_config().samatha
    still = SamathaConfig(
        adapter=samatha.adapter, vitakka=samatha.vitakka, vicara=samatha.vicara, max_steps=0
    )
    x, y = clusters()
    history = fit(
        small_system(samatha=still),
        x,
        y,
        config=short(2, samatha=StageConfig(max_epochs=2, goal=1e-3)),
    )
    assert history.stage("samatha").ended == "max_epochs"


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
        history = fit(system, x, y, config=short(12, decoder=StageConfig(max_epochs=20)))
        losses = [epoch.held_out["total"] for epoch in history.stage("decoder").epochs]
        assert min(losses) < losses[0]


def test_extra_features_are_asked_for_and_used() -> None:
    x, y = clusters()
    judge = StandardVipassanaConfig(context_dim=8, extra_features=("size",))
    system = small_system(vipassana=VipassanaEngineConfig(vipassana=judge))

    def size(samples: Tensor) -> Tensor:
        return samples.norm(dim=1, keepdim=True)

    fit(system, x, y, extra=size, config=short(1))
    assert system.score(x, extra=size(x)).trust_score.shape == (len(x), 1)
    with pytest.raises(ValueError, match="extra: expected a function that gives size, got None"):
        fit(system, x, y, config=short(1))
    with pytest.raises(ValueError, match="extra: expected None, got a function"):
        fit(small_system(), x, y, extra=size, config=short(1))


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


def test_the_default_settings_are_the_specifications() -> None:
    config = CurriculumConfig()
    assert [config.adapter.max_epochs, config.samatha.max_epochs] == [5, 10]
    assert (config.samatha.goal, config.vipassana.goal) == (1e-3, 0.3)
    assert set(config.path_mix.shares().values()) == {0.2}
