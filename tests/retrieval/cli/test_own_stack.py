"""`--stack FILE`: a stack of one's own is used, remembered, named, and told of when it fails."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from indexer.catalogue import Catalogue
from indexer.database import CATALOGUE_FILE
from indexer.stacks import StackFile, choose_stack, chosen_stack
from retrieval import Library
from spectrum.stack.config import StackConfig
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.stack import Stack
from spectrum.stack.weight_file import load_stack, save_stack
from tests.retrieval.cli.conftest import Spectrum
from tests.stand_ins import ColourEncoder
from tests.stories.test_faults import draw

StackOf = Callable[..., Path]
COLOURS = ColourEncoder().identity


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos", range(6))
    return tmp_path / "photos"


@pytest.fixture
def stack_of(tmp_path: Path) -> StackOf:
    """Writes a small stack for the encoder of colours."""

    def write(name: str = "mine.stack", seed: int = 0, encoder: str = COLOURS.fingerprint) -> Path:
        torch.manual_seed(seed)
        config = StackConfig(
            semantic_width=4, visual_width=12, token_width=3, neighbours=3, hidden=5
        )
        texts = functional.normalize(torch.randn(7, 4), dim=-1)
        save_stack(tmp_path / name, Stack(config).eval(), texts, encoder)
        return tmp_path / name

    return write


def bank_stack(library: Path) -> str:
    with Library.open(library, create=False) as opened:
        from indexer.banks import current_bank

        bank = current_bank(opened.catalogue, opened.space.id)
        assert bank
        return bank.stack


def fingerprint(stack: Path) -> str:
    return StackRefiner(load_stack(stack)).identity.fingerprint


def test_a_library_is_refined_by_the_stack_that_is_named_and_keeps_it(
    spectrum: Spectrum, photos: Path, stack_of: StackOf, tmp_path: Path
) -> None:
    mine = stack_of()
    assert "6 indexed, 6 refined" in spectrum("index", photos, "--stack", mine).err
    assert bank_stack(tmp_path / "cli.library") == fingerprint(mine)
    draw(photos, range(50, 52))
    assert "2 indexed, 6 unchanged, 2 refined" in spectrum("index", photos).err
    assert spectrum("refine").err == "8 refined: bank 2 of 8 pictures\n"
    assert bank_stack(tmp_path / "cli.library") == fingerprint(mine)


def test_status_names_it(
    spectrum: Spectrum, photos: Path, stack_of: StackOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = stack_of()
    monkeypatch.chdir(mine.parent)
    spectrum("index", photos, "--stack", "mine.stack")
    monkeypatch.chdir(photos)
    weights_hash = load_stack(mine).weights_hash
    (line,) = [line for line in spectrum("status").out.splitlines() if line.startswith("stack")]
    assert line.split() == ["stack", str(mine), f"({weights_hash[:8]})"]
    said = json.loads(spectrum("status", "--format", "json").out)["stack"]
    assert said == {"path": str(mine), "weights_hash": weights_hash}
    mine.unlink()
    assert "the file is gone: name another with 'spectrum refine --stack FILE'" in (
        spectrum("status").out
    )


def test_hits_are_explained_by_it(spectrum: Spectrum, photos: Path, stack_of: StackOf) -> None:
    mine = stack_of()
    spectrum("index", photos, "--stack", mine)
    (hit,) = json.loads(spectrum("search", "red", "-t1", "--explain", "--format", "json").out)[
        "hits"
    ]
    assert sum(hit["why"]["text_weights"].values()) == pytest.approx(1)
    assert len(hit["why"]["neighbours"]) == 3
    mine.unlink()
    run = spectrum("search", "red", "-t1", "--explain")
    assert run.code == 0
    assert f"explained no further: {mine}: there is no such file" in run.err


def test_another_stack_and_the_one_that_ships_can_be_named_later(
    spectrum: Spectrum, photos: Path, stack_of: StackOf, tmp_path: Path
) -> None:
    library = tmp_path / "cli.library"
    spectrum("index", photos, "--stack", stack_of())
    other = stack_of("other.stack", seed=1)
    run = spectrum("refine", "--stack", other)
    assert run.err == "6 encoded once more, 6 refined: bank 2 of 6 pictures\n"
    assert bank_stack(library) == fingerprint(other)
    run = spectrum("index", photos, "--stack", "shipped")  # of colours there is none
    assert (run.code, "other.stack" in spectrum("status").out) == (0, False)
    run = spectrum("refine")
    assert (run.code, run.err.count("\n")) == (4, 1)
    assert "nothing refines vectors of 'colours' with the budget 'best'" in run.err


def test_a_dry_run_remembers_nothing(spectrum: Spectrum, photos: Path, stack_of: StackOf) -> None:
    spectrum("index", photos, "--budget", "none")
    assert spectrum("index", photos, "--dry-run", "--stack", stack_of()).code == 0
    assert "mine.stack" not in spectrum("status").out


@pytest.mark.parametrize("command", ["index", "refine"])
@pytest.mark.parametrize("fault", ["gone", "broken", "foreign"])
def test_a_stack_that_cannot_refine_is_told_of_in_one_line_and_not_remembered(
    spectrum: Spectrum, photos: Path, stack_of: StackOf, command: str, fault: str
) -> None:
    spectrum("index", photos, "--budget", "none")
    mine = stack_of(encoder="e" * 32 if fault == "foreign" else COLOURS.fingerprint)
    if fault == "gone":
        mine.unlink()
    if fault == "broken":
        mine.write_bytes(b"no stack")
    message = {
        "gone": f"{mine}: there is no such file: name the stack with --stack FILE",
        "broken": f"{mine}: not a readable stack (",
        "foreign": f"{mine} refines vectors of another encoder than colours: train a stack for it",
    }[fault]
    run = spectrum(command, *([photos] if command == "index" else []), "--stack", mine)
    assert (run.code, run.err.count("\n")) == (5, 1)
    assert message in run.err
    assert "mine.stack" not in spectrum("status").out


def test_a_remembered_stack_that_went_or_changed_stops_only_what_needs_it(
    spectrum: Spectrum, photos: Path, stack_of: StackOf
) -> None:
    mine = stack_of()
    spectrum("index", photos, "--stack", mine)
    mine.unlink()
    assert spectrum("index", photos).code == 0
    assert spectrum("search", "red").code == 0
    draw(photos, range(50, 51))
    run = spectrum("index", photos)
    assert (run.code, run.err.count("\n")) == (5, 1)
    assert "'--budget none' refines nothing" in run.err
    stack_of(seed=1)
    run = spectrum("refine")
    assert run.code == 5
    assert "it is not the stack any more that this library remembers" in run.err
    assert spectrum("refine", "--stack", mine).code == 0


def test_a_catalogue_keeps_one_stack_of_each_encoder(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path / CATALOGUE_FILE)
    first, second = (StackFile(path=f"/{n}.stack", weights_hash=n * 32) for n in "12")
    assert chosen_stack(catalogue, "a") is None
    choose_stack(catalogue, "a", first)
    choose_stack(catalogue, "b", first)
    choose_stack(catalogue, "a", second)
    assert (chosen_stack(catalogue, "a"), chosen_stack(catalogue, "b")) == (second, first)
    choose_stack(catalogue, "a", None)
    assert (chosen_stack(catalogue, "a"), chosen_stack(catalogue, "b")) == (None, first)
    catalogue.close()


def test_its_modules_can_be_measured(
    spectrum: Spectrum, stack_of: StackOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = stack_of()
    monkeypatch.setattr("spectrum.encoders.load_encoder", lambda name: ColourEncoder(name))
    monkeypatch.setattr("retrieval.profiled_images.SYNTHETIC", 4)
    monkeypatch.setattr("retrieval.profiling.LEAST_TIMINGS", 1)
    profile = ("profile", "--encoder", "colours", "--format", "json", "--stack")
    said = json.loads(spectrum(*profile, mine).out)
    assert said["weights_hash"] == load_stack(mine).weights_hash
    run = spectrum(*profile, "none.stack")
    assert (run.code, run.err.count("\n")) == (5, 1)
    assert "none.stack: there is no such file" in run.err
