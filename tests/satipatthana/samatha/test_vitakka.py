"""The first state, and where probes start."""

import pytest
import torch

from satipatthana.configs import VitakkaConfig
from satipatthana.samatha import Vitakka, initial_state, resonance
from tests.satipatthana.samatha.engines import normal, seeded


def vitakka(num_probes: int = 3, temperature: float = 0.5) -> Vitakka:
    config = VitakkaConfig(num_probes=num_probes, temperature=temperature)
    made = Vitakka(config, latent_dim=4).double()
    with torch.no_grad():
        for seed, parameter in enumerate(made.parameters()):
            parameter.copy_(normal(*parameter.shape, seed=seed))
    return made


def test_the_nearest_probe_asks() -> None:
    made, z = vitakka(), normal(5, 4, seed=7)
    s0, metadata = made(z)
    nearest = [
        min(range(3), key=lambda k: float((row - made.probes[k]).norm().detach())) for row in z
    ]
    assert metadata["winner_id"].tolist() == nearest
    assert torch.equal(metadata["probs"], resonance(z, made.probes, 0.5))
    assert torch.equal(metadata["z"], z)
    by_hand = sum(metadata["probs"][:, k : k + 1] * made.probes[k] for k in range(3))
    assert torch.allclose(metadata["mixture"], by_hand)
    expected = initial_state(z, made.probes[nearest], made.query.weight, made.key.weight)
    assert torch.equal(s0, expected)


def test_one_probe_wins_everything() -> None:
    _, metadata = vitakka(num_probes=1)(normal(5, 4, seed=7))
    assert metadata["winner_id"].tolist() == [0] * 5
    assert metadata["probs"].tolist() == [[1.0]] * 5


def test_a_tie_goes_to_the_first_probe() -> None:
    made = vitakka()
    with torch.no_grad():
        made.probes.copy_(made.probes[:1].clone().expand(3, 4))
    _, metadata = made(normal(2, 4, seed=1))
    assert metadata["winner_id"].tolist() == [0, 0]


def test_probes_and_attention_learn() -> None:
    made = vitakka()
    s0, metadata = made(normal(20, 4, seed=7))
    (s0.square().sum() + metadata["mixture"].square().sum()).backward()
    for name, parameter in made.named_parameters():
        assert float(parameter.grad.abs().sum()) > 0.0, name


@pytest.mark.parametrize("seed", range(5))
def test_seeded_probes_are_the_centres_of_clusters(seed: int) -> None:
    """Three heaps far apart: each probe is the mean of one."""
    heaps = torch.eye(4, dtype=torch.float64)[:3] * 50
    z = (heaps.unsqueeze(1) + normal(3, 40, 4, seed=seed)).reshape(-1, 4)
    made = vitakka()
    made.seed_probes(z, seeded(seed))
    means = z.reshape(3, 40, 4).mean(dim=1)
    order = made.probes.detach().argmax(dim=1).argsort()
    assert torch.allclose(made.probes.detach()[order], means, atol=1e-9)


def test_the_same_seed_gives_the_same_probes() -> None:
    z = normal(60, 4, seed=1)
    first, second, other = vitakka(), vitakka(), vitakka()
    first.seed_probes(z, seeded(1))
    second.seed_probes(z, seeded(1))
    other.seed_probes(z, seeded(2))
    assert torch.equal(first.probes, second.probes)
    assert not torch.equal(first.probes, other.probes)


def test_fewer_different_samples_than_probes_leave_the_rest_where_they_were() -> None:
    made = vitakka(num_probes=4)
    before = made.probes.detach().clone()
    z = normal(2, 4, seed=1)
    made.seed_probes(torch.cat([z, z, z]), seeded(0))
    centres = made.probes.detach()[:2]
    order = torch.cdist(z, centres).argmin(dim=1)
    assert sorted(order.tolist()) == [0, 1]
    assert torch.allclose(centres[order], z, atol=1e-12)
    assert torch.equal(made.probes.detach()[2:], before[2:])
