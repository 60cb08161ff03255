"""How much does a reactor yield in this state, and how far off may that be?

Supervised regression: measured yields guide stage 1 (squared error), Vipassana estimates
uncertainty, the decoder is a linear regressor. The reactor runs in four regimes; half of the tests
drift away from them, and their answers should be the less trusted the farther off they are.

python examples/satipatthana/regression.py
"""

import math

import torch
from plain import of_size, perceptron, print_table, size, steps_taken, system_size, train
from scipy.stats import spearmanr
from torch import Tensor, nn

from satipatthana.configs import (
    AugmenterConfig,
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
SENSORS, REGIMES = 8, 4


def reactor(count: int, drift: float, seed: int) -> tuple[Tensor, Tensor]:
    """States, up to `drift` away from a regime, and their yields (Friedman's first function)."""
    nature = torch.Generator().manual_seed(SEED)
    centres = torch.rand(REGIMES, SENSORS, generator=nature)
    shapes = 0.3 * torch.randn(REGIMES, SENSORS, SENSORS, generator=nature) / math.sqrt(SENSORS)
    chance = torch.Generator().manual_seed(seed)
    regime = torch.randint(REGIMES, (count,), generator=chance)
    noise = torch.randn(2, count, SENSORS, generator=chance)
    away = drift * torch.rand(count, 1, generator=chance) * noise[0]
    states = centres[regime] + torch.einsum("nij,nj->ni", shapes[regime], noise[1]) + away
    yields = 10 * torch.sin(math.pi * states[:, 0] * states[:, 1]) + 20 * (states[:, 2] - 0.5) ** 2
    yields += 10 * states[:, 3] + 5 * states[:, 4] + torch.randn(count, generator=chance)
    return states, yields[:, None]


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("mlp", input_dim=SENSORS, latent_dim=32, normalised=False),
        augmenter=AugmenterConfig(max_noise_std=0.05),
        vicara=create_vicara_config("standard", latent_dim=32),
    ),
    decoder=DecoderConfig(kind="linear"),
    task="regression",
    use_label_guidance=True,
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=5, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=40, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=8, patience=5, learning_rate=3e-3),
    decoder=StageConfig(max_epochs=25, patience=10, learning_rate=3e-3),
    # A linear decoder can only read what the labels put into the state.
    guidance_weight=3.0,
    seed=SEED,
)


def main() -> None:
    states, yields = reactor(2000, drift=0.0, seed=SEED + 100)
    middle, spread = states.mean(dim=0), states.std(dim=0)
    mean_yield, unit = yields.mean(), yields.std()
    x, y = (states - middle) / spread, (yields - mean_yield) / unit

    chance = torch.Generator().manual_seed(SEED)
    shuffled = FeatureShuffleVoid(x, 1500, generator=chance)
    noise = FilteredNoiseVoid(x, 1500, margin=0.2, generator=chance)

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG, output_dim=1)
    void = MixedVoid([shuffled, noise], generator=chance)
    history = fit(system, x, y, void=void, config=CURRICULUM)

    plain = of_size(system_size(system), lambda width: perceptron(SENSORS, width, 1, dropout=0.1))
    plain = train(plain, x, y, nn.functional.mse_loss, steps_taken(history, len(x)))

    tests = [reactor(1500, drift, seed=SEED + 200) for drift in (0.0, 0.5)]
    x = (torch.cat([states for states, _ in tests]) - middle) / spread
    yields = torch.cat([yields for _, yields in tests])[:, 0]
    with torch.no_grad():
        answers, plain_answers = system(x).output[:, 0], plain(x)[:, 0]
        # Monte Carlo dropout: how much the plain network's answers differ while units drop out.
        doubt = torch.stack([plain.train()(x)[:, 0] for _ in range(20)]).std(dim=0)
    trust = system.score(x).trust_score[:, 0]

    rows: list[tuple[object, ...]] = [("parameters", system_size(system), size(plain))]
    errors = [(a * unit + mean_yield - yields).abs() for a in (answers, plain_answers)]
    for name, part in (("known regimes", slice(0, 1500)), ("drifting", slice(1500, 3000))):
        rows.append((f"root mean squared error, {name}", *(rms(e[part]) for e in errors)))
    surest = [score.topk(1500).indices for score in (trust, -doubt)]
    halves = (rms(error[half]) for error, half in zip(errors, surest, strict=True))
    rows.append(("the same, the surer half of all", *halves))
    ranks = (float(spearmanr(-trust, errors[0])[0]), float(spearmanr(doubt, errors[1])[0]))
    rows.append(("rank correlation of doubt and error", *ranks))
    print_table(("a reactor's yield", "Satipatthana", "plain MLP, Monte Carlo dropout"), rows)


def rms(errors: Tensor) -> float:
    """Root of the mean square."""
    return float(errors.square().mean().sqrt())


if __name__ == "__main__":
    main()
