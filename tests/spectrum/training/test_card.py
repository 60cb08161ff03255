"""The model card: every figure in its place, and what is missing said."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spectrum.captioners import Caption, CaptionerIdentity
from spectrum.training.card import caption_samples, later_facts, model_card, settings
from spectrum.training.recipe import EmbeddedTraining

TRAINING = EmbeddedTraining()
HITS = {"text_to_image": [10.0, 20.0, 40.0], "image_to_text": [20.0, 40.0, 80.0]}
NAMES = {"hit": [1.0, 2.0, 3.0], "precision_5": 4.0, "precision_10": 5.0, "map": 6.0}


def facts() -> dict[str, Any]:
    names = {"n": 2, "images": 9, "photo_of": NAMES, "bare": NAMES}
    sets = ("imagenet_1k_sample", "caltech_half", "clothing/validation")
    return {
        "image_parameters": 6_000_000,
        "text_parameters": 7_000_000,
        "retained_variance": 0.75,
        "stages": {"sentence teacher": HITS, "cosine": 0.9876},
        "figures": {
            "flickr8k_dev": {"n": 7, **HITS, "text_to_image": [9.0, 18.0, 39.0]},
            **{f"{name}_names": names for name in sets},
        },
    }


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    identity = {
        "semantic_dimension": 432,
        "visual_dimension": 256,
        "token_grid": [7, 7, 256],
        "visual_weight": 0.8,
        "weights_hash": "abc",
    }
    (tmp_path / "identity.json").write_text(json.dumps(identity))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0, "b": 1}}}))
    (tmp_path / "image_tower.onnx").write_bytes(bytes(6_000))
    (tmp_path / "text_tower.onnx").write_bytes(bytes(7_000))
    return tmp_path


class StandIn:
    """Says how wide an image is."""

    identity = CaptionerIdentity(name="stand-in", weights_hash="0", licence="none")
    side_pixels = 1

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return image

    def caption(self, pixels: Sequence[np.ndarray], *, beam: int = 1) -> list[Caption]:
        return [Caption(text=f"{image.shape[1]} wide", confidence=0.5) for image in pixels]


def test_files_are_listed_with_their_sum(weights: Path) -> None:
    card = model_card(TRAINING, facts(), weights)
    assert "| image_tower.onnx | 6,000 | 6,000,000 |\n" in card
    assert "| tokenizer.json | " in card
    assert "| 2 pieces |\n" in card
    total = sum(path.stat().st_size for path in weights.iterdir())
    assert f"| all | {total:,} | 0.0 MB, within 30 MB |\n" in card
    (weights / "captioner.onnx").write_bytes(bytes(30_000_000))
    assert "**more than** 30 MB" in model_card(TRAINING, facts(), weights)


def test_stages_say_what_is_kept_of_the_teacher(weights: Path) -> None:
    card = model_card(TRAINING, facts(), weights)
    assert "| sentence teacher | 10.0 / 20.0 / 40.0 | 100.0 % |" in card
    assert "both blocks | 9.0 / 18.0 / 39.0 | 97.5 % | 20.0 / 40.0 / 80.0 | 100.0 % |\n" in card
    assert "captions: 0.988." in card
    assert "hold 75.0 % of the variance" in card


def test_what_is_not_measured_names_its_command(weights: Path) -> None:
    card = model_card(TRAINING, facts(), weights)
    absent = re.findall(r"^Not measured for these weights yet: `([^`]*)`", card, re.MULTILINE)
    assert [command.split()[2 if " -m " in command else 1] for command in absent] == [
        "spectrum.training.card",
        "spectrum.training.text_robustness",
        "spectrum.training.caption_training",
        "spectrum.training.ablations",
        "benchmarks/encoder_limits.py",
    ]
    assert "Do not use it to recognise people" in card


def test_later_measurements_are_told(weights: Path) -> None:
    line = {"what": "which side", "pictures": "ours", "n": 4, "right": [50.0, 25.0, 75.0]}
    row = {"bleu_4": 0.201, "cider": 0.45}
    later: dict[str, Any] = {
        "captioner": {
            "n": 11,
            "parameters": 3_000_000,
            "greedy": {**row, "captions_per_second": 41.7, "calibration_error": 0.02},
            "baselines": {"always 'a dog'": row},
        },
        "caption_samples": [("7.jpg", "a dog runs", 0.25)],
        "limits": {"weights_hash": "abc", "rows": [{**line, "chance": 50.0, "beside": ""}]},
        "text_robustness": {"captions": {"as written": {"tower cosine": 0.98765}}},
        "ablations": [
            {
                "variant": "w/o",
                "text_to_image": [1.0, 0.0, 2.0],
                "image_to_text": [3.0, 2.0, 4.0],
                "neighbours": 0.5,
            }
        ],
    }
    card = model_card(TRAINING, facts() | later, weights)
    assert "| greedy | 20.1 | 0.450 | 42 | 0.020 |\n" in card
    assert "| always 'a dog' | 20.1 | 0.450 |  |  |\n" in card
    assert "| 7.jpg | a dog runs | 0.25 |\n" in card
    assert "| which side | ours | 4 | 50.0 (25.0 to 75.0) | 50.0 |" in card
    assert "| as written | 0.988 |\n" in card
    assert "| w/o | 1.0 (0.0 to 2.0) |" in card
    assert card.count("Not measured for these weights yet") == 1
    later["limits"]["weights_hash"] = "other weights"
    assert "which side" not in model_card(TRAINING, facts() | later, weights)


def test_every_setting_has_a_line() -> None:
    told = list(settings(TRAINING))
    assert f"student.head.width = {TRAINING.student.head.width}" in told
    assert f"text.seed = {TRAINING.text.seed}" in told
    assert len(told) == len({line.split(" = ")[0] for line in told})


def test_facts_are_read_as_far_as_they_are_there(tmp_path: Path) -> None:
    assert later_facts(tmp_path) == {}
    (tmp_path / "limits.json").write_text('{"rows": []}')
    assert later_facts(tmp_path) == {"limits": {"rows": []}}


def test_twenty_photographs_are_drawn_by_the_seed(tmp_path: Path) -> None:
    folder = tmp_path / "data/coco_boxes/images"
    folder.mkdir(parents=True)
    for number in range(1, 31):
        Image.new("RGB", (number, 2)).save(folder / f"{number:02}.jpg")
    samples = caption_samples(StandIn(), tmp_path)
    assert len({name for name, _, _ in samples}) == 20
    assert all(text == f"{int(name[:2])} wide" for name, text, _ in samples)
    assert samples == caption_samples(StandIn(), tmp_path)
    assert samples != caption_samples(StandIn(), tmp_path, seed=1)
