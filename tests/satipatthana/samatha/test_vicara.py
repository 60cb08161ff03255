"""One step: every Vicara in one loop, then what each is for."""

from typing import Any

import pytest
import torch

from satipatthana.configs import VicaraConfig, create_vicara_config
from satipatthana.samatha import (
    BaseVicara,
    ProbeSpecificVicara,
    WeightedVicara,
    build_vicara,
    effective_lipschitz,
    state_update,
)
from tests.satipatthana.samatha.engines import PROBES, VICARAS, WIDTH, normal


def vicara(config: VicaraConfig) -> BaseVicara:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return build_vicara(config).double().eval()


def metadata(count: int, seed: int = 5) -> dict[str, Any]:
    probs = normal(count, PROBES, seed=seed).softmax(dim=1)
    return {
        "z": normal(count, WIDTH, seed=seed + 1),
        "mixture": normal(count, WIDTH, seed=seed + 2),
        "probs": probs,
        "winner_id": probs.argmax(dim=1),
    }


@pytest.mark.parametrize("kind", VICARAS)
def test_every_vicara_contracts_and_prepares_what_it_would_do_anyway(kind: str) -> None:
    made, told = vicara(VICARAS[kind]), metadata(5)
    here, there = normal(5, WIDTH, seed=1), normal(5, WIDTH, seed=2)
    factor = effective_lipschitz(made.config.beta, 0.5)
    apart = (made(here, told) - made(there, told)).norm(dim=1)
    assert bool((apart <= factor * (here - there).norm(dim=1) * (1 + 1e-12)).all())
    prepared = made(here, made.prepared(here, told))
    assert torch.allclose(prepared, made(here, told), atol=1e-14)
    expected = state_update(here, made.refined(here, told), made.config.beta)
    assert torch.equal(made(here, told), expected)


@pytest.mark.parametrize("kind", VICARAS)
def test_every_part_of_every_vicara_learns(kind: str) -> None:
    made, here = vicara(VICARAS[kind]), normal(20, WIDTH, seed=1)
    made(here, metadata(20)).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert float(parameter.grad.abs().sum()) > 0.0, name


def test_the_weighted_one_averages_its_refiners() -> None:
    made = vicara(VICARAS["weighted"])
    assert isinstance(made, WeightedVicara)
    here, told = normal(5, WIDTH, seed=1), metadata(5)
    with torch.no_grad():
        made.share_logits.copy_(torch.tensor([3.0, 1.0]).log())
    first, second = (refiner(here, told) for refiner in made.refiners)
    assert torch.allclose(made.refined(here, told), 0.75 * first + 0.25 * second, atol=1e-7)


def test_the_probe_specific_one_asks_the_winner_or_all_by_their_probability() -> None:
    here, told = normal(5, WIDTH, seed=1), metadata(5)
    winner, soft = vicara(VICARAS["winner"]), vicara(VICARAS["soft"])
    assert isinstance(winner, ProbeSpecificVicara)
    assert isinstance(soft, ProbeSpecificVicara)
    answers = torch.stack([refiner(here, told) for refiner in winner.refiners])
    for sample, chosen in enumerate(told["winner_id"].tolist()):
        expected = answers[chosen, sample]
        assert torch.allclose(winner.refined(here, told)[sample], expected, atol=1e-12)
    mixed = torch.einsum("kbd,bk->bd", answers, told["probs"])
    assert torch.allclose(soft.refined(here, told), mixed, atol=1e-12)


def test_the_probe_specific_one_needs_to_be_told_the_probe() -> None:
    here = normal(2, WIDTH, seed=1)
    with pytest.raises(ValueError, match="^context: expected Vitakka's metadata with probs, got N"):
        vicara(VICARAS["soft"])(here)
    with pytest.raises(ValueError, match="^context: expected the entry 'winner_id', got z, mixt"):
        vicara(VICARAS["winner"])(here, {"z": here, "mixture": here})
    alone = vicara(create_vicara_config("probe_specific", latent_dim=WIDTH, num_probes=1))
    only = alone.refiners[0] if isinstance(alone, ProbeSpecificVicara) else alone
    assert torch.equal(alone.refined(here, None), only(here))


def test_settings_of_no_vicara_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^vicara: expected .*, got VicaraConfig$"):
        build_vicara(VicaraConfig(latent_dim=WIDTH))
