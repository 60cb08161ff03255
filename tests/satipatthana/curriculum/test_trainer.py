import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from satipatthana.configs import (
    CurriculumConfig,
    SamathaConfig,
    StageConfig,
    StandardVipassanaConfig,
    VipassanaEngineConfig,
)
from satipatthana.curriculum import STAGES, fit
from satipatthana.system import SatipatthanaSystem
from tests.satipatthana.systems import clusters, short, small_config, small_system, state_of


def dropping(dropout: float = 0.5) -> SamathaConfig:
    """Settings with dropout wherever there may be some."""
    samatha = small_config().samatha
    return dataclasses.replace(
        samatha,
        adapter=dataclasses.replace(samatha.adapter, dropout=dropout),
        vicara=dataclasses.replace(samatha.vicara, dropout=dropout),
    )


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
    x, y = clusters(240)
    system = small_system()
    config = short(10, batch_size=24)
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
    first, second, other = (small_system(samatha=dropping()) for _ in range(3))
    histories = []
    # Dropout draws from torch's own generator, which is elsewhere at each start.
    for system, elsewhere in ((first, 11), (second, 12)):
        with torch.random.fork_rng():
            before = torch.manual_seed(elsewhere).get_state()
            histories.append(fit(system, x, y, config=short(1)).to_dict())
            assert torch.equal(torch.get_rng_state(), before)
    fit(other, x, y, config=short(1, seed=1))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert histories[0]["path_scores"] == histories[1]["path_scores"]
    weights = "samatha.adapter.layers.0.weight"
    assert not torch.equal(first.state_dict()[weights], other.state_dict()[weights])


def test_dropout_is_part_of_the_training() -> None:
    """Or the same weights from the same seed would say nothing of it."""
    x, y = clusters()
    learned = []
    for dropout in (0.5, 0.0):
        samatha = dropping(dropout)
        system = small_system(samatha=samatha)
        fit(system, x, y, config=short(0, samatha=StageConfig(max_epochs=1)))
        learned.append(system.samatha.vicara.state_dict())
    assert not all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])


def test_the_steps_of_each_stage_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 90 samples 9 are held out and 18 left to insight; 4 of a batch of 16 are clean there."""
    calls: list[int] = []
    step = torch.optim.AdamW.step

    def counted(self: torch.optim.AdamW, *arguments: Any, **settings: Any) -> Any:
        calls.append(1)
        return step(self, *arguments, **settings)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    x, y = clusters(90)
    twice = StageConfig(max_epochs=2)
    history = fit(small_system(), x, y, config=short(1, samatha=twice))
    assert [stage.steps for stage in history.stages] == [4, 2 * 4, 5, 6]
    assert history.steps == len(calls) == 23
    assert [stage["steps"] for stage in history.to_dict()["stages"]] == [4, 8, 5, 6]
    assert [stage.steps for stage in fit(small_system(), x, y, config=short(0)).stages] == [0] * 3


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
    z = system.samatha.adapter(x).detach()
    nearest = torch.cdist(system.samatha.vitakka.probes.detach(), z).amin(dim=1)
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


def test_the_default_settings_are_the_specifications() -> None:
    config = CurriculumConfig()
    assert [config.adapter.max_epochs, config.samatha.max_epochs] == [5, 10]
    assert (config.samatha.goal, config.vipassana.goal) == (1e-3, 0.3)
    assert set(config.path_mix.shares().values()) == {0.2}
