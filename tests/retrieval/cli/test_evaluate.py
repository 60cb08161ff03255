"""`spectrum eval`: its files and formats, and one line for whatever is wrong with its input."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.retrieval.cli.conftest import Spectrum

Paint = Callable[..., Path]


@pytest.fixture
def captions(tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four pictures with captions; the library is the evaluation's own."""
    monkeypatch.delenv("SPECTRUM_LIBRARY")
    rows = []
    for colour in ("red", "green", "blue", "yellow"):
        paint(tmp_path / "d" / f"{colour}.png", colour)
        rows.append({"image": f"{colour}.png", "captions": [f"all {colour}", colour]})
    return captions_file(tmp_path / "d", rows)


def captions_file(folder: Path, rows: list[Any]) -> Path:
    path = folder / "captions.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


@pytest.fixture
def spectrum_eval(spectrum: Spectrum, captions: Path) -> Spectrum:
    return spectrum


class TestFiles:
    def test_page_run_and_comparison_of_one_evaluation(
        self, spectrum_eval: Spectrum, captions: Path, tmp_path: Path
    ) -> None:
        first = spectrum_eval("eval", captions, "--format", "json")
        (tmp_path / "first.json").write_text(first.out)
        page, run = tmp_path / "page.html", tmp_path / "now.trec"
        files = ("--report", page, "--run", run, "--against", tmp_path / "first.json")
        done = spectrum_eval("eval", captions, *files)
        assert done.code == 0
        assert page.read_text().startswith("<!doctype html>")
        assert f"page: {page}" in done.err.replace("\n", "")
        lines = (tmp_path / "now.text_to_image.trec").read_text().splitlines()
        assert len(lines) == 8 * 4
        assert lines[0].split()[:4] == ["red.png#1", "Q0", "red.png", "1"]
        assert (tmp_path / "now.text_to_image.qrels").read_text().splitlines()[0] == (
            "red.png#1 0 red.png 1"
        )
        assert len((tmp_path / "now.image_to_text.qrels").read_text().splitlines()) == 8
        head = done.out.splitlines()[0]
        for column in ("text_to_image, 8 queries", "baseline %", "before %", "difference", "p"):
            assert column in head
        assert "+0.0" in done.out

    def test_json_holds_the_baseline_and_the_comparison(
        self, spectrum_eval: Spectrum, captions: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run.json"
        run.write_text(spectrum_eval("eval", captions, "--format", "json").out)
        said = json.loads(spectrum_eval("eval", captions, "--format", "json", "--against", run).out)
        assert said["baseline"]["text_to_image"] == said["text_to_image"]
        assert said["text_to_image"]["ndcg@10"]["value"] == 1.0
        assert said["against"]["text_to_image"]["hit@1"]["p"] == 1.0
        assert said["against"]["run"] == str(run)

    def test_a_row_for_each_metric(self, spectrum_eval: Spectrum, captions: Path) -> None:
        rows = spectrum_eval("eval", captions, "--format", "csv").out.splitlines()
        assert rows[0] == "direction,metric,value,low,high,baseline,n_queries"
        assert rows[1] == "text_to_image,hit@1,1.0,1.0,1.0,1.0,8"
        assert len(rows) == 1 + 2 * 7
        lines = spectrum_eval("eval", captions, "--format", "jsonl").out.splitlines()
        assert json.loads(lines[-1])["metric"] == "ndcg@10"

    def test_what_cannot_be_written_is_said_before_measuring(
        self,
        spectrum_eval: Spectrum,
        captions: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        nowhere = tmp_path / "nowhere" / "page.html"
        for option in ("--report", "--run"):
            run = spectrum_eval("eval", captions, option, nowhere)
            assert run.code == 2
            assert "does not exist: make it" in " ".join(run.err.split())
            run = spectrum_eval("eval", captions, option, tmp_path)
            assert "is a folder: name a file" in " ".join(run.err.split())
        assert spectrum_eval("eval", captions, "--format", "paths").code == 2
        monkeypatch.setattr(
            "retrieval.evaluation.report.missing_packages", lambda: ("jinja2", "matplotlib")
        )
        run = spectrum_eval("eval", captions, "--report", tmp_path / "page.html")
        assert run.code == 2
        assert "spectrum-retrieval[report]" in run.err
        assert not (tmp_path / "cache").exists()


class TestBadInput:
    def test_missing_images_repeated_rows_and_copies_are_counted_and_said(
        self, spectrum_eval: Spectrum, captions: Path, paint: Paint
    ) -> None:
        rows: list[Any] = [json.loads(line) for line in captions.read_text().splitlines()]
        rows += [rows[0], {"image": "gone.png", "captions": ["gone"]}]
        rows += [{"image": "lost.png", "captions": ["lost"]}, {"image": "red.png"}]
        (captions.parent / "copy.png").write_bytes((captions.parent / "red.png").read_bytes())
        rows.append({"image": "copy.png", "captions": ["red"]})
        captions_file(captions.parent, rows)
        run = spectrum_eval("eval", captions, "--format", "json")
        assert run.code == 0
        said = json.loads(run.out)
        assert (said["n_images"], said["n_missing"]) == (4, 2)
        assert said["text_to_image"]["n_queries"] == 11
        assert said["text_to_image"]["hit@1"]["value"] == pytest.approx(9 / 11)
        notes = " | ".join(said["notes"])
        assert "2 images of the dataset are not in the library" in notes
        assert f"the first: {captions.parent / 'gone.png'}" in notes
        assert "1 labels repeat others word for word and count once" in notes
        assert "1 images have no caption and were left out" in notes
        assert "1 images have the very content of others and count once" in notes
        shown = spectrum_eval("eval", captions).err
        assert "2 images of the dataset are not in the library" in " ".join(shown.split())

    def test_a_dataset_whose_images_are_all_gone(
        self, spectrum_eval: Spectrum, tmp_path: Path
    ) -> None:
        (tmp_path / "e").mkdir()
        rows = [{"image": "nowhere/a.png", "captions": ["x"]}]
        path = captions_file(tmp_path / "e", rows)
        run = spectrum_eval("eval", path)
        assert run.code == 2
        assert "none of the 1 images exists, the first: " in " ".join(run.err.split())

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"image": "red.png", "captions": ["x"', "line 37: not JSON"),
            ('{"image": "red.png", "captions": [""]}', 'line 37: "captions" holds an empty'),
            ("7", "line 37: not an object"),
        ],
    )
    def test_a_bad_line_is_named(
        self, spectrum_eval: Spectrum, captions: Path, line: str, message: str
    ) -> None:
        rows: list[Any] = [{"image": "red.png", "captions": [f"red {n}"]} for n in range(40)]
        rows[36] = line
        captions_file(captions.parent, rows)
        run = spectrum_eval("eval", captions)
        assert run.code == 2
        assert message in " ".join(run.err.split())
        assert "Traceback" not in run.err

    def test_a_run_of_another_dataset(
        self, spectrum_eval: Spectrum, captions: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run.json"
        run.write_text(spectrum_eval("eval", captions, "--format", "json").out)
        rows = [{"image": "red.png", "captions": ["scarlet"]}]
        rows.append({"image": "blue.png", "captions": ["azure"]})
        (tmp_path / "f").mkdir()
        for name in ("red.png", "blue.png"):
            os.link(captions.parent / name, tmp_path / "f" / name)
        other = captions_file(tmp_path / "f", rows)
        compared = spectrum_eval("eval", other, "--against", run, "--format", "json")
        # The pictures are the same ones, so the way back can be compared; it is said which.
        said = json.loads(compared.out)["against"]
        assert "text_to_image" not in said
        assert said["image_to_text"]["n_queries"] == 2
        rows = [{"image": "green.png", "captions": ["emerald"]}]
        os.link(captions.parent / "green.png", tmp_path / "f" / "g.png")
        captions_file(tmp_path / "f", [{"image": "g.png", "captions": ["emerald"]}])
        refused = spectrum_eval("eval", other, "--against", run)
        assert refused.code == 2
        assert f"{run} is a run on {captions} and has none of these queries" in " ".join(
            refused.err.split()
        )


def test_judgements_and_coco_are_evaluated(
    spectrum: Spectrum, tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPECTRUM_LIBRARY")
    for colour in ("red", "green", "blue"):
        paint(tmp_path / "q" / "images" / f"{colour}.png", colour)
    (tmp_path / "q" / "qrels.txt").write_text(
        "1 0 images/red.png 2\n1 0 images/blue.png 1\n2 0 images/gone.png 1\n"
    )
    (tmp_path / "q" / "queries.tsv").write_text("1\tred\n2\tblue\n3\tgreen\n")
    said = json.loads(spectrum("eval", tmp_path / "q", "--format", "json").out)
    block = said["text_to_image"]
    assert (block["n_queries"], block["n_without_answer"], said["n_missing"]) == (2, 1, 1)
    assert block["hit@1"]["value"] == 0.5  # what answers query 2 is not there
    document = {
        "images": [{"id": 1, "file_name": "red.png"}, {"id": 2, "file_name": "blue.png"}],
        "annotations": [{"image_id": 1, "caption": "red"}, {"image_id": 2, "caption": "blue"}],
    }
    coco = tmp_path / "q" / "captions_test.json"
    coco.write_text(json.dumps(document))
    said = json.loads(spectrum("eval", coco, "--format", "json").out)
    assert said["text_to_image"]["hit@1"]["value"] == 1.0
    assert said["n_images"] == 2
