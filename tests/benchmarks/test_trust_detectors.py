"""Plain detectors against loops written from their definitions, and against known answers."""

import math

import numpy as np
import pytest

from benchmarks.trust.autoencoder import Autoencoder
from benchmarks.trust.detectors import (
    Detector,
    Energy,
    Isolation,
    Mahalanobis,
    MaxCosine,
    NearestNeighbour,
    RelativeMahalanobis,
    VirtualLogit,
    unit,
    varying,
)
from benchmarks.trust.fusions import LogisticFusion, PerceptronFusion

F, Y = 5, 3


def drawn(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(shift, 1.0, (count, F))
    return vectors.astype(np.float32)


@pytest.fixture
def library() -> np.ndarray:
    return drawn(61, 0, shift=1.0)


@pytest.fixture
def queries() -> np.ndarray:
    return drawn(7, 1)


def of_length_one(vector: np.ndarray) -> list[float]:
    length = math.sqrt(sum(float(number) ** 2 for number in vector))
    return [float(number) / length for number in vector]


def distance(left: list[float], right: list[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(left, right, strict=True)))


def test_max_cosine_is_the_loops(library: np.ndarray, queries: np.ndarray) -> None:
    detector = MaxCosine()
    detector.fit(library)
    expected = [
        max(
            sum(a * b for a, b in zip(of_length_one(query), of_length_one(row), strict=True))
            for row in library
        )
        for query in queries
    ]
    np.testing.assert_allclose(detector.score(queries), expected, rtol=1e-5)


@pytest.mark.parametrize("neighbours", [1, 10])
def test_nearest_neighbour_is_the_loops(
    library: np.ndarray, queries: np.ndarray, neighbours: int
) -> None:
    detector = NearestNeighbour(neighbours)
    detector.fit(library)
    expected = [
        -sorted(distance(of_length_one(query), of_length_one(row)) for row in library)[
            neighbours - 1
        ]
        for query in queries
    ]
    np.testing.assert_allclose(detector.score(queries), expected, rtol=1e-5)


def test_nearest_neighbour_as_it_is_does_not_normalise() -> None:
    detector = NearestNeighbour(1, normalised=False)
    detector.fit(np.array([[0.0, 3.0]], dtype=np.float32))
    assert detector.score(np.array([[4.0, 0.0]], dtype=np.float32)).tolist() == [-5.0]


def test_mahalanobis_with_much_data_is_the_plain_formula(queries: np.ndarray) -> None:
    many = drawn(20000, 2, shift=1.0)
    detector = Mahalanobis()
    detector.fit(many)
    rows = unit(many).astype(np.float64)
    precision = np.linalg.inv(np.cov(rows.T))
    expected = []
    for query in unit(queries).astype(np.float64):
        away = query - rows.mean(axis=0)
        expected.append(
            -sum(away[i] * precision[i, j] * away[j] for i in range(F) for j in range(F))
        )
    # Shrinkage is the only difference, and falls with the number of vectors.
    np.testing.assert_allclose(detector.score(queries), expected, rtol=0.02)


def test_features_that_never_vary_do_not_speak(library: np.ndarray, queries: np.ndarray) -> None:
    rounding = np.float32(1e-9) * drawn(len(library), 3)[:, :1]
    detector, plain = Mahalanobis(normalised=False), Mahalanobis(normalised=False)
    detector.fit(np.concatenate([library, rounding], axis=1))
    plain.fit(library)
    found = detector.score(np.concatenate([queries, np.ones((len(queries), 1))], axis=1))
    np.testing.assert_allclose(found, plain.score(queries))
    assert varying(np.concatenate([library, rounding], axis=1)).tolist() == [True] * F + [False]


def test_relative_mahalanobis_is_the_loops(library: np.ndarray, queries: np.ndarray) -> None:
    detector = RelativeMahalanobis(classes=2)
    detector.fit(library)
    rows = unit(library).astype(np.float64)
    means = detector.means
    nearest = [min(range(2), key=lambda c: distance(row, means[c])) for row in rows]
    within = np.mean(
        [np.outer(row - means[c], row - means[c]) for row, c in zip(rows, nearest, strict=True)],
        axis=0,
    )
    whole = np.cov(rows.T, bias=True)
    expected = []
    for query in unit(queries).astype(np.float64):
        classes = [(query - mean) @ np.linalg.inv(within) @ (query - mean) for mean in means]
        centred = query - rows.mean(axis=0)
        expected.append(centred @ np.linalg.inv(whole) @ centred - min(classes))
    np.testing.assert_allclose(detector.score(queries), expected, rtol=1e-4)


@pytest.fixture
def network() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    return (
        random.normal(size=(Y, F)).astype(np.float32),
        random.normal(size=Y).astype(np.float32),
    )


def test_energy_is_the_loops(queries: np.ndarray, network: tuple[np.ndarray, np.ndarray]) -> None:
    weight, bias = network
    expected = []
    for query in queries:
        logits = [sum(weight[y] * query) + bias[y] for y in range(Y)]
        expected.append(math.log(sum(math.exp(logit) for logit in logits)))
    np.testing.assert_allclose(Energy(weight, bias).score(queries), expected, rtol=1e-5)


def test_vim_is_its_steps(
    library: np.ndarray, queries: np.ndarray, network: tuple[np.ndarray, np.ndarray]
) -> None:
    weight, bias = network
    detector = VirtualLogit(weight, bias, principal=2)
    detector.fit(library)
    origin = -np.linalg.pinv(weight) @ bias
    moved = (library - origin).astype(np.float64)
    values, directions = np.linalg.eigh(moved.T @ moved)
    assert values[0] < values[-1]

    def outside(vectors: np.ndarray) -> np.ndarray:
        left = vectors - origin
        for direction in directions.T[-2:]:
            left = left - np.outer(left @ direction, direction)
        return np.linalg.norm(left, axis=1)

    alpha = (library @ weight.T + bias).max(axis=1).mean() / outside(library).mean()
    expected = Energy(weight, bias).score(queries) - alpha * outside(queries)
    np.testing.assert_allclose(detector.score(queries), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "detector",
    [
        MaxCosine(),
        NearestNeighbour(3),
        Mahalanobis(),
        Isolation(),
        Autoencoder(latent=2, hidden=(8,), steps=300),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_every_detector_knows_its_library_better_than_its_opposite(detector: Detector) -> None:
    library = drawn(200, 5, shift=3.0)
    detector.fit(library)
    known, unknown = detector.score(drawn(50, 6, shift=3.0)), detector.score(drawn(50, 7, -3.0))
    assert known.shape == (50,)
    assert known.min() > unknown.max()


def test_autoencoder_is_the_same_for_the_same_seed(library: np.ndarray) -> None:
    twice = []
    for _ in range(2):
        detector = Autoencoder(latent=2, hidden=(4,), steps=3, seed=5)
        detector.fit(library)
        twice.append(detector.score(library))
    np.testing.assert_array_equal(*twice)


@pytest.mark.parametrize("fusion", [LogisticFusion, PerceptronFusion])
def test_fusions_prefer_the_known_to_their_voids(
    fusion: type[LogisticFusion] | type[PerceptronFusion],
) -> None:
    detectors = {"cosine": MaxCosine(), "neighbour": NearestNeighbour(3)}
    for detector in detectors.values():
        detector.fit(drawn(100, 8, shift=3.0))
    # The perceptron stops by its hits on a tenth of the examples: a few teach it too little.
    learned = fusion(detectors).learn(drawn(1000, 9, shift=3.0), drawn(1000, 10))
    known, unknown = learned.score(drawn(50, 11, shift=3.0)), learned.score(drawn(50, 12))
    assert np.median(known) > np.median(unknown) + 1.0
