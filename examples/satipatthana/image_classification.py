"""Which digit is this, if it is one of those that were taught?

Image classification: a CNN adapter, no augmenter, the standard Vicara, a conditional decoder.
The digits ship with scikit-learn; 0 to 7 are taught, 8 and 9 come only in the test.

python examples/satipatthana/image_classification.py
"""

import torch
from plain import auroc, of_size, print_table, size, steps_taken, system_size, train
from sklearn.datasets import load_digits
from torch import Tensor, nn

from satipatthana.configs import (
    AugmenterConfig,
    AugmenterType,
    CurriculumConfig,
    DecoderConfig,
    PathMix,
    SamathaConfig,
    StageConfig,
    SystemConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum import fit
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import FeatureShuffleVoid, MixedVoid, MixupVoid, PatchShuffleVoid

SEED = 0
UNKNOWN = (8, 9)
CLASSES = 10 - len(UNKNOWN)


def digits(test: bool) -> tuple[Tensor, Tensor]:
    """Images of 8 x 8 pixels with their digits, every other one for the test.

    The known digits are numbered first, then the unknown ones.
    """
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 8.0 - 1.0
    order = [digit for digit in range(10) if digit not in UNKNOWN] + list(UNKNOWN)
    labels = torch.tensor(order).argsort()[torch.tensor(data.target)]
    rows = torch.arange(len(images)) % 2 == int(test)
    return images[rows], labels[rows]


def plain_cnn(width: int) -> nn.Module:
    """The plain one: the same convolutions, and a perceptron."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1), nn.GELU()),
        *(nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1), nn.GELU()),
        *(nn.Flatten(), nn.Linear(128, width), nn.GELU(), nn.Linear(width, width), nn.GELU()),
        nn.Linear(width, CLASSES),
    )


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("cnn", channels=1, height=8, width=8, latent_dim=24),
        augmenter=AugmenterConfig(type=AugmenterType.IDENTITY),
        vicara=create_vicara_config("standard", latent_dim=24),
    ),
    decoder=DecoderConfig(kind="conditional"),
    task="classification",
    use_label_guidance=True,
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=20, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=40, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=20, patience=5, learning_rate=3e-3),
    decoder=StageConfig(max_epochs=30, learning_rate=3e-3),
    guidance_weight=0.5,
    path_mix=PathMix(augmented=0.0),
    seed=SEED,
)


def main() -> None:
    x, digit = digits(test=False)
    x, digit = x[digit < CLASSES], digit[digit < CLASSES]
    chance = torch.Generator().manual_seed(SEED)
    voids = [
        FeatureShuffleVoid(x, 500, generator=chance),
        PatchShuffleVoid(x, 500, patch=4, generator=chance),
        MixupVoid(x, 500, clusters=digit, generator=chance),
    ]

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG, output_dim=CLASSES)
    history = fit(system, x, digit, void=MixedVoid(voids, generator=chance), config=CURRICULUM)

    plain = of_size(system_size(system), plain_cnn)
    plain = train(plain, x, digit, nn.functional.cross_entropy, steps_taken(history, len(x)))

    x, digit = digits(test=True)
    known = digit < CLASSES
    with torch.no_grad():
        logits, plain_logits = system(x).output, plain(x)
    trust, certainty = system.score(x).trust_score[:, 0], plain_logits.softmax(dim=1).amax(dim=1)
    right = [(each.argmax(dim=1) == digit)[known].float() for each in (logits, plain_logits)]
    accepted = [score[~known] >= score[known].quantile(0.05) for score in (trust, certainty)]

    print_table(
        ("digits 0 to 7 among 0 to 9", "Satipatthana", "plain CNN, largest probability"),
        [
            ("parameters", system_size(system), size(plain)),
            ("accuracy, 0 to 7", *(float(each.mean()) for each in right)),
            (
                "AUROC, 8 and 9",
                *(auroc(score[known], score[~known]) for score in (trust, certainty)),
            ),
            (
                "8 and 9 accepted with 95 % of 0 to 7",
                *(float(each.float().mean()) for each in accepted),
            ),
        ],
    )


if __name__ == "__main__":
    main()
