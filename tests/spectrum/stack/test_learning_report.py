"""The page about a training says what the report holds, and loads nothing."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from spectrum.stack.learning.charts import chart
from spectrum.stack.learning.report import METRICS, READINGS, ROWS, report_page, write_report


class Page(HTMLParser):
    """Elements in order, their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def epoch(stage: int, number: int, training: float | None) -> dict[str, Any]:
    losses = {name: 2.0 - 0.1 * number for name in READINGS}
    return {
        "stage": stage, "epoch": number, "training_loss": training, "validation_loss": 1.5,
        "validation_losses": losses, "seconds": 10.0,
    }  # fmt: skip


@pytest.fixture
def report() -> dict[str, Any]:
    figure = {"value": 12.34, "low": 10.0, "high": 15.0}
    weights = {"encoder": 0.5, "castle": 0.1, "prism": 0.4}
    return {
        "encoder": {"name": "hf:./<mine>", "licence": "MIT & more"},
        "images": {"training": 5400, "validation": 600, "held_out": 667, "views": 2},
        "lexicon": {"words": 1234, "share": 0.4},
        "captions": {"per_image": 5, "reference": 4096},
        "epochs": [epoch(0, 0, None), epoch(1, 1, 3.0), epoch(1, 2, 2.5), epoch(3, 1, 2.0)],
        "kept": {
            "1": {"nexus": 2, "oracle": 0, "harmony": 1, "prompts": 2},
            "3": {"integrated": 1},
        },
        "held_out": {
            "images": 667,
            "captions": 3335,
            "rows": {name: dict.fromkeys(METRICS, figure) for name in ROWS},
            "layer_weights": {"text": weights, "image": weights},
        },
        "unreadable": ["pictures/<odd>.png: not an image"],
    }


def test_the_page_says_what_the_report_holds(report: dict[str, Any]) -> None:
    page = Page(report_page(report))
    for said in (
        "A SPECTRUM stack for hf:./<mine>",
        "5,400 images to learn from, 600 to decide when a stage ends, 667 held out; 5 captions",
        "3,335 captions among 667 images",
        "12.3 (10.0 to 15.0)",
        "as the stage found it: NEXUS 2, ORACLE 0, HARMONY 1, PRISM 2 of stage 1; 1 of stage 3. 40",
        "pictures/<odd>.png: not an image",
        "MIT & more",
        "vectors of 4,096 captions",
        *ROWS.values(),
        *READINGS.values(),
        "1: alone",
        "3: integrated",
    ):
        assert said in page.text, said
    # Integrated, modules alone, and the losses of the two stages that were run.
    assert [tag for tag, _ in page.tags].count("svg") == 4
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe"})
    assert all("href" not in given and "src" not in given for _, given in page.tags)


def test_the_files_are_whole_and_the_json_is_the_report(
    report: dict[str, Any], tmp_path: Path
) -> None:
    written = write_report(report, tmp_path / "a.report.html")
    assert written == [tmp_path / "a.report.html", tmp_path / "a.report.json"]
    assert json.loads(written[1].read_text()) == report
    assert written[0].read_text() == report_page(report)
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_lines_break_at_gaps_and_ends_are_where_they_belong() -> None:
    drawn = Page(chart("Loss", {"one": [4.0, None, 2.0, 3.0], "two": [None] * 4}, {"1": 2}))
    lines = [given["points"] for tag, given in drawn.tags if tag == "polyline"]
    # 520 x 280 with margins of 46: from left to right, and the greatest value on top.
    assert lines == ["46.0,46.0", "331.3,234.0 474.0,140.0"]
    (stage,) = [given for tag, given in drawn.tags if given.get("class") == "stage"]
    assert stage["x1"] == "331.3"
    assert "two" in drawn.text
    assert chart("Loss", {"one": [None, None]}, {}) == ""
