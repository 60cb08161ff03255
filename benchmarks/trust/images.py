"""Photographs: which queries a collection has nothing like.

    python -m benchmarks.trust.images [--half choices] [--seeds 5] [--json FILE]

Known: Flickr8k. Unknown and near: photographs of other things. Unknown and far: textures, blood
cells. Whatever learns from voids is shown the same voids, made of the library alone.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from benchmarks.trust.contest import Contest, PreparedAutoencoder, held, options, report
from benchmarks.trust.detectors import (
    Detector,
    Energy,
    Mahalanobis,
    MaxCosine,
    NearestNeighbour,
    RelativeMahalanobis,
    VirtualLogit,
)
from benchmarks.trust.features import FAR, NEAR, classifier, image_trials
from benchmarks.trust.settings import IMAGES, IMAGES_WITH_NEIGHBOURS

BASELINE = "k-NN"


def image_detectors(
    weight: Float32[np.ndarray, "Y F"], bias: Float32[np.ndarray, " Y"]
) -> Callable[[int], dict[str, Detector]]:
    """The plain detectors, given the network's last layer."""
    return lambda seed: {
        "max cosine": MaxCosine(),
        BASELINE: NearestNeighbour(),
        "Mahalanobis": Mahalanobis(),
        "relative Mahalanobis": RelativeMahalanobis(seed=seed),
        "ViM": VirtualLogit(weight, bias),
        "energy": Energy(weight, bias),
        "autoencoder": PreparedAutoencoder(IMAGES, seed),
    }


def image_contest(shared: Path) -> Contest:
    """Everybody who is asked about photographs."""
    columns = {"near, mean": NEAR, **{name: (name,) for name in NEAR + FAR}}
    return Contest(
        detectors=image_detectors(*classifier(shared)),
        settings=IMAGES,
        others={"trust, k-NN distance as a ninth metric": IMAGES_WITH_NEIGHBOURS},
        columns=columns,
        baseline=BASELINE,
    )


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".training/trust"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(arguments.threads)
    choices, reported = image_trials(arguments.shared, arguments.cache)
    trial = choices if arguments.half == "choices" else reported
    contest = image_contest(arguments.shared)
    report(held(trial, contest, arguments.seeds), contest, arguments)


if __name__ == "__main__":
    main()
