"""Tables: anomalies found without labels, against IsolationForest on the same split.

    python -m benchmarks.trust.tabular [--half choices] [--contamination 0.05] [--seeds 5]

Protocol: half of the normal rows, drawn once, are the library; the other half and all anomalies
are asked. With --contamination, so much of the library is anomalies, unmarked, and these are not
asked. No label is used but to make the split and to measure. The sets ship with scikit-learn.
The digits that settings were chosen on share rows with those that are reported; breast cancer
shares nothing.
"""

import logging
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float32
from sklearn import datasets

from benchmarks.trust.contest import (
    Contest,
    PreparedAutoencoder,
    Trial,
    held,
    options,
    report,
)
from benchmarks.trust.detectors import Detector, Isolation, Mahalanobis, NearestNeighbour
from benchmarks.trust.framework import columns_prepared
from benchmarks.trust.settings import TABULAR

BASELINE = "IsolationForest"
Table = tuple[Float32[np.ndarray, "N F"], Bool[np.ndarray, " N"]]
"""Rows, and which of them are normal."""


def breast_cancer() -> Table:
    """Wisconsin diagnostic: 357 benign rows are normal, 212 malignant ones anomalies."""
    found = datasets.load_breast_cancer()
    return np.float32(found.data), found.target == 1


def wine(anomaly: int) -> Table:
    """Two cultivars are normal, the third is the anomaly."""
    found = datasets.load_wine()
    return np.float32(found.data), found.target != anomaly


def even_digits() -> Table:
    """8 x 8 pixels: even digits are normal, odd ones anomalies."""
    found = datasets.load_digits()
    return np.float32(found.data), found.target % 2 == 0


def odd_digits() -> Table:
    """The other way round."""
    rows, normal = even_digits()
    return rows, ~normal


def one_digit(normal: int) -> Table:
    """One digit is normal, every other one is an anomaly."""
    found = datasets.load_digits()
    return np.float32(found.data), found.target == normal


TABLES: dict[str, dict[str, Callable[[], Table]]] = {
    "choices": {
        **{f"wine, cultivar {k + 1} anomalous": partial(wine, k) for k in range(3)},
        "digits, odd normal": odd_digits,
        "digits, 3 normal": partial(one_digit, 3),
        "digits, 7 normal": partial(one_digit, 7),
    },
    "reported": {
        "breast cancer": breast_cancer,
        "digits, even normal": even_digits,
        "digits, 0 normal": partial(one_digit, 0),
    },
}


def table_trial(table: Table, contamination: float = 0.0, seed: int = 0) -> Trial:
    """The split of a table, features standardised by the library."""
    rows, normal_mask = table
    random = np.random.default_rng(seed)
    normal = random.permutation(rows[normal_mask])
    anomalies = random.permutation(rows[~normal_mask])
    learned, known = np.array_split(normal, 2)
    hidden = round(contamination * len(learned) / (1.0 - contamination))
    library = random.permutation(np.concatenate([learned, anomalies[:hidden]]))
    standardised = columns_prepared(library)
    return Trial(
        library=standardised(library),
        known=standardised(known),
        unknown={"anomalies": standardised(anomalies[hidden:])},
    )


def table_detectors(seed: int) -> dict[str, Detector]:
    """The plain detectors that can be asked about rows of numbers."""
    return {
        BASELINE: Isolation(seed),
        "k-NN": NearestNeighbour(normalised=False),
        "Mahalanobis": Mahalanobis(normalised=False),
        "autoencoder": PreparedAutoencoder(TABULAR, seed),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--contamination", type=float, default=0.0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(arguments.threads)
    for name, table in TABLES[arguments.half].items():
        contest = Contest(
            detectors=table_detectors,
            settings=TABULAR,
            columns={name: ("anomalies",)},
            baseline=BASELINE,
        )
        scores = held(table_trial(table(), arguments.contamination), contest, arguments.seeds)
        report(scores, contest, arguments)


if __name__ == "__main__":
    main()
