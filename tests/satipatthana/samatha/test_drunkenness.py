"""Drunk mode: it disturbs, part by part, sample by sample, and leaves nothing behind."""

import copy
import dataclasses

import pytest
import torch
from torch import Tensor, nn

from satipatthana.configs import DrunkConfig, SamathaConfig
from satipatthana.samatha import SamathaEngine, drunk
from tests.satipatthana.samatha.engines import (
    ADAPTERS,
    VICARAS,
    engine,
    samples,
    seeded,
    settled,
)

SOBER = DrunkConfig(dropout=0.0, weight_noise=0.0, temperature_noise=0.0)
PARTS = ("dropout", "weight_noise", "temperature_noise")
X = samples(ADAPTERS["mlp"], 6)


def drunk_state(made: SamathaEngine, config: DrunkConfig, seed: int = 0) -> Tensor:
    with drunk(made, config, len(X), seeded(seed)):
        return settled(made, X)[0]


def assert_untouched(made: nn.Module, before: dict[str, Tensor]) -> None:
    after = made.state_dict()
    assert list(after) == list(before)
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor), name


@pytest.mark.parametrize("kind", VICARAS)
@pytest.mark.parametrize("training", [False, True])
def test_every_engine_is_sober_again_afterwards(kind: str, training: bool) -> None:
    made = engine(vicara=VICARAS[kind]).train(training)
    before = copy.deepcopy(made.state_dict())
    made(X, drunk_mode=True, noise_level=0.5, generator=seeded(1))
    assert_untouched(made, before)
    sober, drunken = settled(made.eval(), X)[0], drunk_state(made, DrunkConfig())
    assert not torch.allclose(drunken, sober, atol=1e-2)
    assert torch.equal(settled(made, X)[0], sober)
    assert_untouched(made, before)


def test_an_exception_sobers_too() -> None:
    made = engine()
    before, sober = copy.deepcopy(made.state_dict()), settled(made, X)[0]

    class Fall(nn.Module):
        def forward(self, s_t: Tensor, context: object) -> Tensor:
            raise RuntimeError("fell")

    standing = made.vicara
    fall = Fall()
    fall.prepared = lambda s_0, context: context
    made.vicara = fall
    with pytest.raises(RuntimeError, match="^fell$"):
        made(X, drunk_mode=True)
    made.vicara = standing
    assert_untouched(made, before)
    assert torch.equal(settled(made, X)[0], sober)
    with pytest.raises(RuntimeError, match="^outside$"), drunk(made, DrunkConfig(), len(X)):
        raise RuntimeError("outside")
    assert torch.equal(settled(made, X)[0], sober)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_disturbs_alone_and_nothing_is_left_without_any(part: str) -> None:
    made = engine()
    sober = settled(made, X)[0]
    one = dataclasses.replace(SOBER, **{part: 0.5})
    assert not torch.allclose(drunk_state(made, one), sober, atol=1e-4)
    assert torch.allclose(drunk_state(made, SOBER), sober, atol=1e-6)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_draws_for_each_sample(part: str) -> None:
    """The same sample six times: six answers."""
    made, same = engine(), X[:1].expand(6, -1)
    with drunk(made, dataclasses.replace(SOBER, **{part: 0.5}), 6, seeded(1)):
        s_star = settled(made, same)[0]
    assert float(torch.pdist(s_star).min()) > 1e-5


def test_only_dropout_is_drawn_anew_at_each_step() -> None:
    """Weights and temperature are disturbed for a whole pass: another pass inside it is equal."""
    made = engine()
    with drunk(made, dataclasses.replace(DrunkConfig(), dropout=0.0), len(X), seeded(1)):
        assert torch.equal(settled(made, X)[0], settled(made, X)[0])
    with drunk(made, dataclasses.replace(SOBER, dropout=0.5), len(X), seeded(1)):
        assert not torch.equal(settled(made, X)[0], settled(made, X)[0])


def test_a_seed_makes_it_repeatable() -> None:
    made = engine()
    first = drunk_state(made, DrunkConfig(), seed=1)
    assert torch.equal(drunk_state(made, DrunkConfig(), seed=1), first)
    assert not torch.allclose(drunk_state(made, DrunkConfig(), seed=2), first)


def test_the_settings_say_how_drunk() -> None:
    kept = engine().config
    config = SamathaConfig(
        adapter=kept.adapter, vitakka=kept.vitakka, vicara=kept.vicara, drunk=SOBER
    )
    made = SamathaEngine(config).eval()
    sober = made(X, run_augmenter=False)[0]
    assert torch.allclose(made(X, run_augmenter=False, drunk_mode=True)[0], sober, atol=1e-6)


def test_the_noise_on_weights_is_as_large_as_the_settings_say() -> None:
    """(W + a u v^T) x - W x over many draws has deviation 0.5 rms(W) |x|."""
    made = engine().vicara.refiners[0]
    x = torch.ones(4000, made.state_weight.shape[1])
    made.disturb(DrunkConfig(weight_noise=0.5), 4000, seeded(2))
    noise = made._linear("state", x, made.state_weight) - x @ made.state_weight.T
    rms = made.state_weight.square().mean().sqrt()
    expected = float((0.5 * rms * x[0].norm()).detach())
    assert float(noise.detach().std()) == pytest.approx(expected, rel=0.05)
