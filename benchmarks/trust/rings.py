"""Two concentric rings in the plane: whether the hole in their middle is known to be unknown.

    python -m benchmarks.trust.rings [--half choices] [--seeds 5] [--json FILE]

The rings' mean lies in the hole, so that whatever measures distance from a mean finds it the most
known place of all.
"""

import logging

import numpy as np
import torch
from jaxtyping import Float32

from benchmarks.trust.contest import (
    Contest,
    PreparedAutoencoder,
    Trial,
    held,
    options,
    report,
)
from benchmarks.trust.detectors import Detector, Isolation, Mahalanobis, NearestNeighbour
from benchmarks.trust.settings import RINGS

RADII = (1.0, 2.0)
DEVIATION = 0.08
"""Of a point's distance from its ring."""
PLACES = {"hole": (0.0, 0.5), "between": (1.35, 1.65), "outside": (2.5, 3.5)}
"""Least and greatest distance from the middle of what is unknown."""
BASELINE = "k-NN"


def around(radii: np.ndarray, random: np.random.Generator) -> Float32[np.ndarray, "N F"]:
    """Points so far from the middle, in all directions."""
    angles = random.uniform(0.0, 2.0 * np.pi, len(radii))
    return np.float32(radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1))


def ring_points(count: int, random: np.random.Generator) -> Float32[np.ndarray, "N F"]:
    """Points of both rings, as many for each unit of length."""
    shares = np.array(RADII) / sum(RADII)
    rings = random.choice(RADII, count, p=shares)
    return around(rings + random.normal(0.0, DEVIATION, count), random)


def ring_trial(seed: int, count: int = 3000, asked: int = 1000) -> Trial:
    """Points of the rings, and of each place without any, spread evenly over it."""
    random = np.random.default_rng(seed)
    unknown = {}
    for name, (low, high) in PLACES.items():
        # Even over an area: the squared distance is even.
        unknown[name] = around(np.sqrt(random.uniform(low**2, high**2, asked)), random)
    return Trial(
        library=ring_points(count, random), known=ring_points(asked, random), unknown=unknown
    )


def ring_detectors(seed: int) -> dict[str, Detector]:
    """The plain detectors that can be asked about points of a plane."""
    return {
        BASELINE: NearestNeighbour(normalised=False),
        "Mahalanobis": Mahalanobis(normalised=False),
        "IsolationForest": Isolation(seed),
        "autoencoder": PreparedAutoencoder(RINGS, seed),
    }


CONTEST = Contest(
    detectors=ring_detectors,
    settings=RINGS,
    columns={name: (name,) for name in PLACES},
    baseline=BASELINE,
)


def main() -> None:
    arguments = options(__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(arguments.threads)
    trial = ring_trial(seed=1000 if arguments.half == "choices" else 2000)
    report(held(trial, CONTEST, arguments.seeds), CONTEST, arguments)


if __name__ == "__main__":
    main()
