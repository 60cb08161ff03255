"""Single scores against loops, and stored pictures that look like fresh ones."""

import math

import numpy as np
import pytest

from retrieval.rejection.distances import (
    JOINT,
    JOINT_SHRINKAGE,
    SHRINKAGE,
    Gaussian,
    Landmarks,
    left_out_distance,
    profiles,
)


@pytest.fixture
def bank() -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 7)) @ rng.normal(size=(7, 7))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_mahalanobis_is_the_quadratic_form(bank: np.ndarray) -> None:
    """(x - m)' C^-1 (x - m) with C's eigenvalues shrunk towards their mean."""
    gaussian = Gaussian.of(bank)
    rows = bank.astype(np.float64)
    mean = rows.mean(axis=0)
    covariance = sum(np.outer(row - mean, row - mean) for row in rows) / len(rows)
    mixed = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / 7 * np.eye(7)
    inverse = np.linalg.inv(mixed)
    said, _ = gaussian.typicality(gaussian.projected(bank[:5]))
    for row, distance in zip(rows[:5], said, strict=True):
        expected = math.sqrt(float((row - mean) @ inverse @ (row - mean)))
        assert -distance == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shrinkage", [SHRINKAGE, JOINT_SHRINKAGE, 0.3])
def test_the_distance_of_a_left_out_one_is_that_of_a_bank_without_it(shrinkage: float) -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 7)).astype(np.float32)
    whole = Gaussian.of(rows, shrinkage)
    inside, _ = whole.typicality(whole.projected(rows[:20]))
    said = left_out_distance(-inside, 400, shrinkage)
    for row, distance in enumerate(said):
        without = Gaussian.of(np.delete(rows, row, axis=0), shrinkage)
        fresh, _ = without.typicality(without.projected(rows[row : row + 1]))
        assert distance == pytest.approx(-fresh[0], rel=1e-3)
    assert (said > -inside).all()


def test_the_joint_distance_is_that_of_all_blocks_together(bank: np.ndarray) -> None:
    landmarks = Landmarks.of(bank, [3, 4], keep=False, joint=True)
    rows = bank.astype(np.float64)
    mean, covariance = rows.mean(axis=0), np.cov(rows.T, bias=True)
    mixed = (1 - JOINT_SHRINKAGE) * covariance
    mixed += JOINT_SHRINKAGE * np.trace(covariance) / 7 * np.eye(7)
    evidence = landmarks.evidence(bank, profiles(bank, bank))
    found = evidence[:, landmarks.columns.index(JOINT)]
    for row, distance in zip(rows, found, strict=True):
        expected = math.sqrt(float((row - mean) @ np.linalg.inv(mixed) @ (row - mean)))
        assert -distance == pytest.approx(expected, rel=1e-3)


def test_profiles_are_sorted_and_leave_a_picture_out_of_its_own(bank: np.ndarray) -> None:
    found = profiles(bank, bank, np.arange(60))
    for row in range(60):
        expected = sorted((float(bank[row] @ bank[i]) for i in range(60) if i != row), reverse=True)
        assert found[row].tolist() == pytest.approx(expected[: found.shape[1]], abs=1e-5)
    with_itself = profiles(bank[:3], bank, np.array([0, -1, 2]))
    assert with_itself[1, 0] == pytest.approx(1.0, abs=1e-5)
    assert with_itself[0, 0] < 0.9999


def test_evidence_has_a_column_for_each_name_and_survives_a_file(bank: np.ndarray) -> None:
    for widths, keep, joint in (([7], True, True), ([3, 4], False, False), ([3, 4], False, True)):
        landmarks = Landmarks.of(bank, widths, keep=keep, joint=joint)
        assert (JOINT in landmarks.columns) == (joint and len(widths) > 1)
        profile = profiles(bank[:9], bank)
        evidence = landmarks.evidence(bank[:9], profile)
        assert evidence.shape == (9, len(landmarks.columns))
        again = Landmarks.restored(landmarks.arrays())
        assert again.columns == landmarks.columns
        np.testing.assert_allclose(again.evidence(bank[:9], profile), evidence, atol=5e-3)


def test_what_is_far_is_less_known_in_every_typicality(bank: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    far = rng.normal(size=(40, 7)).astype(np.float32)
    far -= 3 * bank.mean(axis=0)
    far /= np.linalg.norm(far, axis=1, keepdims=True)
    landmarks = Landmarks.of(bank, [7], keep=True)
    near = landmarks.evidence(bank, profiles(bank, bank))
    off = landmarks.evidence(far, profiles(far, bank))
    for name in ("max cosine", "k-NN", "Mahalanobis", "nearest caption"):
        column = landmarks.columns.index(name)
        assert near[:, column].mean() > off[:, column].mean(), name
