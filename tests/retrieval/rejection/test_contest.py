"""Comparing detectors on a user's own sets, and the sets that cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import Library
from retrieval.rejection.calibration import CalibrationError
from retrieval.rejection.comparison import compared
from retrieval.rejection.contest import require_different
from retrieval.rejection.query_sets import read_queries
from tests.stand_ins import ColourEncoder


def test_an_unknown_set_that_is_the_known_one_is_refused() -> None:
    with pytest.raises(CalibrationError, match="bad.txt is identical to the known one"):
        require_different(["a", "b"], {"bad.txt": ["b", "a", "a"]})
    with pytest.raises(CalibrationError, match="the unknown set bad.txt is empty"):
        require_different(["a"], {"bad.txt": []})
    with pytest.raises(CalibrationError, match="the known set is empty"):
        require_different([], {"bad.txt": ["a"]})


def test_queries_are_read_from_captions_lines_and_folders(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("two dogs\n\n  a cat \n")
    assert read_queries(tmp_path / "lines.txt", None).queries == ["two dogs", "a cat"]
    row = {"image": "a.png", "captions": ["one", "two"]}
    (tmp_path / "captions.jsonl").write_text(json.dumps(row) + "\n")
    assert read_queries(tmp_path / "captions.jsonl", None).queries == ["one", "two"]
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "b.png")
    assert read_queries(tmp_path / "images", None) == (
        "image",
        [str(tmp_path / "images" / "b.png")],
    )
    with pytest.raises(CalibrationError, match="cannot be read as queries"):
        read_queries(tmp_path / "nothing.txt", None)


def test_texts_and_images_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("two dogs\n")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "b.png")
    with (
        Library.open(tmp_path / "l.library", encoder=ColourEncoder()) as library,
        pytest.raises(CalibrationError, match="all be texts, or all be images"),
    ):
        compared(library, tmp_path / "lines.txt", [tmp_path / "images"])


def test_image_detectors_are_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder, count, low, high in (
        ("library", 120, 0, 90),
        ("known", 30, 0, 90),
        ("far", 30, 200, 255),
    ):
        (tmp_path / folder).mkdir()
        for number in range(count):
            pixels = rng.integers(low, high, size=(2, 2, 3), dtype=np.uint8)
            pixels[..., 2] = rng.integers(0, 255) if folder == "far" else 10
            image = Image.fromarray(pixels).resize((16, 16), Image.Resampling.NEAREST)
            image.save(tmp_path / folder / f"{number}.png")
    with Library.open(tmp_path / "l.library", encoder=ColourEncoder()) as library:
        library.index(tmp_path / "library")
        found = compared(
            library,
            tmp_path / "known",
            [tmp_path / "far"],
            names=("max-cosine", "block-distances"),
        )
    assert [one.detector for one in found] == ["max-cosine", "block-distances"]
    (separation,) = found[1].separations
    assert separation.auroc > 0.95
    assert 0.0 <= found[1].false_rejects < 0.3
