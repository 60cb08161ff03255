"""Engines, inputs and random numbers of these tests."""

import torch
from torch import Tensor

from satipatthana.configs import (
    AdapterConfig,
    SamathaConfig,
    SatiConfig,
    VicaraConfig,
    VitakkaConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.samatha import SamathaEngine

WIDTH = 8
PROBES = 3
VOCABULARY = 11

ADAPTERS: dict[str, AdapterConfig] = {
    "mlp": create_adapter_config("mlp", input_dim=5, latent_dim=WIDTH, hidden_dims=(7,)),
    "cnn": create_adapter_config("cnn", channels=2, height=7, width=5, latent_dim=WIDTH),
    "lstm": create_adapter_config("lstm", input_dim=3, length=5, latent_dim=WIDTH, hidden_dim=6),
    "transformer of vectors": create_adapter_config(
        "transformer", input_dim=3, length=5, latent_dim=WIDTH, width=8, num_heads=2
    ),
    "transformer of tokens": create_adapter_config(
        "transformer",
        vocabulary_size=VOCABULARY,
        length=5,
        latent_dim=WIDTH,
        width=8,
        num_heads=2,
    ),
}

VICARAS: dict[str, VicaraConfig] = {
    "standard": create_vicara_config("standard", latent_dim=WIDTH),
    "weighted": create_vicara_config("weighted", latent_dim=WIDTH, num_refiners=2),
    "soft": create_vicara_config("probe_specific", latent_dim=WIDTH, num_probes=PROBES),
    "winner": create_vicara_config(
        "probe_specific", latent_dim=WIDTH, num_probes=PROBES, selection="winner"
    ),
}

ALL_STEPS = SatiConfig(mode="fixed")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def samples(adapter: AdapterConfig, count: int, seed: int = 0) -> Tensor:
    """Input that the adapter takes: numbers, or tokens of which none is padding."""
    if getattr(adapter, "vocabulary_size", None) is not None:
        shape = (count, *adapter.input_shape)
        return torch.randint(1, VOCABULARY, shape, generator=seeded(seed))
    return torch.randn(count, *adapter.input_shape, generator=seeded(seed))


def engine(
    adapter: AdapterConfig = ADAPTERS["mlp"],
    vicara: VicaraConfig = VICARAS["standard"],
    sati: SatiConfig = ALL_STEPS,
    *,
    max_steps: int = 10,
    num_probes: int = PROBES,
    seed: int = 0,
) -> SamathaEngine:
    """A scoring engine with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = SamathaConfig(
            adapter=adapter,
            vicara=vicara,
            sati=sati,
            vitakka=VitakkaConfig(num_probes=num_probes),
            max_steps=max_steps,
        )
        return SamathaEngine(config).eval()


def settled(made: SamathaEngine, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """S*, the trajectory and the steps of undisturbed input."""
    with torch.no_grad():
        s_star, santana, _ = made(x, run_augmenter=False)
    return s_star, santana.to_tensor(), santana.convergence_steps


def move_lengths(trajectory: Tensor) -> Tensor:
    """How far each sample went in each step, T-1 B."""
    return torch.linalg.vector_norm(trajectory[1:] - trajectory[:-1], dim=-1)
