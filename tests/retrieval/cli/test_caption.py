"""`spectrum caption`: streams, formats, folders, files that are no pictures."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrum.captioners import Caption, CaptionerIdentity
from tests.retrieval.cli.conftest import Spectrum
from tests.stand_ins import COLOURS


class ColourCaptioner:
    """Says a picture's colour. The confidence is 1 / (1 + beam)."""

    side_pixels = 8
    identity = CaptionerIdentity(name="colours", weights_hash="0" * 32, licence="Apache-2.0")

    def __init__(self) -> None:
        self.batches: list[int] = []

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return image[:1, :1].astype(np.float32)

    def caption(self, pixels: Sequence[np.ndarray], *, beam: int = 1) -> list[Caption]:
        self.batches.append(len(pixels))
        names = {colour: name for name, colour in COLOURS.items()}
        return [
            Caption(
                text=f"A [bold] {names[tuple(map(int, one[0, 0]))]} wall.",
                confidence=1 / (1 + beam),
            )
            for one in pixels
        ]


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> ColourCaptioner:
    made = ColourCaptioner()
    monkeypatch.setattr("spectrum.captioners.load_captioner", lambda name: made)
    return made


@pytest.mark.usefixtures("colours")
def test_formats_agree(spectrum: Spectrum, pictures: Path) -> None:
    files = [pictures / "red.png", pictures / "blue.png"]
    run = spectrum("caption", *files, "--format", "json")
    assert (run.code, run.err) == (0, "")
    rows = json.loads(run.out)
    assert rows == [
        {"path": str(files[0]), "caption": "A [bold] red wall.", "confidence": 0.25},
        {"path": str(files[1]), "caption": "A [bold] blue wall.", "confidence": 0.25},
    ]
    lines = spectrum("caption", *files, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = list(csv.DictReader(io.StringIO(spectrum("caption", *files, "--format=csv").out)))
    assert table == [{**row, "confidence": "0.25"} for row in rows]
    shown = spectrum("caption", *files).out
    assert all(row["caption"] in shown and "0.250" in shown for row in rows)


@pytest.mark.usefixtures("colours")
def test_the_beam_is_chosen(
    spectrum: Spectrum, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confidence(*arguments: object) -> Any:
        out = spectrum("caption", pictures / "red.png", *arguments, "--format", "json").out
        return json.loads(out)[0]["confidence"]

    assert confidence("--beam", 1) == 0.5
    monkeypatch.setenv("SPECTRUM_BEAM", "4")
    assert confidence() == 0.2


def test_folders_are_walked(
    spectrum: Spectrum, pictures: Path, colours: ColourCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.cli.caption.BATCH", 2)
    (pictures / "notes.txt").write_text("no picture, and its name says so")
    run = spectrum("caption", pictures, pictures / "red.png", "--format", "jsonl")
    assert run.code == 0
    paths = [Path(json.loads(line)["path"]).name for line in run.out.splitlines()]
    assert paths == sorted(f"{name}.png" for name in COLOURS), "in order, and none twice"
    assert colours.batches == [2, 2, 1]


@pytest.mark.usefixtures("colours")
def test_files_that_are_no_pictures_are_told_of_and_stop_nothing(
    spectrum: Spectrum, pictures: Path
) -> None:
    (pictures / "text.jpg").write_text("hello")
    files = [pictures / "red.png", pictures / "text.jpg", "never.png", pictures / "blue.png"]
    run = spectrum("caption", *files, "--format", "jsonl")
    assert run.code == 3
    assert [json.loads(line)["caption"] for line in run.out.splitlines()] == [
        "A [bold] red wall.",
        "A [bold] blue wall.",
    ]
    first, second = run.err.splitlines()
    assert first == "never.png: no such file"
    assert second.startswith(f"{pictures}/text.jpg: not an image")


@pytest.mark.usefixtures("colours")
def test_only_bad_files(spectrum: Spectrum, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    run = spectrum("caption", tmp_path / "empty.png")
    assert (run.code, run.out) == (3, "")
    assert run.err == f"{tmp_path}/empty.png: empty: the file has 0 bytes\n"
    run = spectrum("caption", tmp_path / "empty.png", "--format", "json")
    assert (run.code, json.loads(run.out)) == (3, [])


@pytest.mark.usefixtures("colours")
def test_an_empty_folder_says_so(spectrum: Spectrum, tmp_path: Path) -> None:
    run = spectrum("caption", tmp_path)
    assert (run.code, run.out) == (0, "")
    assert run.err.startswith("no image was found there")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["caption"], 2, "Missing argument 'IMAGE...'"),
        (["caption", "x.png", "--beam", "0"], 2, "greater than or equal to 1"),
        (["caption", "x.png", "--format", "paths"], 2, "a list of paths holds no caption"),
        (["caption", "x.png", "--captioner", "blip"], 5, "unknown captioner 'blip'"),
        (["caption", "x.png", "--captioner", "embedded:/never"], 5, "captioner.json: No such"),
    ],
)
def test_errors_are_one_line(
    spectrum: Spectrum, arguments: list[str], code: int, message: str
) -> None:
    run = spectrum(*arguments)
    assert (run.code, run.out) == (code, "")
    assert run.err.startswith("spectrum: ")
    assert run.err.count("\n") == 1
    assert message in run.err


def test_the_shipped_captioner_describes_a_picture(spectrum: Spectrum, pictures: Path) -> None:
    run = spectrum("caption", pictures / "red.png", "--beam", 1, "--format", "json")
    assert (run.code, run.err) == (0, "")
    (row,) = json.loads(run.out)
    assert row["caption"].endswith(".")
    assert 0.0 < row["confidence"] <= 1.0
