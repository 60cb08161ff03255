import pytest
import torch
from torch import Tensor

from satipatthana.configs import (
    DecoderConfig,
    FallbackConfig,
    StandardVipassanaConfig,
    SystemConfig,
    VipassanaEngineConfig,
)
from satipatthana.curriculum import fit
from satipatthana.fallbacks import DefaultAnswer
from satipatthana.outputs import VipassanaOutput
from satipatthana.reconstruction import reconstruction_errors
from satipatthana.system import SatipatthanaSystem
from tests.satipatthana.systems import (
    CLASSES,
    INPUT_DIM,
    clusters,
    short,
    small_config,
    small_system,
)

SCORES = ("trust_score", "conformity_score", "confidence_score")


@pytest.fixture(scope="module")
def trained() -> SatipatthanaSystem:
    x, y = clusters(150)
    system = small_system()
    fit(system, x, y, config=short(3))
    return system


def test_every_field_while_training() -> None:
    x, _ = clusters(6)
    output = small_system().train()(x, run_augmenter=True, noise_level=0.5)
    assert output.output.shape == output.aux_output.shape == (6, CLASSES)
    assert output.recon_adapter.shape == output.recon_samatha.shape == x.shape
    assert output.v_ctx.shape == (6, 8)
    assert bool(((output.severity > 0) & (output.severity < 0.5)).all())


def test_only_the_answer_and_its_evidence_otherwise() -> None:
    x, _ = clusters(6)
    output = small_system().eval()(x)
    assert (output.aux_output, output.recon_adapter, output.recon_samatha) == (None, None, None)
    assert output.severity.tolist() == [0.0] * 6
    assert torch.equal(output.s_star, output.santana.to_tensor()[-1])


def test_the_training_heads_read_what_their_names_say() -> None:
    x, _ = clusters(6)
    system = small_system().train()
    system.samatha.eval()
    output = system(x)
    z = system.samatha.adapter(x)
    assert torch.allclose(output.recon_adapter, system.adapter_recon_head(z), atol=1e-6)
    assert torch.allclose(output.recon_samatha, system.samatha_recon_head(output.s_star))


def test_the_decoder_answers_from_state_and_context(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(6)
    with trained.scoring():
        output = trained(x)
        assert torch.equal(output.output, trained.decoder(output.s_star, output.v_ctx))


def test_scores_are_those_of_the_whole_pass(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(6)
    with trained.scoring():
        output = trained(x)
    scores = trained.score(x)
    for name in SCORES:
        assert torch.equal(getattr(scores, name), getattr(output, name))


def test_scores_are_the_same_alone_and_in_any_batch(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(40, seed=4)
    generator = torch.Generator().manual_seed(6)
    x = torch.cat([x, 4.0 * torch.randn(40, INPUT_DIM, generator=generator)])
    together = trained.score(x)
    order = torch.randperm(len(x), generator=generator)
    shuffled = trained.score(x[order])
    for row in range(0, len(x), 7):
        alone = trained.score(x[row : row + 1])
        for name in SCORES:
            expected = getattr(together, name)[row]
            assert torch.allclose(getattr(alone, name)[0], expected, atol=1e-6, rtol=0.0)
    for name in SCORES:
        expected = getattr(together, name)[order]
        assert torch.allclose(getattr(shuffled, name), expected, atol=1e-6, rtol=0.0)


def test_scoring_in_pieces_is_scoring_at_once(
    trained: SatipatthanaSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = clusters(23)
    whole = trained.score(x)
    monkeypatch.setattr("satipatthana.system.SCORED_AT_ONCE", 5)
    pieces = trained.score(x)
    for name in VipassanaOutput._fields:
        assert torch.allclose(getattr(whole, name), getattr(pieces, name), atol=1e-6)


def test_scoring_leaves_modes_and_gradients_as_they_were() -> None:
    x, _ = clusters(4)
    system = small_system().train()
    system.decoder.eval()
    modes = {name: module.training for name, module in system.named_modules()}
    scores = system.score(x)
    assert not scores.trust_score.requires_grad
    assert {name: module.training for name, module in system.named_modules()} == modes
    with pytest.raises(RuntimeError, match="stop"), system.scoring():
        raise RuntimeError("stop")
    assert {name: module.training for name, module in system.named_modules()} == modes


def test_drunk_mode_changes_the_states_and_nothing_that_stays(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(6)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    with trained.scoring():
        sober = trained(x)
        disturbed = trained(x, drunk_mode=True)
        again = trained(x)
    assert bool(((sober.s_star - disturbed.s_star).norm(dim=1) > 1e-3).all())
    assert torch.equal(sober.s_star, again.s_star)
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


def test_noise_is_judged_as_seen(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(6)
    with trained.scoring():
        noisy = trained(
            x, run_augmenter=True, noise_level=1.0, generator=torch.Generator().manual_seed(3)
        )
        seen, severity = trained.samatha.augmenter(x, 1.0, torch.Generator().manual_seed(3))
        direct = trained(seen)
    assert torch.equal(noisy.severity, severity)
    assert torch.allclose(noisy.trust_score, direct.trust_score, atol=1e-6)


def test_reconstruction_errors_equal_those_worked_out_state_by_state(
    trained: SatipatthanaSystem,
) -> None:
    x, _ = clusters(9)
    with trained.scoring():
        s_star, santana, _ = trained.samatha(x, run_augmenter=False)
        shuffled = s_star.roll(1, dims=0)
        for state in (s_star, shuffled):
            recon_error, step_errors = trained.reconstruction_errors(state, santana, x)
            for row in range(len(x)):
                guess = trained.samatha_recon_head(state[row : row + 1])
                expected = float((guess - x[row]).square().mean())
                assert float(recon_error[row]) == pytest.approx(expected, abs=1e-5)
                for step in range(len(santana)):
                    if step > int(santana.convergence_steps[row]):
                        assert float(step_errors[step, row]) == 0.0
                        continue
                    reached = santana.to_tensor()[step, row : row + 1]
                    guess = trained.samatha_recon_head(reached)
                    expected = float((guess - x[row]).square().mean())
                    assert float(step_errors[step, row]) == pytest.approx(expected, abs=1e-5)


def test_what_stands_behind_the_last_move_has_no_error() -> None:
    system = small_system().eval()
    generator = torch.Generator().manual_seed(6)
    trajectory = torch.randn(4, 3, 5, generator=generator)
    target = torch.randn(3, INPUT_DIM, generator=generator)
    steps = torch.tensor([0, 2, 3])
    _, errors = reconstruction_errors(
        system.samatha_recon_head, trajectory[-1], trajectory, steps, target
    )
    padded = trajectory.clone()
    padded[1:, 0] = 1e6
    _, again = reconstruction_errors(
        system.samatha_recon_head, trajectory[-1], padded, steps, target
    )
    assert torch.equal(errors, again)
    assert (errors > 0).sum(dim=0).tolist() == [1, 3, 4]


def test_errors_that_nothing_reads_are_not_worked_out() -> None:
    x, _ = clusters(5)
    judge = StandardVipassanaConfig(context_dim=8, step_features=("energy",))
    system = small_system(vipassana=VipassanaEngineConfig(vipassana=judge)).eval()
    s_star, santana, _ = system.samatha(x, run_augmenter=False)
    recon_error, step_errors = system.reconstruction_errors(s_star, santana, x)
    assert not step_errors.any()
    expected = (system.samatha_recon_head(s_star) - x).square().mean(dim=1)
    assert torch.allclose(recon_error[:, 0], expected)


def test_metrics_are_eight_numbers_of_each_sample(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(5)
    with trained.scoring():
        s_star, santana, _ = trained.samatha(x, run_augmenter=False)
        metrics = trained.metrics(s_star, santana, x)
        recon_error, _ = trained.reconstruction_errors(s_star, santana, x)
    assert metrics.shape == (5, 8)
    assert torch.allclose(metrics[:, 7], recon_error[:, 0].log1p())
    steps = santana.convergence_steps / santana.max_steps
    assert torch.allclose(metrics[:, 2], steps)


def test_untrusted_answers_fall_back(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(3)
    x = torch.cat([x, torch.tensor([[30.0], [-40.0], [50.0]]).expand(-1, INPUT_DIM)])
    scores = trained.score(x).trust_score[:, 0]
    threshold = float(scores.sort().values[2:4].mean())
    answers = trained.answer(x, DefaultAnswer("no idea"), FallbackConfig(threshold=threshold))
    trusted = (scores >= threshold).tolist()
    assert answers.trusted.tolist() == trusted
    assert trusted.count(False) == 3
    for value, kept in zip(answers.values, trusted, strict=True):
        assert isinstance(value, Tensor) if kept else value == "no idea"


def test_the_score_that_decides_can_be_chosen(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(4)
    config = FallbackConfig(threshold=1.0, score="conformity")
    assert trained.answer(x, DefaultAnswer(None), config).values == [None] * 4


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 3), r"x: expected the shape \(B, 7\), got \(2, 3\)"),
        (torch.zeros(7), r"x: expected the shape \(B, 7\), got \(7,\)"),
        (torch.zeros(0, 7), "x: expected one sample or more, got an empty batch"),
        (torch.full((2, 7), float("nan")), "x: expected finite numbers, got NaN or infinity in"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    trained: SatipatthanaSystem, x: Tensor, message: str
) -> None:
    for method in (trained, trained.score):
        with pytest.raises(ValueError, match=message) as refused:
            method(x)
        assert "\n" not in str(refused.value)


def test_a_batch_of_one_is_a_batch(trained: SatipatthanaSystem) -> None:
    x, _ = clusters(1)
    with trained.scoring():
        assert trained(x).output.shape == (1, CLASSES)


def test_the_width_of_the_answer_has_to_be_told_once() -> None:
    open_config = small_config(output_dim=None)
    assert SatipatthanaSystem(open_config, 4).output_dim == 4
    assert SatipatthanaSystem(small_config()).output_dim == CLASSES
    with pytest.raises(ValueError, match="output_dim: expected the width of the answer for the ta"):
        SatipatthanaSystem(open_config)
    with pytest.raises(ValueError, match="output_dim: expected 3, got 4"):
        SatipatthanaSystem(small_config(), 4)
    with pytest.raises(ValueError, match=r"output_dim: expected at least 1, got 0"):
        SatipatthanaSystem(open_config, 0)


def test_reconstruction_and_no_task_know_their_width() -> None:
    settings = {"use_label_guidance": False, "output_dim": None}
    reconstruction = small_config(
        task="reconstruction", decoder=DecoderConfig(kind="reconstruction"), **settings
    )
    assert SatipatthanaSystem(reconstruction).output_dim == INPUT_DIM
    nothing = SatipatthanaSystem(small_config(task="none", **settings)).eval()
    x, _ = clusters(3)
    output = nothing(x)
    assert torch.equal(output.output, output.s_star)


def test_labels_guide_only_where_asked_to() -> None:
    assert small_system(use_label_guidance=False).aux_head is None
    with pytest.raises(ValueError, match="use_label_guidance: expected the task classification"):
        SystemConfig(samatha=small_config().samatha, task="none", use_label_guidance=True)
