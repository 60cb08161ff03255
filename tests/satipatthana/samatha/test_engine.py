"""The whole engine against section 7.3, and what it promises of every input."""

import copy
import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from satipatthana.configs import (
    AdapterConfig,
    AugmenterConfig,
    AugmenterType,
    SamathaConfig,
    SatiConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.samatha import SamathaEngine, effective_lipschitz, has_settled, state_update
from tests.satipatthana.samatha.engines import (
    ADAPTERS,
    ALL_STEPS,
    VICARAS,
    engine,
    move_lengths,
    samples,
    seeded,
    settled,
)

EARLY = SatiConfig(mode="early_stopping")
EVERY_ENGINE = list(itertools.product(ADAPTERS, VICARAS))


def fitted(made: SamathaEngine, x: Tensor) -> SamathaEngine:
    """The engine with a threshold at which half of `x` settle early."""
    made.sati.train()
    made.sati.fit(settled(made, x)[1])
    made.sati.eval()
    return made


@pytest.mark.parametrize(("adapter", "vicara"), EVERY_ENGINE)
def test_every_engine_moves_as_its_parts_do(adapter: str, vicara: str) -> None:
    """Section 7.3 by hand: adapter, Vitakka, then ten steps."""
    made, x = engine(ADAPTERS[adapter], VICARAS[vicara]), samples(ADAPTERS[adapter], 4)
    s_star, santana, severity = made(x, run_augmenter=False)
    state, metadata = made.vitakka(made.adapter(x))
    for recorded in santana.to_tensor():
        assert torch.allclose(recorded, state, atol=1e-6)
        refined = made.vicara.refined(state, metadata)
        state = state_update(state, refined, made.config.vicara.beta)
    assert len(santana) == 11
    assert torch.equal(s_star, santana.to_tensor()[-1])
    assert santana.convergence_steps.tolist() == [10] * 4
    assert santana.max_steps == 10
    assert severity.tolist() == [0.0] * 4
    for name, entry in metadata.items():
        assert torch.equal(santana.metadata[name], entry), name
    assert list(santana.metadata) == list(metadata)


@pytest.mark.parametrize(("adapter", "vicara"), EVERY_ENGINE)
def test_every_engine_settles_a_sample_alone_as_in_a_batch(adapter: str, vicara: str) -> None:
    x = samples(ADAPTERS[adapter], 9)
    made = fitted(engine(ADAPTERS[adapter], VICARAS[vicara], EARLY), x)
    s_star, trajectory, steps = settled(made, x)
    assert len(steps.unique()) > 1
    for sample in range(9):
        alone, alone_trajectory, alone_steps = settled(made, x[sample : sample + 1])
        assert torch.allclose(alone[0], s_star[sample], atol=1e-6)
        assert alone_steps.item() == steps[sample]
        assert len(alone_trajectory) == alone_steps.item() + 1
        moves = trajectory[: len(alone_trajectory), sample]
        assert torch.allclose(alone_trajectory[:, 0], moves, atol=1e-6)


@pytest.mark.parametrize(("adapter", "vicara"), EVERY_ENGINE)
def test_every_engine_learns_in_training_mode(adapter: str, vicara: str) -> None:
    made = engine(ADAPTERS[adapter], VICARAS[vicara]).train()
    s_star, santana, severity = made(samples(ADAPTERS[adapter], 6), noise_level=0.5)
    s_star.square().sum().backward()
    for name, parameter in made.vicara.named_parameters():
        assert parameter.grad.isfinite().all(), name
    assert float(next(made.adapter.parameters()).grad.abs().sum()) > 0.0
    assert santana.convergence_steps.tolist() == [10] * 6
    assert len(severity.unique()) > 1


def test_a_settled_sample_stays_where_it_settled() -> None:
    x = samples(ADAPTERS["mlp"], 20)
    made = fitted(engine(sati=EARLY), x)
    _, trajectory, steps = settled(made, x)
    threshold = made.sati.threshold
    for sample, count in enumerate(steps.tolist()):
        own = trajectory[:, sample : sample + 1]
        assert torch.equal(own[count:], own[count : count + 1].expand_as(own[count:]))
        before_last = [has_settled(own[t], own[t - 1], threshold).item() for t in range(1, count)]
        assert not any(before_last)
        assert count == 10 or has_settled(own[count], own[count - 1], threshold).item()


def test_no_steps_leave_the_first_state() -> None:
    made, x = engine(max_steps=0), samples(ADAPTERS["mlp"], 3)
    s_star, trajectory, steps = settled(made, x)
    assert torch.equal(s_star, made.vitakka(made.adapter(x))[0])
    assert len(trajectory) == 1
    assert steps.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", VICARAS)
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_moves_shrink_geometrically(kind: str, scale: float) -> None:
    """With weights as made, and with weights grown far beyond the bound."""
    made = engine(vicara=VICARAS[kind], max_steps=30).double()
    with torch.no_grad():
        for parameter in made.vicara.parameters():
            parameter.mul_(scale)
    _, trajectory, _ = settled(made, samples(ADAPTERS["mlp"], 10).double())
    moves = move_lengths(trajectory)
    factor = effective_lipschitz(made.config.vicara.beta, 0.5)
    assert bool((moves[1:] <= factor * moves[:-1] * (1 + 1e-9) + 1e-14).all())
    assert bool((moves[-1] <= factor**29 * moves[0] + 1e-14).all())


def wide_engine(*, grounded: bool) -> SamathaEngine:
    adapter = create_adapter_config("mlp", input_dim=32, latent_dim=32, hidden_dims=(32,))
    vicara = create_vicara_config("standard", latent_dim=32, grounded=grounded)
    return engine(adapter, vicara, ALL_STEPS, max_steps=60)


def neighbour_overlap(z: Tensor, s_star: Tensor, count: int = 10) -> float:
    """Share of each sample's nearest neighbours at z that are so at S* as well."""
    masks = []
    for points in (z, s_star):
        distances = torch.cdist(points, points).fill_diagonal_(float("inf"))
        nearest = distances.topk(count, largest=False).indices
        masks.append(functional.one_hot(nearest, len(points)).sum(dim=1))
    return float((masks[0] * masks[1]).sum() / (count * len(z)))


def clusters(count: int) -> Tensor:
    centres = 2 * torch.randn(6, 32, generator=seeded(1))
    return centres[torch.arange(count) % 6] + torch.randn(count, 32, generator=seeded(2))


def trained(made: SamathaEngine, x: Tensor, steps: int) -> SamathaEngine:
    """Stage 1 in small: stability and reconstruction."""
    head = torch.nn.Linear(32, 32)
    optimiser = torch.optim.Adam([*made.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(steps):
        s_star, santana, _ = made.train()(x, noise_level=0.3, generator=seeded(3))
        states = santana.to_tensor()
        stability = (states[-1] - states[-2]).square().sum(dim=1).mean()
        loss = stability + functional.mse_loss(head(s_star), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return made.eval()


@pytest.mark.parametrize("steps", [0, 30])
def test_settling_keeps_the_neighbours(steps: int) -> None:
    """Sixty steps, fresh weights and weights after some training."""
    x = clusters(120)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        made = trained(wide_engine(grounded=True), x, steps)
    s_star, trajectory, _ = settled(made, x)
    assert float(move_lengths(trajectory)[-1].max()) < 1e-4
    with torch.no_grad():
        assert neighbour_overlap(made.adapter(x), s_star) >= 0.8


def test_the_bare_form_forgets_the_input() -> None:
    """One fixed point for all: what differed by metres differs by nothing."""
    made, x = wide_engine(grounded=False), clusters(120)
    s_star, trajectory, _ = settled(made, x)
    assert float(torch.pdist(trajectory[0]).mean()) > 1.0
    assert float(torch.pdist(s_star).max()) < 1e-5


def test_severity_is_the_augmenters_and_reaches_the_state() -> None:
    made, x = engine(), samples(ADAPTERS["mlp"], 5)
    clean, _, none = made(x, noise_level=1.0, run_augmenter=False)
    noisy, _, severity = made(x, noise_level=1.0, generator=seeded(1))
    assert none.tolist() == [0.0] * 5
    assert torch.equal(severity, made.augmenter(x, 1.0, seeded(1))[1])
    assert len(severity.unique()) == 5
    assert bool(((noisy - clean).norm(dim=1) > 0).all())


def test_an_engine_without_noise_has_severity_zero() -> None:
    config = SamathaConfig(
        adapter=ADAPTERS["mlp"],
        vicara=VICARAS["standard"],
        augmenter=AugmenterConfig(type=AugmenterType.IDENTITY),
    )
    _, _, severity = SamathaEngine(config)(samples(ADAPTERS["mlp"], 2), noise_level=1.0)
    assert severity.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("run_augmenter", [False, True])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 6), r"^x: expected the shape \(B, 5\), got \(3, 6\)$"),
        (torch.zeros(0, 5), "^x: expected one sample or more, got an empty batch$"),
        (
            torch.full((2, 5), float("nan")),
            "^x: expected finite numbers, got NaN or inf.* sample 0",
        ),
    ],
)
def test_bad_input_is_named(run_augmenter: bool, x: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine()(x, noise_level=0.5, run_augmenter=run_augmenter)


def test_a_copy_and_a_saved_engine_answer_the_same() -> None:
    x = samples(ADAPTERS["mlp"], 8)
    made = fitted(engine(sati=EARLY), x)
    other = engine(sati=EARLY, seed=9)
    assert not torch.allclose(settled(other, x)[0], settled(made, x)[0])
    other.load_state_dict(made.state_dict())
    for twin in (copy.deepcopy(made), other):
        assert torch.equal(settled(twin, x)[0], settled(made, x)[0])


def test_an_adapter_of_ones_own_fits_in() -> None:
    class Doubling(type(engine().adapter)):  # type: ignore[misc]
        def encode(self, x: Tensor) -> Tensor:
            return super().encode(2 * x)

    config: AdapterConfig = ADAPTERS["mlp"]
    made, x = engine(), samples(config, 3)
    doubling = Doubling(config).eval()
    doubling.load_state_dict(made.adapter.state_dict())
    expected = settled(made, 2 * x)[0]
    made.adapter = doubling
    assert torch.equal(settled(made, x)[0], expected)
