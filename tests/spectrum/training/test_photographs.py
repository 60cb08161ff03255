"""Reading photographs: splits, classes, and views that are always the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spectrum.training.photographs import VIEWS, captioned, classified, seen


@pytest.fixture
def striped(tmp_path: Path) -> Path:
    """A photograph that is black on its left half and white on its right."""
    pixels = np.zeros((60, 80, 3), dtype=np.uint8)
    pixels[:, 40:] = 255
    path = tmp_path / "striped.png"
    Image.fromarray(pixels).save(path)
    return path


def test_captions_of_one_split(tmp_path: Path) -> None:
    rows = [
        {"image": "a.jpg", "split": "train", "captions": ["one", "two"]},
        {"image": "b.jpg", "split": "dev", "captions": ["three"]},
        {"image": "c.jpg", "split": "dev", "objects": []},
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "captions.jsonl").write_text(lines, encoding="utf-8")
    found = captioned(tmp_path, "dev")
    assert [(photo.path, photo.captions) for photo in found] == [(tmp_path / "b.jpg", ("three",))]
    assert len(captioned(tmp_path)) == 2


def test_classes_are_folders(tmp_path: Path) -> None:
    for name in ("owl/2.jpg", "owl/1.jpg", "ant/1.png", "ant/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = classified(tmp_path)
    assert [(photo.label, photo.path.name) for photo in found] == [
        ("ant", "1.png"),
        ("owl", "1.jpg"),
        ("owl", "2.jpg"),
    ]


def test_the_flipped_view_is_the_mirror_image(striped: Path) -> None:
    whole = seen(striped, "whole")
    np.testing.assert_array_equal(seen(striped, "whole_flipped"), whole[:, ::-1])
    assert (whole[:, :100] == 0).all()
    assert (whole[:, 130:] == 255).all()


def test_the_wide_view_is_the_whole_frame_stretched(striped: Path) -> None:
    wide = seen(striped, "wide")
    assert wide.shape == (192, 256, 3)
    assert (wide[:, :120] == 0).all()
    assert (wide[:, 136:] == 255).all()


def test_a_view_is_the_same_every_time_and_no_two_are_alike(striped: Path) -> None:
    made = {view: seen(striped, view) for view in VIEWS}
    for view in VIEWS:
        assert made[view].shape == ((192, 256, 3) if view == "wide" else (224, 224, 3))
        np.testing.assert_array_equal(seen(striped, view), made[view])
    assert (made["crop_1"] != made["crop_2"]).any()


def test_a_crop_is_drawn_from_the_name_and_not_from_the_place(
    striped: Path, tmp_path: Path
) -> None:
    """A copy in another folder gives the same crop; under another name it gives another."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in (striped.name, "other.png"):
        (elsewhere / name).write_bytes(striped.read_bytes())
    crop = seen(striped, "crop_1")
    np.testing.assert_array_equal(seen(elsewhere / striped.name, "crop_1"), crop)
    assert (seen(elsewhere / "other.png", "crop_1") != crop).any()
