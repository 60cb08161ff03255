"""The best linear map from features onto the teacher's vectors, in closed form."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

PENALTIES = tuple(10.0**power for power in np.arange(-4.0, 3.5, 0.5))
"""Candidates for the ridge, as multiples of the inputs' mean variance times their number."""

FOLDS = 5

CHUNK = 4096
"""Rows that are widened to float64 at once."""


class LinearMap(NamedTuple):
    """x -> weight x + bias."""

    weight: Float[np.ndarray, "S W"]
    bias: Float[np.ndarray, " S"]
    penalty: float
    """The multiple of `PENALTIES` that was chosen."""


def best_ridge(
    inputs: Float[np.ndarray, "N W"],
    targets: Float[np.ndarray, "N S"],
    unseen_inputs: Float[np.ndarray, "M W"],
    unseen_targets: Float[np.ndarray, "M S"],
) -> LinearMap:
    r"""Ridge regression with the penalty whose predictions lie closest to unseen targets.

        W = argmin sum_n || y_n - m_y - W (x_n - m_x) ||^2 + p ||W||^2,   m the means,
        p = multiple * N v,   v the mean variance of an input

    By one eigendecomposition for all penalties: of the covariance W x W, or where there are fewer
    items than inputs of the items' products N x N, which gives the same map (Hoerl and Kennard,
    Technometrics 1970; the dual form: Saunders et al., ICML 1998). Closest by mean cosine.
    """
    mean_x = inputs.mean(axis=0, dtype=np.float64)
    mean_y = targets.mean(axis=0, dtype=np.float64)
    centred_y = targets - mean_y
    count, width = inputs.shape
    dual = count < width
    if dual:
        centred = inputs - mean_x
        values, vectors = np.linalg.eigh(centred @ centred.T)
        basis, projected = centred.T @ vectors, vectors.T @ centred_y
    else:
        values, vectors = np.linalg.eigh(_products(inputs, inputs, mean_x, mean_x))
        basis, projected = vectors, vectors.T @ _products(inputs, targets, mean_x, mean_y)
    values = values.clip(min=0.0)
    unseen = (unseen_inputs - mean_x) @ basis
    scale = max(float(values.sum()) / width, 1e-12)
    best, chosen = -np.inf, PENALTIES[0]
    for penalty in PENALTIES:
        made = mean_y + (unseen / (values + penalty * scale)) @ projected
        cosine = float(_cosines(made, unseen_targets).mean())
        if cosine > best:
            best, chosen = cosine, penalty
    weight = ((basis / (values + chosen * scale)) @ projected).T
    return LinearMap(weight, mean_y - weight @ mean_x, chosen)


def predictions_out_of_fold(
    inputs: Float[np.ndarray, "V N W"],
    targets: Float[np.ndarray, "N S"],
    multiple: float,
    folds: int = FOLDS,
) -> Float[np.ndarray, "V N S"]:
    """What ridge regression says of each item when it was fitted to the other folds only.

    All views of an item are in one fold; item n is in fold n mod `folds`. What is trained on top of
    the map has to see such errors as it makes on new items, not those on its own.
    """
    views, count, width = inputs.shape
    made = np.empty((views, count, targets.shape[1]))
    for fold in range(folds):
        inside = np.arange(count) % folds == fold
        others = inputs[:, ~inside].reshape(-1, width)
        linear = _ridge(others, np.tile(targets[~inside], (views, 1)), multiple)
        made[:, inside] = inputs[:, inside] @ linear.weight.T + linear.bias
    return made


def _ridge(
    inputs: Float[np.ndarray, "N W"], targets: Float[np.ndarray, "N S"], multiple: float
) -> LinearMap:
    """The map of `best_ridge` for one penalty."""
    mean_x = inputs.mean(axis=0, dtype=np.float64)
    mean_y = targets.mean(axis=0, dtype=np.float64)
    count, width = inputs.shape
    if count < width:
        centred = inputs - mean_x
        products = centred @ centred.T
        weight = (centred.T @ _solved(products, targets - mean_y, multiple, width)).T
    else:
        products = _products(inputs, inputs, mean_x, mean_x)
        shared = _products(inputs, targets, mean_x, mean_y)
        weight = _solved(products, shared, multiple, width).T
    return LinearMap(weight, mean_y - weight @ mean_x, multiple)


def _solved(
    products: Float[np.ndarray, "A A"], right: Float[np.ndarray, "A S"], multiple: float, width: int
) -> Float[np.ndarray, "A S"]:
    from scipy.linalg import solve

    penalty = multiple * max(float(np.trace(products)) / width, 1e-12)
    return np.asarray(solve(products + penalty * np.eye(len(products)), right, assume_a="pos"))


def _products(
    first: Float[np.ndarray, "N A"],
    second: Float[np.ndarray, "N C"],
    first_mean: Float[np.ndarray, " A"],
    second_mean: Float[np.ndarray, " C"],
) -> Float[np.ndarray, "A C"]:
    total = np.zeros((first.shape[1], second.shape[1]))
    for start in range(0, len(first), CHUNK):
        rows = slice(start, start + CHUNK)
        total += (first[rows] - first_mean).T @ (second[rows] - second_mean)
    return total


def _cosines(
    made: Float[np.ndarray, "N S"], right: Float[np.ndarray, "N S"]
) -> Float[np.ndarray, " N"]:
    lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((made * right).sum(axis=1) / np.maximum(lengths, 1e-12))
