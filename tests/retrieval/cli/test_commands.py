"""The commands: streams, formats and exit codes."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spectrum.encoders.embedded import SHIPPED
from tests.retrieval.cli.conftest import Spectrum

Paint = Callable[..., Path]


@pytest.fixture
def indexed(spectrum: Spectrum, pictures: Path) -> Path:
    assert spectrum("index", pictures).code == 0
    return pictures


def test_data_on_stdout_notes_on_stderr(spectrum: Spectrum, pictures: Path) -> None:
    run = spectrum("index", pictures)
    assert (run.code, run.out) == (0, "")
    assert "5 indexed" in run.err
    run = spectrum("search", "red", "-t", 1, "-f")
    assert (run.code, run.out, run.err) == (0, f"{pictures}/red.png\n", "")


def test_formats_agree(spectrum: Spectrum, indexed: Path) -> None:
    rows = json.loads(spectrum("search", "red", "--format", "json", "-t", 3).out)["hits"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    lines = spectrum("search", "red", "--format", "jsonl", "-t", 3).out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = list(
        csv.DictReader(io.StringIO(spectrum("search", "red", "--format", "csv", "-t3").out))
    )
    assert [row["path"] for row in table] == [row["path"] for row in rows]
    assert [float(row["score"]) for row in table] == [row["score"] for row in rows]
    paths = spectrum("search", "red", "--format", "paths", "-t", 3).out.splitlines()
    assert paths == [row["path"] for row in rows]
    assert spectrum("search", "red", "-0", "-t", 3).out.split("\0")[:-1] == paths
    shown = spectrum("search", "red", "-t", 3).out
    assert all(Path(path).name in shown for path in paths)


def test_what_users_of_rclip_type(
    spectrum: Spectrum, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(indexed)

    def first(*terms: object) -> str:
        return Path(spectrum("search", *terms, "-f", "-t", 1).out.strip()).name

    assert first("red") == "red.png"
    assert first("./blue.png") == "blue.png"
    assert first("blue.png") == "blue.png"
    assert first("red", "+", "green") == "yellow.png"
    assert first("red", "+green") == "yellow.png"
    assert first("5:red", "+", "green") == "red.png"
    assert first("yellow", "-", "3:green") == "red.png"
    assert first("yellow", "-3:green") == "red.png"
    assert first("--add", "red") == "red.png"
    assert first("yellow", "--subtract", "2:red") == "green.png"
    assert first("red", "--no-indexing") == "red.png"
    assert first("--image", "blue.png") == "blue.png"


def test_failures_are_listed_and_change_the_exit_code(spectrum: Spectrum, pictures: Path) -> None:
    (pictures / "text.jpg").write_text("hello")
    (pictures / "two\nlines.jpg").write_bytes(b"")
    run = spectrum("index", pictures)
    assert run.code == 3
    assert "2 files failed: see 'spectrum status --failed'" in run.err
    rows = json.loads(spectrum("status", "--failed", "--format", "json").out)
    assert [Path(row["path"]).name for row in rows] == ["text.jpg", "two\nlines.jpg"]
    assert rows[0]["message"].startswith("not an image")
    assert "two\\nlines.jpg" in spectrum("status", "--failed").out
    assert spectrum("index", pictures).code == 3, "failures stand until they are mended"


def test_status(spectrum: Spectrum, indexed: Path) -> None:
    said = json.loads(spectrum("status", "--format", "json").out)
    assert (said["present"], said["images"], said["failed"]) == (5, 5, 0)
    assert said["roots"] == [str(indexed)]
    assert "5 in 5 files" in spectrum("status").out
    (indexed / "red.png").unlink()
    spectrum("index", indexed)
    (row,) = json.loads(spectrum("status", "--missing", "--format", "json").out)
    assert row["path"] == f"{indexed}/red.png"


def test_models_are_listed_whole_on_a_narrow_terminal(spectrum: Spectrum) -> None:
    names = [row["name"] for row in json.loads(spectrum("models", "list", "--format", "json").out)]
    assert names == ["embedded", "open_clip:ARCH/TAG_OR_FILE", "hf:ID_OR_DIR"]
    shown = spectrum("models", "list").out
    assert all(name in shown for name in names)
    assert "\u2026" not in shown
    said = json.loads(spectrum("models", "info", "embedded", "--format", "json").out)
    identity = json.loads((SHIPPED / "identity.json").read_text())
    assert said["name"] == "embedded"
    assert said["semantic_dimension"] == identity["semantic_dimension"]


def test_similar(spectrum: Spectrum, indexed: Path) -> None:
    out = spectrum("similar", indexed / "red.png", "-f", "-t", 10).out
    assert len(out.splitlines()) == 4
    assert f"{indexed}/red.png" not in out
    assert f"{indexed}/red.png" in spectrum("similar", indexed / "red.png", "--itself", "-f").out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["search", "red"], 2, "there is no library in"),
        (["status"], 2, "there is no library in"),
        (["search"], 2, "the query is empty"),
        (["search", "red", "--nonsense"], 2, "No such option: --nonsense"),
        (["search", "red", "-t", "0"], 2, "greater than or equal to 1"),
        (["search", "red", "--format", "xml"], 2, "'xml' is not one of"),
        (["similar", "none.jpg"], 2, "none.jpg is no file: check the path"),
        (["similar", "."], 2, "there is no library in"),
        (["duplicates"], 2, "there is no library in"),
        (["search", "red", "--where", "width"], 2, "there is no library in"),
        (["index", "never"], 2, "No such file or directory"),
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["eval", "never.jsonl"], 2, "never.jsonl"),
        (["models", "info", "open_klip:x"], 5, "unknown encoder 'open_klip:x'"),
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


def test_a_lost_folder_stops_the_run(spectrum: Spectrum, indexed: Path) -> None:
    indexed.rename(indexed.parent / "away")
    run = spectrum("index", indexed)
    assert run.code == 2
    assert "is its disk plugged in? (5 files were known there); nothing was changed" in run.err
    assert json.loads(spectrum("status", "--format", "json").out)["present"] == 5
    assert spectrum("index", indexed, "--prune").code == 0
    assert json.loads(spectrum("status", "--format", "json").out)["deleted"] == 5


def test_exit_status_of_an_empty_answer(spectrum: Spectrum, tmp_path: Path, paint: Paint) -> None:
    (tmp_path / "empty").mkdir()
    spectrum("index", tmp_path / "empty")
    assert spectrum("search", "red").code == 0
    assert spectrum("search", "red", "--exit-status").code == 1


def test_every_flag_has_a_twin(
    spectrum: Spectrum, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECTRUM_TOP", "2")
    monkeypatch.setenv("SPECTRUM_FORMAT", "paths")
    assert len(spectrum("search", "red").out.splitlines()) == 2
    monkeypatch.setenv("SPECTRUM_NULL", "1")
    assert spectrum("search", "red").out.count("\0") == 2
    monkeypatch.setenv("SPECTRUM_INDEX_EXCLUDE", "red.png blue.png")
    assert "2 missing" in spectrum("index", indexed, "--prune").err


def test_another_encoder_is_refused(
    spectrum: Spectrum, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.stand_ins import ColourEncoder

    monkeypatch.setattr(
        "retrieval.library.load_encoder", lambda name: ColourEncoder(weights="retrained")
    )
    run = spectrum("search", "red")
    assert run.code == 4
    assert "other weights of 'colours'" in run.err


def test_undecodable_names_reach_the_shell_as_bytes(
    spectrum: Spectrum, tmp_path: Path, paint: Paint
) -> None:
    made = paint(tmp_path / "p" / "a.png", "red")
    os.rename(made, os.path.join(os.fsencode(tmp_path / "p"), b"\xff.png"))
    assert spectrum("index", tmp_path / "p").code == 0
    assert json.loads(spectrum("search", "red", "--format", "json").out)["hits"][0][
        "path"
    ].endswith("\udcff.png")
    assert "\\udcff.png" in spectrum("search", "red").out


def test_eval_of_captions_and_of_classes(spectrum: Spectrum, tmp_path: Path, paint: Paint) -> None:
    rows = []
    for colour in ("red", "green", "blue"):
        paint(tmp_path / "d" / f"{colour}.png", colour)
        rows.append({"image": f"{colour}.png", "captions": [f"all {colour}", colour]})
    captions = tmp_path / "d" / "captions.jsonl"
    captions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    library = os.environ.pop("SPECTRUM_LIBRARY")
    said = json.loads(spectrum("eval", captions, "--format", "json").out)
    assert said["text_to_image"]["n_queries"] == 6
    assert said["text_to_image"]["hit@1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert said["image_to_text"]["map"]["value"] == 1.0
    for colour in ("red", "blue"):
        for i in range(6):
            paint(tmp_path / "c" / colour / f"{i}.png", colour, size=(40 + i, 30))
    said = json.loads(spectrum("eval", tmp_path / "c", "--format", "json").out)
    assert said["image_to_image"]["map"]["value"] == 1.0
    assert said["image_to_image"]["n_queries"] == 3
    assert said["class_to_image"]["precision@5"]["value"] == 1.0
    assert "text_to_image, 6 queries" in spectrum("eval", captions).out
    run = spectrum("eval", captions, "--library", library)
    assert run.code == 2
    assert "no library" in run.err
