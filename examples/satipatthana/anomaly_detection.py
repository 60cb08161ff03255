"""Is this biopsy like the healthy ones?

Anomaly detection: stages 0 and 1 only reconstruct, the decoder is the identity, and the score is
what comes out. The system sees benign samples of the Wisconsin breast cancer data (they ship with
scikit-learn), no malignant one and no label; in the test it meets both.

python examples/satipatthana/anomaly_detection.py
"""

import torch
from plain import auroc, autoencoder, of_size, print_table, size, steps_taken, system_size, train
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from torch import Tensor, nn

from satipatthana.configs import (
    CurriculumConfig,
    DecoderConfig,
    SamathaConfig,
    StageConfig,
    SystemConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum import fit
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import FeatureShuffleVoid, FilteredNoiseVoid, MixedVoid

SEED = 0


def biopsies() -> tuple[Tensor, Tensor, Tensor]:
    """Benign samples to learn from, benign ones to test with, and malignant ones; 30 measures."""
    data = load_breast_cancer()
    measures = torch.tensor(data.data, dtype=torch.float32).log1p()
    benign, malignant = measures[data.target == 1], measures[data.target == 0]
    benign = benign[torch.randperm(len(benign), generator=torch.Generator().manual_seed(SEED))]
    seen, fresh = benign[:257], benign[257:]
    middle, spread = seen.mean(dim=0), seen.std(dim=0)
    return (seen - middle) / spread, (fresh - middle) / spread, (malignant - middle) / spread


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("mlp", input_dim=30, latent_dim=8, hidden_dims=(64,)),
        vicara=create_vicara_config("standard", latent_dim=8),
    ),
    decoder=DecoderConfig(kind="identity"),
    task="none",
    recon_hidden_dims=(64,),
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=50, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=100, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=40, patience=5, learning_rate=3e-3),
    recon_weight=0.3,
    seed=SEED,
)


def main() -> None:
    x, benign, malignant = biopsies()
    chance = torch.Generator().manual_seed(SEED)
    shuffled = FeatureShuffleVoid(x, 500, generator=chance)
    noise = FilteredNoiseVoid(x, 500, generator=chance)
    void = MixedVoid([shuffled, noise], generator=chance)

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG)
    history = fit(system, x, void=void, config=CURRICULUM)

    plain = of_size(system_size(system), lambda width: autoencoder(30, width, latent_dim=8))
    plain = train(plain, x, x, nn.functional.mse_loss, steps_taken(history, len(x)))
    forest = IsolationForest(random_state=0).fit(x.numpy())

    scores = []
    for test in (benign, malignant):
        by_plain = -(plain(test) - test).square().mean(dim=1)
        by_forest = torch.tensor(forest.score_samples(test.numpy()))
        scores.append((system.score(test).trust_score[:, 0], by_plain, by_forest))
    pairs = list(zip(*scores, strict=True))

    print_table(
        ("malignant among benign", "Satipatthana", "plain autoencoder", "isolation forest"),
        [
            ("parameters", system_size(system), size(plain), "-"),
            ("AUROC", *(auroc(known, unknown) for known, unknown in pairs)),
            ("malignant missed at 5 % false alarms", *(missed(*pair) for pair in pairs)),
        ],
    )


def missed(benign: Tensor, malignant: Tensor) -> float:
    """Share of the malignant above the score that 95 % of the benign reach."""
    return float((malignant >= benign.quantile(0.05)).float().mean())


if __name__ == "__main__":
    main()
