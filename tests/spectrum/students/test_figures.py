"""The report's measures against plain loops and worked numbers."""

import numpy as np
import pytest

from spectrum.encoders import EncodedImages
from spectrum.students.figures import (
    best_visual_weight,
    cosines,
    fidelity,
    images_per_second,
    interval,
    neighbour_overlap,
    ranking,
)
from tests.stand_ins import ColourEncoder


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_overlap_counts_shared_neighbours() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.normal(size=(13, 13)), random.normal(size=(13, 13))
    expected = []
    for row in range(13):
        nearest = []
        for scores in (ours, theirs):
            others = sorted((-scores[row, n], n) for n in range(13) if n != row)
            nearest.append({n for _, n in others[:3]})
        expected.append(len(nearest[0] & nearest[1]) / 3)
    assert neighbour_overlap(ours, theirs, 3).tolist() == pytest.approx(expected)
    assert neighbour_overlap(theirs, theirs).tolist() == [1.0] * 13


def test_few_pictures_have_few_neighbours() -> None:
    """With two there is one other, whatever a student makes of it."""
    assert neighbour_overlap(np.eye(2), -np.eye(2)).tolist() == [1.0, 1.0]


def test_the_interval_of_equal_values_is_a_point() -> None:
    assert interval(np.full(9, 0.25)) == {"value": 0.25, "low": 0.25, "high": 0.25}
    wide = interval(np.random.default_rng(0).normal(size=400))
    # 1.96 / sqrt(400) on each side
    assert wide["high"] - wide["low"] == pytest.approx(0.196, rel=0.1)


def test_cosines_are_of_rows() -> None:
    first, second = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[4.0, 3.0], [1.0, 0.0]])
    assert cosines(first, second).tolist() == [0.96, 0.0]


def test_the_visual_weight_is_the_one_that_ranks_like_the_teacher() -> None:
    random = np.random.default_rng(1)
    semantic, visual = unit(random.normal(size=(30, 5))), unit(random.normal(size=(30, 6)))
    student = EncodedImages(semantic=semantic, visual=visual, tokens=None)
    for weight in (0.0, 0.3, 1.0):
        theirs = ranking(semantic, visual, weight)
        assert best_visual_weight(student, theirs, otherwise=0.9) == pytest.approx(weight, abs=0.06)
    few = EncodedImages(semantic=semantic[:4], visual=visual[:4], tokens=None)
    assert best_visual_weight(few, ranking(*few[:2], 0.0), otherwise=0.9) == 0.9


def test_a_perfect_student_and_one_that_learned_nothing() -> None:
    random = np.random.default_rng(2)
    teacher = unit(random.normal(size=(25, 8)) + 3.0)
    mean = teacher.mean(axis=0)
    found = fidelity({"student": teacher, "linear": np.tile(mean, (25, 1))}, teacher, mean)
    assert found["cosine"]["student"]["value"] == pytest.approx(1.0, abs=1e-6)
    assert found["cosine"]["linear"] == pytest.approx(found["cosine"]["mean_vector"])
    assert found["centred_cosine"]["linear"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert found["overlap"]["student"]["value"] == 1.0
    assert found["overlap"]["chance"] == pytest.approx(10 / 24)
    assert found["cosine"]["student_minus_linear"]["low"] > 0


def test_speed_is_counted_in_pictures() -> None:
    encoder = ColourEncoder()
    images = [np.zeros((9, 9, 3), dtype=np.uint8)] * 70
    assert images_per_second(encoder, images) > 0
    assert encoder.batches == [32, 32, 32]
