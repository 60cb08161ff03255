"""`spectrum calibrate` and `eval-rejection`, and what `status` and `search` say between them."""

import json
from pathlib import Path

import pytest

import retrieval.rejection.image_fitting
import retrieval.rejection.text_fitting
from tests.retrieval.cli.conftest import Spectrum
from tests.retrieval.rejection.painted import QUICK, paint_many

UNKNOWN = ("invoice total amount due", "qzx vbnk wplk", "a walrus on a thermistor", "int main()")


@pytest.fixture
def calibrated(spectrum: Spectrum, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pictures of a library that judges words and images."""
    for module in (retrieval.rejection.image_fitting, retrieval.rejection.text_fitting):
        monkeypatch.setattr(module, "Sizes", lambda: QUICK)
    paint_many(tmp_path / "pictures", 140)
    assert spectrum("index", tmp_path / "pictures").code == 0
    run = spectrum("calibrate", "--captions", tmp_path / "pictures" / "captions.jsonl")
    assert run.code == 0
    assert "sentence: void-mixture, n = " in run.err
    assert "image: block-distances, n = 140; at most 5.0% of good queries refused" in run.err
    return tmp_path / "pictures"


def test_detectors_are_compared_on_texts_in_80_columns(
    spectrum: Spectrum, calibrated: Path, tmp_path: Path
) -> None:
    (tmp_path / "unknown.txt").write_text("\n".join(UNKNOWN) + "\n")
    (tmp_path / "more.txt").write_text("a giraffe in a kitchen\n")
    detectors = ("max-cosine", "void-mixture", "logistic-fusion")
    chosen = [word for name in detectors for word in ("--detector", name)]
    sets = (tmp_path / "unknown.txt", tmp_path / "more.txt")
    run = spectrum("eval-rejection", calibrated / "captions.jsonl", *sets, *chosen)
    assert run.code == 0
    lines = run.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "unknown.txt: 4 queries"
    assert lines[1].split() == ["detector", "AUROC", "FPR@95TPR", "accepted", "known", "refused"]
    assert sorted(line.split()[0] for line in lines[2:5]) == sorted(detectors)
    aurocs = [float(line.split()[1]) for line in lines[2:5]]
    assert aurocs == sorted(aurocs, reverse=True)
    assert aurocs[0] > 0.9
    assert lines[6] == "more.txt: 1 queries"
    assert "280 known queries. AUROC: how often a known query looks more known" in run.err
    told = spectrum(
        "eval-rejection", calibrated / "captions.jsonl", sets[0], *chosen, "--format", "json"
    )
    rows = json.loads(told.out)
    assert [row["detector"] for row in rows] == list(detectors)
    assert {row["unknown"] for row in rows} == {"unknown.txt"}
    assert all(0.0 <= row["false_rejects"] <= 0.3 for row in rows)


def test_status_says_all_the_rest_where_the_calibration_cannot_be_read(
    spectrum: Spectrum, calibrated: Path, tmp_path: Path
) -> None:
    assert "words and images are judged" in spectrum("status").out
    (tmp_path / "cli.library" / "trust" / "gate.json").write_text('{"version": 1}')
    run = spectrum("status")
    assert run.code == 0
    assert "140 in 140 files" in run.out
    assert "nothing is refused" in run.out
    assert "a calibration of version 1" in run.out
