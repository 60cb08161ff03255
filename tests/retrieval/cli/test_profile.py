"""`spectrum profile`: tables, JSON, the plot, what it keeps, and what it refuses."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from spectrum.encoders import EncoderIdentity, ModelUnavailableError
from spectrum.stack import MODULES
from spectrum.stack.config import StackConfig
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.selection import kept_profile, module_subsets, modules_within, read_profile
from spectrum.stack.stack import Stack
from spectrum.stack.weight_file import TrainedStack
from tests.retrieval.cli.conftest import Run, Spectrum
from tests.stand_ins import COLOURS, ColourEncoder

Profiled = Callable[..., Run]


def stack_of_colours() -> TrainedStack:
    torch.manual_seed(0)
    config = StackConfig(
        semantic_width=4, visual_width=12, token_width=3, neighbours=3, hidden=5, visual_weight=0.5
    )
    texts = functional.normalize(torch.randn(7, 4), dim=-1)
    identity = ColourEncoder().identity.fingerprint
    return TrainedStack(Stack(config).eval(), texts, identity, "c0" * 16)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Ten pictures of a colour each, each a little different."""
    rows = []
    for number, (name, colour) in enumerate([*COLOURS.items()] * 2):
        picture = np.full((16, 16, 3), colour, dtype=np.uint8)
        picture[: 2 + number] //= 2
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        rows.append({"image": f"{number}.png", "captions": [name, f"something {name}"]})
    file = tmp_path / "captions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def profile(
    spectrum: Spectrum, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, captions: Path
) -> Profiled:
    """Runs the command with the encoder of colours and a stack of its own."""

    def load_subsets(identity: EncoderIdentity) -> Callable[[tuple[str, ...]], StackRefiner]:
        if identity.name != "colours":
            raise ModelUnavailableError(f"no stack was trained for the encoder {identity.name}")
        return partial(StackRefiner, stack_of_colours())

    monkeypatch.setattr("spectrum.encoders.load_encoder", lambda name: ColourEncoder(name))
    monkeypatch.setattr("spectrum.stack.loading.load_subsets", load_subsets)
    monkeypatch.setattr("retrieval.profiled_images.SYNTHETIC", 4)
    monkeypatch.setattr("retrieval.profiling.LEAST_TIMINGS", 1)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return partial(spectrum, "profile", "--encoder", "colours")


def test_without_captions_it_says_what_modules_cost(profile: Profiled) -> None:
    run = profile()
    assert run.code == 0
    assert [line.split()[0] for line in run.out.splitlines()] == ["module", *MODULES]
    assert "4 pictures, " in run.err
    assert "what it is worth: spectrum profile --captions CAPTIONS.jsonl" in run.err
    said = json.loads(profile("--format", "json").out)
    assert set(said["modules"]["nexus"]) == {"first", "second"}
    assert said["subsets"] == []


def test_with_captions_it_says_what_they_are_worth(profile: Profiled, captions: Path) -> None:
    run = profile("--captions", captions)
    assert run.code == 0
    assert "MRR %" in run.out
    assert "best" in next(line for line in run.out.splitlines() if " ".join(MODULES) in line)
    assert "10 pictures, 20 captions, " in run.err


def test_json_has_every_subset_and_what_budgets_buy(profile: Profiled, captions: Path) -> None:
    said = json.loads(profile("--captions", captions, "--format", "json").out)
    assert [tuple(each["modules"]) for each in said["subsets"]] == module_subsets()
    assert said["budgets"]["best"] == list(MODULES)
    for each in said["subsets"]:
        assert 0 <= each["hit@10"]["low"] <= each["hit@10"]["value"] <= 1
    best = max(each["accuracy"] for each in said["subsets"])
    frontier = [each for each in said["subsets"] if each["frontier"]]
    assert best in [each["accuracy"] for each in frontier]
    assert (said["n_images"], said["n_queries"]) == (10, 20)


def test_limit_and_unreadable_images(profile: Profiled, captions: Path, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    run = profile("--captions", captions, "--limit", 5, "--format", "json")
    assert json.loads(run.out)["n_images"] == 4
    assert f"left out {tmp_path / '1.png'}" in run.err
    for number in range(10):
        (tmp_path / f"{number}.png").unlink()
    gone = profile("--captions", captions)
    assert gone.code == 2
    assert "0 of its images can be read; give at least 2" in gone.err


def test_what_is_kept_is_what_budgets_choose_from(profile: Profiled, captions: Path) -> None:
    run = profile("--captions", captions, "--keep", "--format", "json")
    kept = read_profile(kept_profile("c0" * 16))
    assert f"kept: {kept_profile('c0' * 16)}" in run.err
    budgets = json.loads(run.out)["budgets"]
    for name in ("fast", "balanced"):
        assert list(modules_within(name, kept)) == budgets[name]


def test_the_plot_is_a_file_of_its_own(profile: Profiled, captions: Path, tmp_path: Path) -> None:
    assert profile("--captions", captions, "--report", tmp_path / "plot.svg").code == 0
    written = (tmp_path / "plot.svg").read_text()
    assert ElementTree.fromstring(written).tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in written
    assert "milliseconds an image" in written


def test_the_page_has_the_plot_and_the_tables(
    profile: Profiled, captions: Path, tmp_path: Path
) -> None:
    assert profile("--captions", captions, "--report", tmp_path / "page.html").code == 0
    written = (tmp_path / "page.html").read_text()
    assert "What does refinement cost" in written
    assert written.count("<svg") == 1
    assert "the encoder alone" in written
    assert "castle prism nexus oracle harmony" in written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--keep",), "budgets are chosen by accuracy too: add --captions FILE"),
        (("--report", "x.svg"), "the plot shows accuracy too: add --captions FILE"),
        (("--format", "paths"), "a profile is a table or json"),
        (("--captions", "c.jsonl", "--report", "x.png"), "x.png is no .html or .svg file"),
        (("--captions", "c.jsonl", "--report", "/none/x.svg"), "the folder /none does not exist"),
        (("--captions", "none.jsonl"), "none.jsonl"),
        (("--limit", "1"), "Invalid value for '--limit'"),
    ],
)
def test_what_is_none_is_refused_before_anything_is_measured(
    profile: Profiled, arguments: tuple[str, ...], said: str
) -> None:
    run = profile(*arguments)
    assert run.code == 2
    assert said in run.err
    assert run.out == ""


def test_folders_of_classes_have_no_captions(profile: Profiled, tmp_path: Path) -> None:
    for name in ("red", "blue"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "classes" / name / "1.png")
    run = profile("--captions", tmp_path / "classes")
    assert run.code == 2
    assert "profile needs captions; give a captions.jsonl" in run.err


def test_an_encoder_without_a_stack_is_named(spectrum: Spectrum, profile: Profiled) -> None:
    run = spectrum("profile", "--encoder", "another")
    assert run.code == 5
    assert "no stack was trained for the encoder another" in run.err
