"""Small systems and samples, for tests of everything that needs the whole."""

from typing import Any

import torch
from torch import Tensor

from satipatthana.configs import (
    CurriculumConfig,
    MlpAdapterConfig,
    SamathaConfig,
    StageConfig,
    StandardVicaraConfig,
    StandardVipassanaConfig,
    SystemConfig,
    VipassanaEngineConfig,
    VitakkaConfig,
)
from satipatthana.system import SatipatthanaSystem

INPUT_DIM, LATENT_DIM, CLASSES = 7, 5, 3


def small_config(**settings: Any) -> SystemConfig:
    """Three classes of vectors of seven numbers."""
    samatha = SamathaConfig(
        adapter=MlpAdapterConfig(input_dim=INPUT_DIM, latent_dim=LATENT_DIM, hidden_dims=(11,)),
        vitakka=VitakkaConfig(num_probes=3),
        vicara=StandardVicaraConfig(latent_dim=LATENT_DIM),
        max_steps=4,
    )
    defaults: dict[str, Any] = {
        "samatha": samatha,
        "vipassana": VipassanaEngineConfig(vipassana=StandardVipassanaConfig(context_dim=8)),
        "output_dim": CLASSES,
        "use_label_guidance": True,
        "recon_hidden_dims": (13,),
    }
    return SystemConfig(**{**defaults, **settings})


def small_system(**settings: Any) -> SatipatthanaSystem:
    """The same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return SatipatthanaSystem(small_config(**settings))


def clusters(count: int = 90, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Samples around three centres, and which one each is around."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % CLASSES
    centres = 3.0 * torch.eye(CLASSES, INPUT_DIM)
    return centres[classes] + 0.3 * torch.randn(count, INPUT_DIM, generator=generator), classes


def short(epochs: int = 2, **settings: Any) -> CurriculumConfig:
    """Few epochs in every stage, unless another number is given for one."""
    stage = StageConfig(max_epochs=epochs, learning_rate=1e-2)
    stages: dict[str, Any] = dict.fromkeys(("adapter", "samatha", "vipassana", "decoder"), stage)
    return CurriculumConfig(**{"batch_size": 16, **stages, **settings})


def state_of(system: SatipatthanaSystem) -> dict[str, Tensor]:
    """A copy of everything that the system has learned."""
    return {name: value.clone() for name, value in system.state_dict().items()}
