"""Which mineral has this spectrum, and is it any of ours?

Supervised classification: labels guide stage 1 (cross entropy), Vipassana checks for
hallucinations, the decoder is a softmax classifier. The spectra of eight minerals are made here;
those of four other minerals come only at the end, and should not be trusted.

python examples/satipatthana/classification.py
"""

import torch
from plain import auroc, of_size, perceptron, print_table, size, steps_taken, system_size, train
from torch import Tensor, nn

from satipatthana.configs import (
    CurriculumConfig,
    DecoderConfig,
    FallbackConfig,
    SamathaConfig,
    StageConfig,
    SystemConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum import fit
from satipatthana.fallbacks import DefaultAnswer
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import FeatureShuffleVoid, MixedVoid, MixupVoid

SEED = 0
CHANNELS, KNOWN, MINERALS = 64, 8, 12


def spectra(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Spectra, and the mineral of each: five peaks at the mineral's places, of varying strength."""
    nature = torch.Generator().manual_seed(SEED)
    places = torch.rand(MINERALS, 5, generator=nature) * CHANNELS
    widths = 1.5 + 2.0 * torch.rand(MINERALS, 5, generator=nature)
    chance = torch.Generator().manual_seed(seed)
    mineral = torch.randint(MINERALS, (count,), generator=chance)
    strength = 0.3 + torch.rand(count, 5, 1, generator=chance)
    shift = 1.5 * torch.randn(count, 1, 1, generator=chance)
    distance = torch.arange(CHANNELS) - places[mineral][:, :, None] - shift
    peaks = strength * torch.exp(-0.5 * (distance / widths[mineral][:, :, None]) ** 2)
    return peaks.sum(dim=1) + 0.35 * torch.randn(count, CHANNELS, generator=chance), mineral


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("mlp", input_dim=CHANNELS, latent_dim=8),
        vicara=create_vicara_config("standard", latent_dim=8),
    ),
    decoder=DecoderConfig(kind="softmax"),
    task="classification",
    use_label_guidance=True,
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=10, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=20, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=8, patience=5, learning_rate=3e-3),
    decoder=StageConfig(max_epochs=20, learning_rate=3e-3),
    recon_weight=1.0,
    guidance_weight=0.5,
    seed=SEED,
)


def main() -> None:
    x, mineral = spectra(3000, seed=SEED + 100)
    x, mineral = x[mineral < KNOWN], mineral[mineral < KNOWN]

    # What no mineral looks like: channels of many spectra in one, and two spectra in one.
    chance = torch.Generator().manual_seed(SEED)
    shuffled = FeatureShuffleVoid(x, 2000, generator=chance)
    mixed = MixupVoid(x, 2000, clusters=mineral, generator=chance)
    void = MixedVoid([shuffled, mixed], generator=chance)

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG, output_dim=KNOWN)
    history = fit(system, x, mineral, void=void, config=CURRICULUM)

    plain = of_size(system_size(system), lambda width: perceptron(CHANNELS, width, KNOWN))
    plain = train(plain, x, mineral, nn.functional.cross_entropy, steps_taken(history, len(x)))

    x, mineral = spectra(3000, seed=SEED + 200)
    known = mineral < KNOWN
    with torch.no_grad():
        probs, plain_probs = system(x).output, plain(x).softmax(dim=1)
    correct, plain_correct = ((p.argmax(dim=1) == mineral)[known] for p in (probs, plain_probs))
    judged, certainty = system.score(x), plain_probs.amax(dim=1)
    trust, confidence = judged.trust_score[:, 0], judged.confidence_score[:, 0]

    # Answers as confident as those to 95 of 100 known spectra; "I don't know" to the others.
    threshold = float(confidence[known].quantile(0.05))
    sure = FallbackConfig(threshold=threshold, score="confidence")
    answers = system.answer(x[~known], DefaultAnswer(), sure)
    plain_named = certainty[~known] >= certainty[known].quantile(0.05)

    print_table(
        ("minerals by their spectra", "Satipatthana", "plain MLP, largest probability"),
        [
            ("parameters", system_size(system), size(plain)),
            (
                "accuracy, known minerals",
                float(correct.float().mean()),
                float(plain_correct.float().mean()),
            ),
            (
                "AUROC, unknown minerals",
                auroc(confidence[known], confidence[~known]),
                auroc(certainty[known], certainty[~known]),
            ),
            ("AUROC of trust alone", auroc(trust[known], trust[~known]), "-"),
            (
                "unknown minerals named all the same",
                float(answers.trusted.float().mean()),
                float(plain_named.float().mean()),
            ),
        ],
    )


if __name__ == "__main__":
    main()
