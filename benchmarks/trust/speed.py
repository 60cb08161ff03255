"""How long a retrieval-sized system takes to train through all stages, and to score.

    python -m benchmarks.trust.speed [--rounds 20]

10,000 vectors of 1,280 numbers in ten clusters; d = 128, K = 16, T = 10; the curriculum of
`images.py`, with five epochs of a classifier as stage 3.
"""

import argparse
import dataclasses
import statistics
import time

import torch

from benchmarks.machine import machine_line
from benchmarks.trust.settings import IMAGES
from satipatthana.configs import DecoderConfig, StageConfig
from satipatthana.curriculum import fit
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import FeatureShuffleVoid

SAMPLES, FEATURES, CLUSTERS, ASKED = 10_000, 1280, 10, 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    centres = torch.randn(CLUSTERS, FEATURES)
    y = torch.randint(CLUSTERS, (SAMPLES,))
    x = centres[y] + torch.randn(SAMPLES, FEATURES)
    config = dataclasses.replace(
        IMAGES.system(FEATURES),
        task="classification",
        decoder=DecoderConfig(kind="softmax"),
        output_dim=CLUSTERS,
    )
    # Patience as long as the stage: all epochs are taken.
    stages = {
        name: dataclasses.replace(getattr(IMAGES.curriculum, name), patience=100, goal=None)
        for name in ("adapter", "samatha", "vipassana")
    }
    curriculum = dataclasses.replace(
        IMAGES.curriculum, **stages, decoder=StageConfig(max_epochs=5, patience=100)
    )
    system = SatipatthanaSystem(config)
    started = time.perf_counter()
    history = fit(system, x, y, void=FeatureShuffleVoid(x, SAMPLES), config=curriculum)
    trained = time.perf_counter() - started
    seconds = []
    for _ in range(arguments.rounds):
        started = time.perf_counter()
        system.score(x[:ASKED])
        seconds.append(time.perf_counter() - started)
    epochs = " + ".join(str(len(stage.epochs)) for stage in history.stages)
    print("| what | median | min | max |\n| --- | --- | --- | --- |")
    print(f"| training, seconds ({epochs} epochs) | {trained:.0f} | | |")
    middle, least, most = (1000.0 * measure(seconds) for measure in (statistics.median, min, max))
    print(f"| scoring {ASKED}, milliseconds | {middle:.0f} | {least:.0f} | {most:.0f} |\n")
    print(machine_line("torch"))


if __name__ == "__main__":
    main()
