"""Plain detectors of unknown vectors: each is fitted to a library; a higher score is more known.

Their names, equations and constants are those of the papers that each cites.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.covariance import EmpiricalCovariance, LedoitWolf, empirical_covariance
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors


class Detector(Protocol):
    """Says how known vectors are."""

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        """Learns what is known."""

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        """How known each query is; only the order means something."""


def unit(vectors: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N F"]:
    """Vectors of length one; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)


class MaxCosine:
    """Cosine to the most similar vector of the library: what a search engine shows anyway."""

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        self.library = unit(library)

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        return (unit(queries) @ self.library.T).max(axis=1)


class NearestNeighbour:
    """Minus the distance to the k-th nearest vector of the library, all of length one.

    Sun, Ming, Zhu and Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022.
    """

    def __init__(self, neighbours: int = 10, normalised: bool = True) -> None:
        self.neighbours = neighbours
        self.prepared: Callable[[np.ndarray], np.ndarray] = unit if normalised else np.asarray

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        self.index = NearestNeighbors(n_neighbors=self.neighbours).fit(self.prepared(library))

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        distances, _ = self.index.kneighbors(self.prepared(queries))
        return -distances[:, -1]


class Mahalanobis:
    """Minus the squared Mahalanobis distance to the library's mean, vectors being of length one.

    One Gaussian, since the library has no labels: Lee, Lee, Lee and Shin, NeurIPS 2018, with one
    class. Lengths of one as in Mueller and Hein, "Mahalanobis++", ICML 2025; the covariance is
    shrunk (Ledoit and Wolf 2004), and features that never vary are left out.
    """

    def __init__(self, normalised: bool = True) -> None:
        self.prepared: Callable[[np.ndarray], np.ndarray] = unit if normalised else np.asarray

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        prepared = self.prepared(library).astype(np.float64)
        self.varies = varying(prepared)
        self.gaussian = LedoitWolf().fit(prepared[:, self.varies])

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        prepared = self.prepared(queries).astype(np.float64)
        return -self.gaussian.mahalanobis(prepared[:, self.varies])


class RelativeMahalanobis:
    """Minus the distance to the nearest class beyond that to the whole library.

    Ren, Fort, Liu, Roy, Padhy and Lakshminarayanan, "A simple fix to Mahalanobis distance", 2021:
    min_c MD_c(x) - MD_0(x), MD_c with the covariance shared by the classes. The library has no
    labels: its classes are the clusters of k-means. Covariances are not shrunk, since two different
    amounts of shrinkage would outweigh the difference.
    """

    def __init__(self, classes: int = 50, seed: int = 0) -> None:
        self.classes, self.seed = classes, seed

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        prepared = unit(library).astype(np.float64)
        self.varies = varying(prepared)
        prepared = prepared[:, self.varies]
        clusters = KMeans(self.classes, n_init=1, random_state=self.seed).fit(prepared)
        self.means = clusters.cluster_centers_
        within = prepared - self.means[clusters.labels_]
        self.within = EmpiricalCovariance(assume_centered=True).fit(within).precision_
        self.whole = EmpiricalCovariance().fit(prepared)

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        prepared = unit(queries).astype(np.float64)[:, self.varies]
        # (x - m)' P (x - m) for all classes at once: whitened, it is a squared distance.
        root = np.linalg.cholesky(self.within)
        white, means = prepared @ root, self.means @ root
        squares = (white**2).sum(1)[:, None] + (means**2).sum(1) - 2.0 * white @ means.T
        return self.whole.mahalanobis(prepared) - squares.min(axis=1)


class Energy:
    """Log-sum-exp of the network's own logits; Liu, Wang, Owens and Li, NeurIPS 2020, at T = 1."""

    def __init__(self, weight: Float32[np.ndarray, "Y F"], bias: Float32[np.ndarray, " Y"]) -> None:
        self.weight, self.bias = weight, bias

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        """Nothing: the network was trained before, on other classes than the library's."""

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        return logsumexp(queries @ self.weight.T + self.bias, axis=1)


class VirtualLogit:
    """ViM: the energy, less what lies outside the library's principal space.

    Wang, Li, Feng and Zhang, CVPR 2022, section 4: origin o = -W^+ b; R spans what the first
    `principal` directions of the library leave; score = logsumexp(Wx + b) - alpha ||R' (x - o)||,
    alpha = (sum of the library's largest logits) / (sum of its residual lengths). Their number of
    principal directions is 512 for 768 to 2,047 features.
    """

    def __init__(
        self,
        weight: Float32[np.ndarray, "Y F"],
        bias: Float32[np.ndarray, " Y"],
        principal: int = 512,
    ) -> None:
        self.weight, self.bias, self.principal = weight, bias, principal
        self.origin = -np.linalg.pinv(weight) @ bias

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        covariance = empirical_covariance(library - self.origin, assume_centered=True)
        _, directions = np.linalg.eigh(covariance.astype(np.float64))
        self.residual = directions[:, : -self.principal]
        largest = (library @ self.weight.T + self.bias).max(axis=1)
        self.alpha = largest.sum() / self.residual_length(library).sum()

    def residual_length(self, vectors: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        """Length of what the principal space does not hold."""
        return np.linalg.norm((vectors - self.origin) @ self.residual, axis=1)

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        energy = logsumexp(queries @ self.weight.T + self.bias, axis=1)
        return energy - self.alpha * self.residual_length(queries)


class Isolation:
    """scikit-learn's IsolationForest as it comes; Liu, Ting and Zhou, ICDM 2008."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        self.forest = IsolationForest(random_state=self.seed).fit(library)

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        return self.forest.score_samples(queries)


def varying(vectors: Float[np.ndarray, "N F"]) -> np.ndarray:
    """Which features vary more than rounding does; (F,) of truths.

    Whitening would blow up the others: a deviation of 2e-9 tells single from half precision.
    """
    deviations = vectors.std(axis=0)
    return deviations > 1e-6 * np.median(deviations)
