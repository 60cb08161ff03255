"""Ridge regression against its definition, and what is claimed of folds."""

import numpy as np
import pytest

from spectrum.students.ridge import best_ridge, predictions_out_of_fold


def loops(
    inputs: np.ndarray, targets: np.ndarray, multiple: float
) -> tuple[np.ndarray, np.ndarray]:
    """W and bias by the normal equations, summed in loops over items."""
    count, width = inputs.shape
    mean_x = [sum(row[i] for row in inputs) / count for i in range(width)]
    mean_y = [sum(row[i] for row in targets) / count for i in range(targets.shape[1])]
    products = np.zeros((width, width))
    shared = np.zeros((width, targets.shape[1]))
    for x, y in zip(inputs, targets, strict=True):
        for i in range(width):
            for j in range(width):
                products[i, j] += (x[i] - mean_x[i]) * (x[j] - mean_x[j])
            for j in range(targets.shape[1]):
                shared[i, j] += (x[i] - mean_x[i]) * (y[j] - mean_y[j])
    variance = sum(products[i, i] for i in range(width)) / count / width
    weight = np.linalg.solve(products + multiple * count * variance * np.eye(width), shared).T
    return weight, np.array(mean_y) - weight @ np.array(mean_x)


@pytest.mark.parametrize(("count", "width"), [(17, 5), (7, 13)])
def test_it_is_the_normal_equations_whichever_way_is_shorter(count: int, width: int) -> None:
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(count, width)), random.normal(size=(count, 3))
    unseen, unseen_targets = random.normal(size=(11, width)), random.normal(size=(11, 3))
    found = best_ridge(inputs, targets, unseen, unseen_targets)
    weight, bias = loops(inputs, targets, found.penalty)
    np.testing.assert_allclose(found.weight, weight, atol=1e-9)
    np.testing.assert_allclose(found.bias, bias, atol=1e-9)


def test_the_penalty_follows_the_noise() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=(4, 30))
    inputs, unseen = random.normal(size=(60, 30)), random.normal(size=(200, 30))
    clean = best_ridge(inputs, inputs @ truth.T, unseen, unseen @ truth.T)
    noisy_targets = inputs @ truth.T + random.normal(scale=20.0, size=(60, 4))
    noisy = best_ridge(inputs, noisy_targets, unseen, unseen @ truth.T)
    assert clean.penalty < noisy.penalty
    np.testing.assert_allclose(clean.weight, truth, atol=0.05)


def test_a_target_never_takes_part_in_its_own_prediction() -> None:
    random = np.random.default_rng(2)
    inputs, targets = random.normal(size=(2, 20, 6)), random.normal(size=(20, 3))
    before = predictions_out_of_fold(inputs, targets, 0.1)
    targets[7] += 100.0
    after = predictions_out_of_fold(inputs, targets, 0.1)
    fold = np.arange(20) % 5 == 7 % 5
    np.testing.assert_array_equal(before[:, fold], after[:, fold])
    assert (np.abs(after - before)[:, ~fold].max(axis=2) > 0.1).all()


def test_constant_inputs_give_the_mean() -> None:
    inputs, targets = np.ones((6, 4)), np.arange(12.0).reshape(6, 2)
    found = best_ridge(inputs, targets, np.ones((2, 4)), targets[:2])
    np.testing.assert_allclose(inputs @ found.weight.T + found.bias, [[5.0, 6.0]] * 6, atol=1e-9)
