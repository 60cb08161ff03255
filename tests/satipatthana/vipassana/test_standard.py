"""The second engine: what each score is taught by, sees, and says; alone as in a batch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from satipatthana.configs import METRICS, StandardVipassanaConfig, VipassanaEngineConfig
from satipatthana.outputs import VipassanaOutput
from satipatthana.vipassana import StandardVipassana, VipassanaEngine
from satipatthana.vipassana.metrics import grounding_metrics
from tests.satipatthana.vipassana.trajectories import STEPS, B, D, T, evidence, log_of, settled

CONFIGS = {
    "standard": StandardVipassanaConfig(context_dim=10),
    "free": StandardVipassanaConfig(context_dim=10, monotone=False),
    "static only": StandardVipassanaConfig(context_dim=10, dynamic=False),
    "narrow": StandardVipassanaConfig(context_dim=2),
    "two metrics": StandardVipassanaConfig(context_dim=10, metrics=("recon_error", "velocity")),
    "states only": StandardVipassanaConfig(context_dim=10, step_features=("state",)),
    "wide projection": StandardVipassanaConfig(context_dim=10, metric_proj_dim=9),
}


def vipassana(config: StandardVipassanaConfig = CONFIGS["standard"]) -> StandardVipassana:
    torch.manual_seed(1)
    return StandardVipassana(config, D)


def rows(given: dict[str, Any], chosen: list[int]) -> dict[str, Any]:
    """The same for some of the samples, padded only as far as they need."""
    longest = max(STEPS[b] for b in chosen) + 1
    trajectory = given["santana"].to_tensor()[:longest, chosen]
    return {
        "s_star": given["s_star"][chosen],
        "santana": log_of(trajectory, [STEPS[b] for b in chosen]),
        "probes": given["probes"],
        "recon_error": given["recon_error"][chosen],
        "step_errors": given["step_errors"][:longest, chosen],
    }


def moved(judge: nn.Module, score: Tensor) -> set[str]:
    """Names of the parts that a score has a gradient for."""
    judge.zero_grad()
    score.sum().backward()  # type: ignore[no-untyped-call]
    return {
        name.split(".")[0]
        for name, parameter in judge.named_parameters()
        if parameter.grad is not None and bool(parameter.grad.any())
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_gives_scores_between_zero_and_one(name: str) -> None:
    config = CONFIGS[name]
    judged = vipassana(config)(**evidence())
    assert judged.v_ctx.shape == (B, config.context_dim)
    for score in judged[1:]:
        assert score.shape == (B, 1)
        assert bool(((score >= 0) & (score <= 1)).all())


@pytest.mark.parametrize("name", CONFIGS)
def test_a_sample_is_judged_alone_as_in_any_batch(name: str) -> None:
    judge, given = vipassana(CONFIGS[name]), evidence()
    together = judge(**given)
    for chosen in ([0], [2], [3], [1, 2], [6, 0, 2, 5]):
        alone = judge(**rows(given, chosen))
        for part, whole in zip(alone, together, strict=True):
            assert torch.allclose(part, whole[chosen], rtol=0, atol=1e-6)


def test_trust_teaches_neither_the_gru_nor_another_head() -> None:
    judge = vipassana()
    assert moved(judge, judge(**evidence()).trust_score) == {"projection", "trust_head"}


def test_conformity_teaches_nothing_of_the_metrics() -> None:
    judge = vipassana()
    assert moved(judge, judge(**evidence()).conformity_score) == {"encoder", "conformity_head"}


def test_confidence_teaches_the_gru_and_leaves_the_metrics_to_trust() -> None:
    judge = vipassana()
    assert moved(judge, judge(**evidence()).confidence_score) == {"encoder", "confidence_head"}


def test_all_three_scores_together_teach_the_metrics_what_trust_alone_does() -> None:
    judge = vipassana()
    judged = judge(**evidence())
    taught = []
    for scores in ([judged.trust_score], judged[1:]):
        judge.zero_grad()
        torch.cat(list(scores)).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
        taught.append(judge.projection.linear.weight.grad.clone())
    assert bool(taught[0].any())
    assert torch.equal(taught[0], taught[1])


def test_confidence_reads_the_metrics_and_the_gru() -> None:
    judge, given = vipassana(), evidence()
    before = judge(**given).confidence_score
    for name in ("recon_error", "step_errors"):
        after = judge(**{**given, name: given[name] + 1}).confidence_score
        assert bool((after != before).all()), name


def test_trust_does_not_see_the_steps_between_and_conformity_not_the_errors_at_the_end() -> None:
    judge, given = vipassana(), evidence()
    before = judge(**given)
    after = judge(**{**given, "step_errors": given["step_errors"] + 1})
    assert torch.equal(before.trust_score, after.trust_score)
    assert not torch.equal(before.conformity_score, after.conformity_score)
    after = judge(**{**given, "recon_error": given["recon_error"] + 1})
    assert torch.equal(before.conformity_score, after.conformity_score)
    assert bool((after.trust_score < before.trust_score).all())


def test_the_context_is_the_grus_state_then_the_projected_metrics() -> None:
    judge, given = vipassana(), evidence()
    judged = judge(**given)
    without_steps = {key: given[key] for key in ("s_star", "santana", "probes", "recon_error")}
    static = judge.projection(judge.metrics(**without_steps))
    assert torch.equal(judged.v_ctx[:, 5:], static)
    assert bool((judged.v_ctx[:, :5].abs() < 1).all())
    assert torch.equal(judged.trust_score, judge.trust_head(static).sigmoid())


def test_without_the_gru_its_share_of_the_context_is_zero_and_conformity_says_the_same_of_all() -> (
    None
):
    judged = vipassana(CONFIGS["static only"])(**evidence())
    assert not judged.v_ctx[:, :5].any()
    assert len(set(judged.conformity_score.flatten().tolist())) == 1


def test_metrics_are_those_of_the_configuration_in_its_order() -> None:
    given = evidence()
    del given["step_errors"]
    everything = vipassana().metrics(**given)
    wanted = grounding_metrics(
        given["s_star"],
        given["santana"].to_tensor(),
        torch.tensor(STEPS),
        10,
        given["probes"],
        given["recon_error"][:, 0],
    )
    assert torch.equal(everything, wanted)
    two = vipassana(CONFIGS["two metrics"]).metrics(**given)
    assert torch.equal(two, everything[:, [METRICS.index("recon_error"), 0]])


def test_extra_features_stand_behind_the_metrics_and_reach_trust() -> None:
    judge = vipassana(StandardVipassanaConfig(context_dim=10, extra_features=("knn", "margin")))
    given = evidence()
    extra = torch.randn(B, 2, generator=torch.Generator().manual_seed(3))
    judged = judge(**given, extra=extra)
    worse = judge(**given, extra=extra + torch.tensor([0.0, 1.0]))
    assert bool((worse.trust_score < judged.trust_score).all())
    assert torch.equal(worse.conformity_score, judged.conformity_score)
    del given["step_errors"]
    assert torch.equal(judge.metrics(**given, extra=extra)[:, 8:], extra)


def test_metrics_alone_can_be_extra_ones() -> None:
    config = StandardVipassanaConfig(context_dim=10, metrics=(), extra_features=("knn",))
    extra = torch.arange(float(B))[:, None]
    trust = vipassana(config)(**evidence(), extra=extra).trust_score[:, 0]
    assert bool((trust.diff() < 0).all())


def test_a_log_of_the_start_alone_is_judged() -> None:
    start = torch.randn(B, D, generator=torch.Generator().manual_seed(4))
    judged = vipassana()(start, log_of(start[None], [0] * B, max_steps=0))
    assert bool(torch.isfinite(torch.cat(judged, dim=1)).all())


def test_a_mismatched_state_shows_in_drift_and_residual() -> None:
    judge, given = vipassana(), evidence()
    swapped = {**given, "s_star": given["s_star"].roll(1, dims=0)}
    drift = METRICS.index("drift_magnitude")
    for arguments in (given, swapped):
        arguments.pop("step_errors")
    own, other = judge.metrics(**given), judge.metrics(**swapped)
    assert bool((own[:, drift] != other[:, drift]).all())
    assert bool((judge(**given).conformity_score != judge(**swapped).conformity_score).all())


def test_conformity_learns_to_tell_mismatched_states_from_own_ones() -> None:
    # The claim of S_t - S* among the features: without it the log alone says nothing of this.
    def learned(config: StandardVipassanaConfig) -> float:
        judge = vipassana(config)
        optimiser = torch.optim.AdamW(judge.parameters(), lr=1e-2)
        generator = torch.Generator().manual_seed(3)
        for _ in range(61):
            states = torch.randn(T, 127, D, generator=generator)
            santana = log_of(states, torch.randint(1, T, (127,), generator=generator).tolist())
            own = settled(santana)
            right = judge(own, santana).conformity_score
            wrong = judge(own.roll(1, dims=0), santana).conformity_score
            loss = -(right.log() + (1 - wrong).log()).mean() / 2
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return loss.item()

    assert learned(StandardVipassanaConfig(context_dim=32)) < 0.3
    assert learned(StandardVipassanaConfig(context_dim=32, step_features=("state",))) > 0.69


def test_scales_are_fitted_saved_and_loaded() -> None:
    judge, given = vipassana(), evidence()
    without_steps = {key: given[key] for key in ("s_star", "santana", "probes", "recon_error")}
    clean = judge.metrics(**without_steps)
    judge.fit_metrics(clean, clean + torch.tensor([1.0] * 6 + [-1.0, 1.0]))
    judge.fit_steps(given["s_star"], given["santana"], given["step_errors"])
    assert judge.projection.sign.tolist() == [1] * 6 + [-1, 1]
    assert judge.projection.badness(clean).median(dim=0).values.tolist() == pytest.approx(
        [0.0] * 8, abs=1e-6
    )
    other = StandardVipassana(CONFIGS["standard"], D)
    other.load_state_dict(judge.state_dict())
    for mine, theirs in zip(judge(**given), other(**given), strict=True):
        assert torch.equal(mine, theirs)


def test_fitting_steps_without_a_gru_does_nothing() -> None:
    judge, given = vipassana(CONFIGS["static only"]), evidence()
    before = {name: value.clone() for name, value in judge.state_dict().items()}
    judge.fit_steps(given["s_star"], given["santana"])
    assert all(torch.equal(value, before[name]) for name, value in judge.state_dict().items())


def test_the_engine_says_what_its_vipassana_says() -> None:
    torch.manual_seed(1)
    engine = VipassanaEngine(VipassanaEngineConfig(vipassana=CONFIGS["standard"]), D)
    assert engine.context_dim == 10
    given = evidence()
    for mine, its in zip(engine(**given), engine.vipassana(**given), strict=True):
        assert torch.equal(mine, its)


def test_a_judge_in_double_precision_judges_in_double_precision() -> None:
    judge, given = vipassana().double(), evidence()
    santana = log_of(given["santana"].to_tensor().double(), STEPS)
    judged = judge(given["s_star"].double(), santana, given["probes"].double())
    assert {score.dtype for score in judged} == {torch.float64}


def test_the_output_has_the_names_of_the_specification() -> None:
    assert VipassanaOutput._fields == (
        "v_ctx",
        "trust_score",
        "conformity_score",
        "confidence_score",
    )
