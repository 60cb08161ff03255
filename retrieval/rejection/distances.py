"""Plain evidence from vectors: how far a query lies from what the library holds.

Shape letters: B vectors of the bank, Q queries, F features, K concepts, P the similarity profile.
Every column is one of the published single scores; higher is more known throughout.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.rejection.words import Arrays

PROFILE = 32
"""P: how many of the library's most similar pictures a query shows to the gate."""
NEIGHBOUR = 10
"""k of the k-nearest-neighbour score, as in Sun, Ming, Zhu and Li, ICML 2022."""
SHRINKAGE = 0.05
"""Share of the mean variance in the covariances' eigenvalues; chosen on the trials."""
JOINT_SHRINKAGE = 0.02
"""The same of both blocks together; chosen on Flickr8k dev and distorted pictures."""
CONCEPTS = 32
JOINT = "joint Mahalanobis"
PRINCIPAL_SHARE = 0.25
"""Share of the directions that count as principal for the residual."""
TEMPERATURE = 0.05
"""tau of energy and of maximum concept matching, about the spread of cosines to a library."""


class Gaussian:
    """Mean and whitening of one block of a bank's vectors; the squared distance is Mahalanobis's.

    Vectors are of unit length, as in Mueller and Hein, "Mahalanobis++", ICML 2025; eigenvalues are
    shrunk towards their mean; directions of no variance are as good as left out by that.
    """

    def __init__(
        self,
        mean: Float32[np.ndarray, " F"],
        directions: Float32[np.ndarray, "F F"],
        variances: Float32[np.ndarray, " F"],
    ) -> None:
        self.mean, self.directions, self.variances = mean, directions, variances

    @classmethod
    def of(cls, bank: Float32[np.ndarray, "B F"], shrinkage: float = SHRINKAGE) -> "Gaussian":
        """Fitted to a bank; directions ascend in variance."""
        mean = bank.mean(axis=0)
        centred = (bank - mean).astype(np.float64)
        variances, directions = np.linalg.eigh(centred.T @ centred / max(1, len(bank)))
        variances = np.maximum(variances, 0.0)
        shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean() + 1e-12
        return cls(
            mean.astype(np.float32), directions.astype(np.float32), shrunk.astype(np.float32)
        )

    def projected(self, queries: Float32[np.ndarray, "Q F"]) -> Float32[np.ndarray, "Q F"]:
        """Along the principal directions, in ascending variance."""
        return np.asarray((queries - self.mean) @ self.directions)

    def typicality(
        self, projected: Float32[np.ndarray, "Q F"]
    ) -> tuple[Float64[np.ndarray, "Q"], Float64[np.ndarray, "Q"]]:
        """Minus the Mahalanobis distance, and minus the length outside the principal space."""
        squares = projected.astype(np.float64) ** 2
        residual = squares[:, : -max(1, int(PRINCIPAL_SHARE * squares.shape[1]))].sum(axis=1)
        return -np.sqrt((squares / self.variances).sum(axis=1)), -np.sqrt(residual)


def left_out_distance(
    distance: Float64[np.ndarray, "Q"], n_fitted: int, shrinkage: float = SHRINKAGE
) -> Float64[np.ndarray, "Q"]:
    r"""The Mahalanobis distance that a member of the bank would have, had it not been in it.

    D^2 = n / (n - 1) * q / (1 - (1 - s) q / (n - 1)),   q the squared distance with it in

    by Sherman and Morrison's formula: leaving x out, u = x - mean, takes n / (n - 1)^2 u u' off
    n / (n - 1) C. Departure: what u adds to the mean variance, which the share s of the eigenvalues
    is shrunk to, is left in; it is 1/n of it. Leaving out a fifth at a time instead makes distances
    larger than fresh ones are, the more so the smaller the library.
    """
    q = distance**2
    squares = (
        n_fitted / (n_fitted - 1) * q / np.maximum(1 - (1 - shrinkage) * q / (n_fitted - 1), 1e-6)
    )
    left_out: Float64[np.ndarray, "Q"] = np.sqrt(squares)
    return left_out


def as_stored(vectors: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N F"]:
    """The vectors as a saved gate gives them back, in half precision.

    What is measured in calibrating has to be what is measured in judging: in a library of few and
    like pictures the rounding alone is many deviations of a similarity.
    """
    return vectors.astype(np.float16).astype(np.float32)


class Landmarks:
    """What single scores need of a library's vectors: Gaussians, concepts, a bank of texts."""

    def __init__(
        self,
        gaussians: Sequence[Gaussian],
        concepts: Float32[np.ndarray, "K F"],
        bank: Float32[np.ndarray, "B F"],
        joint: Gaussian | None = None,
    ) -> None:
        """`joint`: of all blocks together, what each lets expect of the other."""
        self.gaussians, self.concepts, self.bank = tuple(gaussians), concepts, bank
        self.joint = joint
        self._widths = [len(gaussian.mean) for gaussian in self.gaussians]
        # Worked out once: a query has no time for it.
        white = [
            gaussian.projected(block) / np.sqrt(gaussian.variances)
            for gaussian, block in zip(self.gaussians, _blocks(concepts, self._widths), strict=True)
        ]
        self._white_concepts = np.concatenate(white, axis=1)
        self._unit_concepts = _unit(concepts)

    @classmethod
    def of(
        cls,
        bank: Float32[np.ndarray, "B F"],
        widths: Sequence[int],
        *,
        keep: bool,
        joint: bool = False,
        seed: int = 0,
    ) -> "Landmarks":
        """Fitted to `bank`, its blocks `widths` wide; `keep` for the distance to its items,
        `joint` for that to all blocks at once, where there are several."""
        gaussians = [Gaussian.of(block) for block in _blocks(bank, widths)]
        kept = as_stored(bank) if keep else bank[:0]
        both = Gaussian.of(bank, JOINT_SHRINKAGE) if joint and len(gaussians) > 1 else None
        return cls(gaussians, centres(bank, CONCEPTS, seed), kept, both)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the evidence, in order."""
        blocks = ("",) if len(self.gaussians) == 1 else ("semantic ", "visual ")
        return (
            *("max cosine", "margin", "k-NN", "energy", "MCM"),
            *(f"{block}{name}" for block in blocks for name in ("Mahalanobis", "residual")),
            *("relative Mahalanobis", "ViM"),
            *(("nearest caption", "10th caption") if len(self.bank) else ()),
            *((JOINT,) if self.joint else ()),
        )

    def evidence(
        self, vectors: Float32[np.ndarray, "Q F"], profile: Float32[np.ndarray, "Q P"]
    ) -> Float32[np.ndarray, "Q E"]:
        """Every column for each query; `profile` are its highest similarities, descending."""
        distances: list[np.ndarray[Any, np.dtype[np.float64]]] = []
        whitened = []
        for gaussian, block in zip(self.gaussians, _blocks(vectors, self._widths), strict=True):
            projected = gaussian.projected(block)
            distances += gaussian.typicality(projected)
            whitened.append(projected / np.sqrt(gaussian.variances))
        white, concepts = np.concatenate(whitened, axis=1), self._white_concepts
        squares = (white**2).sum(axis=1)[:, None] - 2 * white @ concepts.T
        nearest = (squares + (concepts**2).sum(axis=1)).min(axis=1)
        energy = _log_sum_exp(profile / TEMPERATURE)
        cosines = vectors @ self._unit_concepts.T
        columns = [
            profile[:, 0],
            profile[:, 0] - profile[:, min(1, profile.shape[1] - 1)],
            profile[:, min(NEIGHBOUR, profile.shape[1]) - 1],
            energy,
            (cosines.max(axis=1) / TEMPERATURE) - _log_sum_exp(cosines / TEMPERATURE),
            *distances,
            (white**2).sum(axis=1) - nearest,
            energy * TEMPERATURE + sum(distances[1::2]),
        ]
        if len(self.bank):
            likeness = vectors @ self.bank.T
            tenth = min(NEIGHBOUR, likeness.shape[1])
            top = np.sort(np.partition(likeness, -tenth, axis=1)[:, -tenth:], axis=1)
            columns += [top[:, -1], top[:, 0]]
        if self.joint:
            columns.append(self.joint.typicality(self.joint.projected(vectors))[0])
        return np.stack(columns, axis=1).astype(np.float32)

    def arrays(self) -> Arrays:
        """What `restored` makes the same of; the bank in half precision."""
        made: Arrays = {"concepts": self.concepts, "bank": self.bank.astype(np.float16)}
        named = {str(number): gaussian for number, gaussian in enumerate(self.gaussians)}
        if self.joint:
            named["_joint"] = self.joint
        for name, gaussian in named.items():
            made[f"mean{name}"] = gaussian.mean
            made[f"directions{name}"] = gaussian.directions
            made[f"variances{name}"] = gaussian.variances
        return made

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> "Landmarks":
        """From `arrays`."""
        gaussians = {
            name.removeprefix("mean"): Gaussian(
                *(
                    arrays[name.replace("mean", part)]
                    for part in ("mean", "directions", "variances")
                )
            )
            for name in sorted(arrays)
            if name.startswith("mean")
        }
        joint = gaussians.pop("_joint", None)
        bank = arrays["bank"].astype(np.float32)
        return cls(tuple(gaussians.values()), arrays["concepts"], bank, joint)


def profiles(
    queries: Float32[np.ndarray, "Q D"],
    library: Float32[np.ndarray, "N D"],
    own: np.ndarray[Any, np.dtype[np.int64]] | None = None,
) -> Float32[np.ndarray, "Q P"]:
    """Each query's highest similarities to a library, descending; `own` rows are left out.

    Leaving a stored item out of its own profile makes it look like a fresh one.
    """
    width = min(PROFILE, len(library) - (0 if own is None else 1))
    found = []
    for start in range(0, len(queries), 512):
        rows = slice(start, start + 512)
        similar = queries[rows] @ library.T
        if own is not None:
            mine = own[rows]
            held = np.flatnonzero(mine >= 0)
            similar[held, mine[held]] = -np.inf
        top = np.partition(similar, -width, axis=1)[:, -width:]
        found.append(-np.sort(-top, axis=1))
    return np.concatenate(found).astype(np.float32)


def centres(
    vectors: Float32[np.ndarray, "B F"], count: int, seed: int, rounds: int = 8
) -> Float32[np.ndarray, "K F"]:
    """Cluster centres by Lloyd's k-means from random members; fewer where there are fewer."""
    rng = np.random.default_rng(seed)
    some = vectors[rng.permutation(len(vectors))[:4000]]
    found = some[:count].copy()
    for _ in range(rounds):
        nearest = (some @ found.T - 0.5 * (found**2).sum(axis=1)).argmax(axis=1)
        for row in range(len(found)):
            mine = some[nearest == row]
            if len(mine):
                found[row] = mine.mean(axis=0)
    return found


def _blocks(
    vectors: Float32[np.ndarray, "Q F"], widths: Sequence[int]
) -> list[Float32[np.ndarray, "Q _"]]:
    return np.split(vectors, np.cumsum(widths)[:-1], axis=1)


def _unit(vectors: Float32[np.ndarray, "K F"]) -> Float32[np.ndarray, "K F"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12))


def _log_sum_exp(values: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    highest = values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(values - highest).sum(axis=1)) + highest[:, 0])
