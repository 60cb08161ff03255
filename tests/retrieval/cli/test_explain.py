"""`spectrum search --explain`: the table on a narrow terminal, and what programs read."""

import csv
import io
import json
from pathlib import Path

import pytest

from retrieval.answer import Neighbour, Why
from retrieval.cli.output import why_lines
from tests.retrieval.cli.conftest import Spectrum
from tests.retrieval.test_explanation import TEXT_WEIGHTS, TellingRefiner
from tests.stories.test_faults import draw


@pytest.fixture
def photos(spectrum: Spectrum, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Twelve pictures in a refined library."""
    monkeypatch.setattr(
        "spectrum.stack.loading.load_refiner",
        lambda encoder, budget: None if budget == "none" else TellingRefiner(neighbours=5),
    )
    draw(tmp_path / "photos", range(12))
    spectrum("index", tmp_path / "photos")
    return tmp_path / "photos"


WHY = Why(
    captions=("A dog runs.",),
    text_weights={"encoder": 0.5, "castle": 0.02, "harmony": 0.26, "prism": 0.22},
    image_weights={"encoder": 0.01, "castle": 0.986, "nexus": 0.004, "oracle": 0.0},
    neighbours=(
        Neighbour(image_id=4, path="/a/b.jpg", influence=0.25),
        Neighbour(image_id=2, path="", influence=0.0125),
        Neighbour(image_id=7, path="/a/c.jpg", influence=0.001),
        Neighbour(image_id=9, path="/a/d.jpg", influence=0.0005),
    ),
)


def test_what_is_told_of_a_hit() -> None:
    moved = [
        ("moved 0.2500", "/a/b.jpg"),
        ("moved 0.0125", "picture 2, whose file is missing"),
        ("moved 0.0010", "/a/c.jpg"),
    ]
    words = ("by words", "encoder 50, harmony 26, prism 22, castle 2 %")
    image = ("by image", "castle 99, encoder 1 %")
    caption = ("caption", "A dog runs.")
    assert why_lines(WHY, {"text"}, refined=True) == [caption, words, *moved]
    assert why_lines(WHY, {"image"}, refined=True) == [caption, image, *moved]
    assert why_lines(WHY, {"image", "text"}, refined=True) == [caption, words, image, *moved]


def test_a_hit_that_waits_is_told_apart_from_a_library_that_is_not_refined() -> None:
    assert why_lines(Why(), {"text"}, refined=False) == []
    assert why_lines(Why(), {"text"}, refined=True) == [
        ("not refined yet:", "see 'spectrum index'")
    ]


def test_a_table_tells_it_below_each_hit(spectrum: Spectrum, photos: Path) -> None:
    run = spectrum("search", "red", "-t", 2, "--explain")
    assert run.code == 0
    lines = [line.strip() for line in run.out.splitlines()]
    assert lines.count("by words     encoder 75, castle 25 %") == 2
    assert not any(line.startswith("by image") for line in lines)
    moved = [line for line in lines if line.startswith("moved ")]
    assert 2 <= len(moved) <= 6
    assert all(line.endswith(".png") and str(photos) in line for line in moved)
    both = spectrum("search", "red", photos / "003.png", "-t", 1, "--explain").out
    assert "by words" in both
    assert "by image     castle 90, encoder 10 %" in both
    assert "moved" not in spectrum("search", "red", "-t", 2).out


def test_a_narrow_terminal_is_not_overrun(
    spectrum: Spectrum, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    out = spectrum("search", "red", "-t", 2, "--explain").out
    assert "castle 25 %" in out
    assert max(map(len, out.splitlines())) <= 80


def test_programs_read_all_of_it(spectrum: Spectrum, photos: Path) -> None:
    said = json.loads(spectrum("search", "red", "-t", 2, "--explain", "--format", "json").out)
    assert said["unexplained"] == ""
    rows = said["hits"]
    for row in rows:
        assert row["why"]["text_weights"] == TEXT_WEIGHTS
        assert row["why"]["captions"] == []
        assert {"image_id", "path", "influence"} == set(row["why"]["neighbours"][0])
    lines = spectrum("search", "red", "-t", 2, "--explain", "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = spectrum("search", "red", "-t", 2, "--explain", "--format", "csv").out
    assert [json.loads(row["why"]) for row in csv.DictReader(io.StringIO(table))] == [
        row["why"] for row in rows
    ]
    plain = json.loads(spectrum("search", "red", "-t", 2, "--format", "json").out)
    assert "unexplained" not in plain
    assert all("why" not in row for row in plain["hits"])


def test_an_unrefined_library_says_so_in_one_line(
    spectrum: Spectrum, photos: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.library"
    spectrum("index", photos, "--library", plain, "--budget", "none")
    run = spectrum("search", "red", "--library", plain, "-t", 2, "--explain")
    told = [line for line in run.err.splitlines() if line.startswith("explained no further")]
    assert told == [
        "explained no further: this library is not refined, and ranks by the encoder's own vectors:"
        " see 'spectrum refine'"
    ]
    assert len(run.out.splitlines()) == 3
