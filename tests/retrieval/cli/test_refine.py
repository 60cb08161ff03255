"""`spectrum refine`, and what other commands say of it."""

import json
from pathlib import Path

import pytest

from tests.refiners import MeanRefiner
from tests.retrieval.cli.conftest import Spectrum
from tests.stories.test_faults import draw


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos", range(12))
    return tmp_path / "photos"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The budgets for which a stack was asked; there is one for all but `none`."""
    budgets: list[str] = []

    def load(encoder: object, budget: str) -> MeanRefiner | None:
        budgets.append(budget)
        return None if budget == "none" else MeanRefiner(weights=budget)

    monkeypatch.setattr("spectrum.stack.loading.load_refiner", load)
    return budgets


def test_indexing_refines_and_refining_takes_in_what_was_added(
    spectrum: Spectrum, photos: Path, asked: list[str]
) -> None:
    assert "12 indexed, 12 refined" in spectrum("index", photos).err
    assert "12 pictures, over bank 1 of 12 (best, " in spectrum("status").out
    assert "takes them in" not in spectrum("status").out
    draw(photos, range(50, 53))
    assert "3 indexed, 12 unchanged, 3 refined" in spectrum("index", photos).err
    assert "3 added since: 'spectrum refine' takes them in" in spectrum("status").out
    run = spectrum("refine")
    assert (run.code, run.out) == (0, "")
    assert run.err == "15 refined: bank 2 of 15 pictures\n"
    assert (
        spectrum("refine").err == "nothing to do: bank 2 of 15 pictures is of all that are here\n"
    )
    said = json.loads(spectrum("status", "--format", "json").out)["refinement"]
    assert (said["version"], said["refined"], said["added"]) == (2, 15, 0)
    assert len(spectrum("search", "red", "-t", "20", "--duplicates", "-f").out.splitlines()) == 15


def test_the_librarys_budget_stays_until_another_is_named(
    spectrum: Spectrum, photos: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "refined" not in spectrum("index", photos, "--budget", "none").err
    assert spectrum("status").out.count("refined") == 0
    run = spectrum("refine", "--budget", "fast")
    assert run.err == "12 encoded once more, 12 refined: bank 1 of 12 pictures\n"
    draw(photos, range(50, 51))
    spectrum("index", photos)
    monkeypatch.setenv("SPECTRUM_BUDGET", "2.5")
    draw(photos, range(51, 52))
    assert "1 picture is not refined: run 'spectrum refine'" in spectrum("index", photos).err
    assert asked == ["none", "fast", "fast", "2.5"]


def test_a_run_with_nothing_to_do_loads_no_stack(
    spectrum: Spectrum, photos: Path, asked: list[str]
) -> None:
    for _ in range(2):
        spectrum("index", photos)
    assert asked == ["best"]


def test_files_that_changed_are_told(spectrum: Spectrum, photos: Path, asked: list[str]) -> None:
    spectrum("index", photos, "--budget", "none")
    (photos / "003.png").unlink()
    run = spectrum("refine")
    assert run.code == 0
    assert "1 pictures stay unrefined, since their files are changed or cannot be read" in run.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--budget", "most"], 2, "'most' is no budget: choose one of none, fast, balanced, best"),
        (["--budget", "-1"], 2, "'-1' is no budget"),
        (["--budget", "none"], 4, "nothing refines vectors of 'colours' with the budget 'none'"),
        ([], 4, "nothing refines vectors of 'colours' with the budget 'best'"),
        (["--library", "/nowhere"], 2, "there is no library in /nowhere"),
    ],
)
def test_errors_are_one_line(
    spectrum: Spectrum, photos: Path, arguments: list[str], code: int, message: str
) -> None:
    spectrum("index", photos)
    run = spectrum("refine", *arguments)
    assert (run.code, run.out) == (code, "")
    assert message in run.err
    assert run.err.count("\n") == 1


def test_an_empty_library(spectrum: Spectrum, tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    spectrum("index", tmp_path / "empty")
    assert spectrum("refine").err == "nothing to refine: the library holds no picture\n"


def test_ctrl_c_keeps_what_is_done(
    spectrum: Spectrum, photos: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spectrum("index", photos, "--budget", "none")
    monkeypatch.setattr("indexer.refine.IMAGES_PER_TRANSACTION", 5)
    with monkeypatch.context() as patch:
        patch.setattr("indexer.refine.Progress.stop_requested", lambda self: True)
        patch.setattr(
            "retrieval.cli.progress.BarProgress.stop_requested",
            lambda self: self._what == "refining" and bool(self._bar.tasks[0].completed),
        )
        run = spectrum("refine")
    assert run.code == 130
    assert run.err.splitlines() == [
        "12 encoded once more, 5 refined",
        "interrupted: what is done is saved; run the same command again to go on",
    ]
    assert spectrum("refine").err.startswith("7 refined, 5 refined by an earlier run: bank 1")
