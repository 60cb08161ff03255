"""Choices and tables made from measured vectors, and stages that are not made twice."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spectrum.encoders import EncodedImages
from spectrum.training.image_stages import kept
from spectrum.training.measurement import (
    WEIGHTS,
    best_visual_weight,
    feature_figures,
    image_figures,
    pair_precisions,
    pair_scores,
    unit_mean,
)
from spectrum.training.measurement_tables import (
    caption_floor_table,
    floor_table,
    limits_table,
    table,
    teacher_table,
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
        "dev": {
            "n": 7,
            "text_to_image": [1.0, 2.0, 3.0],
            "text_to_image_interval": [[0.5, 1.5], [1.0, 3.0], [2.0, 4.0]],
            "image_to_text": [4.0, 5.0, 6.0],
        },
        "birds_names": {
            "n": 2,
            "images": 9,
            "photo_of": {"hit": [10.0, 20.0, 30.0], "precision_10": 40.0, "map": 50.0},
            "bare": {
                "hit": [11.0, 21.0, 31.0],
                "precision_5": 45.0,
                "precision_5_interval": [1.0, 2.0],
                "precision_10": 41.0,
                "map": 51.0,
            },
        },
        "birds_images": {
            "n": 5,
            "semantic": 60.0,
            "visual": 61.0,
            "both": 62.04,
            "leave_one_out": {
                "n": 10,
                "semantic": [1.0, 0.0, 2.0],
                "visual": [3.0, 2.0, 4.0],
                "both": [5.0, 4.0, 6.0],
            },
        },
    }
    made = table(figures)
    assert "| dev | 7 | text to image | 1.0 (0.5 to 1.5) | 2.0 (1.0 to 3.0) | 3.0" in made
    assert "| dev | 7 | image to text | 4.0 | 5.0 | 6.0 |\n" in made
    assert "| a photo of a NAME | 10.0 | 20.0 | 30.0 | - | 40.0 | 50.0 |\n" in made
    assert "| birds | 2, 9 | NAME | 11.0 | 21.0 | 31.0 | 45.0 (1.0 to 2.0) | 41.0 | 51.0 |" in made
    assert "| birds | odd ask for even | 5 | 60.0 | 61.0 | 62.0 |\n" in made
    others = "1.0 (0.0 to 2.0) | 3.0 (2.0 to 4.0) | 5.0 (4.0 to 6.0) |\n"
    assert f"| birds | each asks for all others | 10 | {others}" in made


def test_images_are_asked_in_two_ways() -> None:
    """All photographs lie where their class does, but for one owl among the ants.

    That owl finds two ants before the other owl; each ant finds the owl, whose number is lower,
    before the other ant. Of the odd photographs only the owl is led astray: in the even half its
    own kind comes second, behind the ant.
    """
    places = np.repeat(np.eye(3), 2, axis=0)
    places[1] = places[2]
    found = image_figures(vectors(np.repeat(np.eye(3), 2, axis=0), places), LABELS, 0.0)
    assert (found["n"], found["leave_one_out"]["n"]) == (3, 6)
    assert found["semantic"] == found["both"] == 100.0
    assert found["visual"] == pytest.approx(100.0 * (1 / 2 + 1 + 1) / 3)
    assert found["visual_interval"] == pytest.approx([50.0, 100.0])
    alone = 100.0 * (1 + 1 / 3 + 1 / 2 + 1 / 2 + 1 + 1) / 6
    assert found["leave_one_out"]["visual"][0] == pytest.approx(alone)


def test_spaces_are_compared_query_by_query() -> None:
    """A constant beside the features hides the classes from the raw cosine only."""
    right = np.repeat(np.eye(3), 2, axis=0)
    wrong = np.roll(right, 1, axis=0)
    found = feature_figures({"ours": right, "hidden": right + 1e6, "wrong": wrong}, LABELS, "ours")
    assert found["ours"] == {"raw": [100.0] * 3, "centred": [100.0] * 3}
    assert found["hidden"]["centred"] == [100.0] * 3
    assert found["hidden"]["ahead"] == [0.0] * 3
    value, low, high = found["wrong"]["ahead"]
    assert 0.0 < low <= value <= high < 100.0


def test_other_tables_tell_every_figure() -> None:
    rows = {"ours": {"raw": [3.0, 2.0, 4.0], "centred": [4.0, 3.0, 5.0]}}
    rows["one"] = {**rows["ours"], "ahead": [-1.0, -2.0, 0.0]}
    made = teacher_table({"birds": {"n": 9, "rows": rows}})
    cells = "3.0 (2.0 to 4.0) | 4.0 (3.0 to 5.0)"
    assert f"| birds | 9 | ours | {cells} |  |\n" in made
    assert f"| birds | 9 | one | {cells} | -1.0 (-2.0 to 0.0) |\n" in made
    line = {"what": "who", "pictures": "ours", "n": 4, "right": [50.0, 0.0, 100.0]}
    told = limits_table({"rows": [{**line, "chance": 25.0, "beside": "cats"}]})
    assert told.endswith("| who | ours | 4 | 50.0 (0.0 to 100.0) | 25.0 | cats |\n")


def test_a_floor_that_is_missed_is_marked() -> None:
    reached = {"hit": [60.0, 70.0, 85.0], "precision_5": 52.0}
    missed = {"hit": [54.9, 70.0, 84.0], "precision_5": 51.0, "precision_5_interval": [40.0, 60.0]}
    names = ("imagenet_1k_sample", "caltech_half", "clothing/validation")
    made = floor_table({f"{name}_names": {"photo_of": reached, "bare": missed} for name in names})
    assert "| imagenet_1k_sample | hit@10 | 85 | 85.0 | 84.0 - **missed** |\n" in made
    assert "| caltech_half | precision@5 | 52 | 52.0 | 51.0 (40.0 to 60.0) - **missed** |" in made
    assert "| clothing/validation | hit@1 | 60 | 60.0 | 54.9 - **missed** |\n" in made


def test_floors_of_captions_too() -> None:
    row = {"text_to_image": [27.0, 55.9, 71.0], "image_to_text": [33.0, 62.0, 74.0]}
    made = caption_floor_table({"flickr8k_dev": row})
    assert "| text to image | 27 / 56 / 70 | 27.0 | 55.9 - **missed** | 71.0 |\n" in made
    assert "| image to text | 33 / 62 / 74 | 33.0 | 62.0 | 74.0 |\n" in made


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
