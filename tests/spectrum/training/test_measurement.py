"""Choices and tables made from measured vectors, and stages that are not made twice."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spectrum.encoders import EncodedImages
from spectrum.training.embedded import kept
from spectrum.training.measurement import (
    WEIGHTS,
    best_visual_weight,
    pair_precisions,
    pair_scores,
    table,
    unit_mean,
)

LABELS = ["owl", "owl", "ant", "ant", "bee", "bee"]


def vectors(semantic: np.ndarray, visual: np.ndarray) -> EncodedImages:
    return EncodedImages(
        semantic=semantic.astype(np.float32), visual=visual.astype(np.float32), tokens=None
    )


def test_a_score_weighs_the_two_blocks() -> None:
    made = vectors(np.array([[1, 0], [0.6, 0.8]]), np.array([[1, 0], [0.8, 0.6]]))
    assert pair_scores(made, 0.0)[0, 0] == pytest.approx(0.6)
    assert pair_scores(made, 1.0)[0, 0] == pytest.approx(0.8)
    assert pair_scores(made, 0.36)[0, 0] == pytest.approx(0.8 * 0.6 + 0.6 * 0.8)


def test_the_weight_goes_to_the_block_that_knows() -> None:
    """One block tells the classes apart, the other says the opposite."""
    right = np.repeat(np.eye(3), 2, axis=0)
    wrong = np.roll(right, 1, axis=0)
    assert best_visual_weight([(vectors(right, wrong), LABELS)]) == WEIGHTS[0]
    assert best_visual_weight([(vectors(wrong, right), LABELS)]) > 0.5
    assert pair_precisions(vectors(wrong, right), LABELS)[-1] == 100.0


def test_the_mean_of_two_views_is_of_unit_length() -> None:
    first, second = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[::-1]
    np.testing.assert_allclose(unit_mean(first, np.ascontiguousarray(second)), 0.5**0.5)


def test_a_table_tells_every_figure() -> None:
    figures = {
        "dev": {"n": 7, "text_to_image": [1.0, 2.0, 3.0], "image_to_text": [4.0, 5.0, 6.0]},
        "birds_names": {
            "n": 2,
            "images": 9,
            "photo_of": {"hit": [10.0, 20.0, 30.0], "precision_10": 40.0, "map": 50.0},
            "bare": {"hit": [11.0, 21.0, 31.0], "precision_10": 41.0, "map": 51.0},
        },
        "birds_images": {"n": 5, "semantic": 60.0, "visual": 61.0, "both": 62.04},
    }
    made = table(figures)
    assert "| dev | 7 | 1.0 / 2.0 / 3.0 | 4.0 / 5.0 / 6.0 |\n" in made
    assert "| birds | 2, 9 | a photo of a NAME | 10.0 / 20.0 / 30.0 | 40.0 | 50.0 |\n" in made
    assert "| birds | 2, 9 | NAME | 11.0 / 21.0 / 31.0 | 41.0 | 51.0 |\n" in made
    assert "| birds | 5 | 60.0 | 61.0 | 62.0 |\n" in made


def test_a_stage_is_made_again_only_for_other_settings(tmp_path: Path) -> None:
    path = tmp_path / "stage.pt"
    runs = []

    def stage(settings: str, value: float) -> float:
        module = torch.nn.Linear(1, 1)

        def make() -> None:
            runs.append(settings)
            torch.nn.init.constant_(module.weight, value)

        kept(path, settings, module, make)
        return module.weight.item()

    assert stage("a", 1.0) == 1.0
    assert stage("a", 2.0) == 1.0
    assert stage("b", 2.0) == 2.0
    assert runs == ["a", "b"]
