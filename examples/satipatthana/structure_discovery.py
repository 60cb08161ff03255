"""Which of these plants are of one kind, and which are crosses?

Structure discovery: stage 1 only asks for stability, there is no decoder, and Vipassana detects
boundaries. Six species were measured here without being named. The probe that a plant resonates
with is its species; crosses of two species lie between them and should not be trusted.

python examples/satipatthana/structure_discovery.py
"""

import math

import torch
from plain import auroc, print_table, system_size
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from satipatthana.configs import (
    METRICS,
    CurriculumConfig,
    DecoderConfig,
    SamathaConfig,
    StageConfig,
    StandardVipassanaConfig,
    SystemConfig,
    VipassanaEngineConfig,
    VitakkaConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum import fit
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import MixupVoid

SEED = 0
SPECIES, MEASURES = 6, 12


def plants(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Plants, the species of each, and as many crosses, or nearly: a share of two species each."""
    nature = torch.Generator().manual_seed(SEED + 11)
    centres = 2.0 * torch.randn(SPECIES, MEASURES, generator=nature)
    shapes = torch.randn(SPECIES, MEASURES, MEASURES, generator=nature) / math.sqrt(MEASURES)
    shapes *= 0.5 * 8.0 ** torch.rand(SPECIES, 1, MEASURES, generator=nature)
    chance = torch.Generator().manual_seed(seed)
    parents = torch.randint(SPECIES, (2, count), generator=chance)
    noise = torch.randn(2, count, MEASURES, generator=chance)
    one, other = centres[parents] + torch.einsum("pnij,pnj->pni", shapes[parents], noise)
    share = 0.35 + 0.3 * torch.rand(count, 1, generator=chance)
    crosses = (share * one + (1 - share) * other)[parents[0] != parents[1]]
    return one, parents[0], crosses


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("mlp", input_dim=MEASURES, latent_dim=32),
        vitakka=VitakkaConfig(num_probes=SPECIES, temperature=0.1),
        vicara=create_vicara_config("standard", latent_dim=32),
    ),
    decoder=DecoderConfig(kind="identity"),
    # Nothing is reconstructed from states here, so Vipassana judges without.
    vipassana=VipassanaEngineConfig(
        vipassana=StandardVipassanaConfig(
            metrics=METRICS[:-1], step_features=("state", "residual", "energy")
        )
    ),
    task="none",
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=10, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=20, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=8, patience=5, learning_rate=3e-3),
    recon_weight=0.0,
    probe_weight=0.01,
    seed=SEED,
)


def main() -> None:
    x, _, _ = plants(2000, seed=SEED + 100)
    middle, spread = x.mean(dim=0), x.std(dim=0)
    x = (x - middle) / spread

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG)
    chance = torch.Generator().manual_seed(SEED)
    fit(
        system,
        x,
        void=MixupVoid(x, 2000, num_clusters=SPECIES, generator=chance),
        config=CURRICULUM,
    )
    means = KMeans(SPECIES, n_init=10, random_state=0).fit(x.numpy())

    x, species, crosses = plants(1500, seed=SEED + 200)
    x, crosses = (x - middle) / spread, (crosses - middle) / spread
    with torch.no_grad():
        found = system(x).santana.metadata["winner_id"]
    trust = [system.score(part).trust_score for part in (x, crosses)]
    margins = [torch.tensor(means.transform(part.numpy())).sort().values for part in (x, crosses)]

    print_table(
        ("species without names", "Satipatthana", "k-means"),
        [
            ("parameters", system_size(system), means.cluster_centers_.size),
            (
                "adjusted Rand index",
                float(adjusted_rand_score(species, found)),
                float(adjusted_rand_score(species, means.predict(x.numpy()))),
            ),
            (
                "AUROC, crosses (k-means: second nearest less nearest)",
                auroc(*trust),
                auroc(*(margin[:, 1] - margin[:, 0] for margin in margins)),
            ),
        ],
    )


if __name__ == "__main__":
    main()
