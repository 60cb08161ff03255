"""How the framework is set up for each yard-stick: chosen on the first halves, never on the
queries that are reported."""

import dataclasses

import torch
from torch import Tensor

from benchmarks.trust.framework import (
    Preparation,
    Settings,
    columns_prepared,
    images_prepared,
)
from satipatthana.configs import (
    AugmenterConfig,
    CurriculumConfig,
    SamathaConfig,
    StageConfig,
    StandardVipassanaConfig,
    SystemConfig,
    VipassanaEngineConfig,
    VitakkaConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.void import (
    FeatureShuffleVoid,
    FilteredNoiseVoid,
    MixedVoid,
    MixupVoid,
    VoidDataset,
    far_enough,
)


def vector_system(
    features: int,
    *,
    latent: int,
    hidden: tuple[int, ...],
    probes: int,
    noise: float,
) -> SystemConfig:
    """A system without a task, for vectors."""
    return SystemConfig(
        samatha=SamathaConfig(
            adapter=create_adapter_config(
                "mlp", input_dim=features, latent_dim=latent, hidden_dims=hidden
            ),
            augmenter=AugmenterConfig(max_noise_std=noise),
            vitakka=VitakkaConfig(num_probes=probes),
            vicara=create_vicara_config("standard", latent_dim=latent),
            max_steps=10,
        ),
        vipassana=VipassanaEngineConfig(vipassana=StandardVipassanaConfig(context_dim=64)),
        task="none",
        recon_hidden_dims=hidden,
    )


def image_system(features: int) -> SystemConfig:
    """The retrieval-sized system: d = 128, K = 16, T = 10.

    Each of the T states is reconstructed for its error, so that the width of the reconstruction
    heads is what scoring takes its time for.
    """
    system = vector_system(features, latent=128, hidden=(256,), probes=16, noise=0.3)
    return dataclasses.replace(system, recon_hidden_dims=(128,))


def image_voids(known: Tensor, prepared: Preparation, generator: torch.Generator) -> Tensor:
    """Vectors with a part of their features from others, as many as there are known ones."""
    return FeatureShuffleVoid(known, len(known), generator, shares=(0.2, 1.0)).samples


def linear_system(
    features: int, *, noise: float, probes: int, recon_hidden: tuple[int, ...]
) -> SystemConfig:
    """A small system whose adapter is linear, which keeps distances."""
    system = vector_system(features, latent=16, hidden=(), probes=probes, noise=noise)
    adapter = dataclasses.replace(system.samatha.adapter, normalised=False)
    samatha = dataclasses.replace(system.samatha, adapter=adapter)
    return dataclasses.replace(system, samatha=samatha, recon_hidden_dims=recon_hidden)


def ring_system(features: int) -> SystemConfig:
    """A small one with as many probes as recommended: in a plane any autoencoder reconstructs the
    hole, so trust has to come from the probes."""
    return linear_system(features, noise=0.3, probes=32, recon_hidden=(128,))


def noise_voids(known: Tensor, prepared: Preparation, generator: torch.Generator) -> Tensor:
    """Noise all around the known, and between them where there is room."""
    return FilteredNoiseVoid(known, len(known), generator=generator).samples


def ring_voids(known: Tensor, prepared: Preparation, generator: torch.Generator) -> Tensor:
    """Noise, and points between clusters that are none of the known."""
    noise = FilteredNoiseVoid(known, len(known), margin=0.25, generator=generator)
    between = MixupVoid(known, 3 * len(known), num_clusters=16, generator=generator)
    near = VoidDataset(far_enough(between.samples, known, quantile=0.95))
    return MixedVoid([noise, near], count=len(known), generator=generator).samples


def table_system(features: int) -> SystemConfig:
    """A small one that cannot keep everything; linear, like that of the rings."""
    return linear_system(features, noise=0.5, probes=16, recon_hidden=(64,))


def table_voids(known: Tensor, prepared: Preparation, generator: torch.Generator) -> Tensor:
    """Shuffled features and noise, half of each; at least a thousand, since tables are small."""
    count = max(1000, len(known))
    shuffled = FeatureShuffleVoid(known, count, generator)
    noise = FilteredNoiseVoid(known, count, generator=generator)
    return MixedVoid([shuffled, noise], count=count, generator=generator).samples


def stages(reconstructing: int, settling: int, judging: int, **others: float) -> CurriculumConfig:
    """A curriculum by the epochs of its stages; the decoder has nothing to learn."""
    return CurriculumConfig(
        adapter=StageConfig(max_epochs=reconstructing),
        samatha=StageConfig(max_epochs=settling),
        vipassana=StageConfig(max_epochs=judging, learning_rate=3e-3),
        decoder=StageConfig(max_epochs=0),
        recon_weight=0.3,
        **others,
    )


IMAGES = Settings(
    system=image_system,
    curriculum=stages(10, 10, 10),
    voids=image_voids,
    preparation=images_prepared,
)


def image_system_with_neighbours(features: int) -> SystemConfig:
    """The same, told the distance to the 10th neighbour besides."""
    system = image_system(features)
    judge = dataclasses.replace(system.vipassana.vipassana, extra_features=("k-NN distance",))
    return dataclasses.replace(system, vipassana=VipassanaEngineConfig(vipassana=judge))


IMAGES_WITH_NEIGHBOURS = dataclasses.replace(
    IMAGES, system=image_system_with_neighbours, neighbours=True
)
RINGS = Settings(
    system=ring_system,
    curriculum=stages(10, 10, 10, probe_weight=0.3),
    voids=ring_voids,
    preparation=columns_prepared,
)
TABULAR = Settings(
    system=table_system,
    curriculum=stages(40, 20, 5, probe_weight=0.3),
    voids=table_voids,
    preparation=columns_prepared,
)
