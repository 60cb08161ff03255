"""Does this pump still run as it should?

Anomaly detection in time series: an LSTM adapter, Gaussian noise while training, the standard
Vicara, a reconstruction decoder. Windows of flow and pressure are made here; those to learn from
are all sound, those of the test have five kinds of faults.

python examples/satipatthana/time_series.py
"""

import math

import torch
from plain import auroc, of_size, print_table, size, steps_taken, system_size, train
from torch import Tensor, nn

from satipatthana.configs import (
    AugmenterConfig,
    AugmenterType,
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
from satipatthana.void import FeatureShuffleVoid, MixedVoid, VoidDataset

SEED = 0
LENGTH = 32
FAULTS = ("spike", "stuck sensor", "too fast", "pressure lags", "pressure drifts")


def windows(count: int, seed: int, fault: str = "none") -> Tensor:
    """Flow and pressure, two channels, over a few turns of the pump."""
    chance = torch.Generator().manual_seed(seed)
    tempo, phase, load, amount = torch.rand(4, count, 1, generator=chance)
    tempo = 1.5 + tempo + (0.8 + 0.5 * amount if fault == "too fast" else 0.0)
    lag = 0.9 + (0.6 + 0.6 * amount if fault == "pressure lags" else 0.0)
    step, start = torch.arange(LENGTH), torch.randint(4, LENGTH - 12, (count, 1), generator=chance)
    turn = 2 * math.pi * (tempo * step / LENGTH + phase)
    load = 0.7 + 0.6 * load
    flow = load * (torch.sin(turn) + 0.4 * torch.sin(2 * turn + 1.0))
    pressure = load**2 * torch.sin(turn - lag)
    noise = 0.15 * torch.randn(2, count, LENGTH, generator=chance)
    flow, pressure = flow + noise[0], pressure + noise[1]
    if fault == "spike":
        flow = flow + 1.2 * torch.exp(-0.5 * (step - start) ** 2)
    if fault == "stuck sensor":
        stuck = (step >= start) & (step < start + 8)
        pressure = torch.where(stuck, pressure.gather(1, start), pressure)
    if fault == "pressure drifts":
        pressure = pressure + 0.7 * step / LENGTH
    return torch.stack([flow, pressure], dim=2)


class LstmAutoencoder(nn.Module):
    """The plain one: an LSTM, a code of its last state, a perceptron back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, width, batch_first=True)
        self.code = nn.Linear(width, 12)
        self.back = nn.Sequential(nn.Linear(12, 128), nn.GELU(), nn.Linear(128, 2 * LENGTH))

    def forward(self, x: Tensor) -> Tensor:
        code = self.code(self.lstm(x)[1][0][-1])
        return self.back(code).unflatten(1, (LENGTH, 2))


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config(
            "lstm", input_dim=2, length=LENGTH, hidden_dim=64, latent_dim=12
        ),
        augmenter=AugmenterConfig(type=AugmenterType.GAUSSIAN, max_noise_std=0.15),
        vicara=create_vicara_config("standard", latent_dim=12),
        max_steps=6,
    ),
    decoder=DecoderConfig(kind="reconstruction"),
    task="reconstruction",
    recon_hidden_dims=(128,),
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=20, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=25, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=6, patience=5, learning_rate=3e-3),
    decoder=StageConfig(max_epochs=15, learning_rate=3e-3),
    # The faults show in what the state cannot tell, so it should tell well what is sound.
    recon_weight=1.0,
    seed=SEED,
)


def main() -> None:
    x = windows(2000, seed=SEED + 100)
    chance = torch.Generator().manual_seed(SEED)
    shuffled = FeatureShuffleVoid(x, 1000, generator=chance)
    # Flow of one moment beside pressure of another.
    spliced = VoidDataset(torch.stack([x[:, :, 0], x.roll(1, dims=0)[:, :, 1]], dim=2))

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG)
    void = MixedVoid([shuffled, spliced], generator=chance)
    history = fit(system, x, void=void, config=CURRICULUM)

    plain = of_size(system_size(system), LstmAutoencoder)
    plain = train(plain, x, x, nn.functional.mse_loss, steps_taken(history, len(x)))

    def scores(x: Tensor) -> tuple[Tensor, Tensor]:
        """Trust, and the plain one's error turned round."""
        return system.score(x).trust_score[:, 0], -(plain(x) - x).square().mean(dim=(1, 2))

    sound = windows(500, seed=SEED + 200)
    with torch.no_grad():
        error = (system(sound).output - sound.flatten(1)).square().mean()
    rows: list[tuple[object, ...]] = [
        ("parameters", system_size(system), size(plain)),
        ("squared error, sound", float(error), float(-scores(sound)[1].mean())),
    ]
    areas = []
    for seed, fault in enumerate(FAULTS, start=SEED + 300):
        faulty = scores(windows(500, seed, fault))
        areas.append([auroc(a, b) for a, b in zip(scores(sound), faulty, strict=True)])
        rows.append((f"AUROC, {fault}", *areas[-1]))
    rows.append(("AUROC, mean of the faults", *torch.tensor(areas).mean(dim=0).tolist()))
    print_table(("faults of a pump", "Satipatthana", "plain LSTM autoencoder"), rows)


if __name__ == "__main__":
    main()
