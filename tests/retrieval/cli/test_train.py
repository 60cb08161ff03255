"""`spectrum train`: from captions to a stack, what it refuses, and what a kill leaves."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from retrieval.library import Library
from spectrum.encoders import EncodedImages
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.training import StackTrainer
from spectrum.stack.weight_file import load_stack
from tests.retrieval.cli.conftest import Run, Spectrum
from tests.spectrum.encoders.conftest import no_network, tiny_models, unreachable
from tests.spectrum.encoders.tiny_models import TinyModels
from tests.spectrum.stack.painted_captions import painted
from tests.stand_ins import ColourEncoder

__all__ = ["no_network", "tiny_models", "unreachable"]

Train = Callable[..., Run]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """30 painted pictures with two or three captions each."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, (image, said) in enumerate(painted(30)):
        name = f"images/{number:02}.png"
        Image.fromarray(image).save(folder / name)
        rows.append({"image": name, "captions": said, "split": "train"})
    file = folder / "captions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return file


@pytest.fixture
def train(
    spectrum: Spectrum, captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """Runs the command with the encoder of colours, an epoch a stage."""
    monkeypatch.setattr("spectrum.encoders.load_encoder", lambda name: ColourEncoder())

    def run(*more: object) -> Run:
        return spectrum(
            "train", captions, "--out", tmp_path / "my.stack", "--epochs", "1,1,1", *more
        )

    return run


def add(captions: Path, image: str, *said: str, split: str = "train") -> None:
    with captions.open("a") as stream:
        stream.write(json.dumps({"image": image, "captions": said, "split": split}) + "\n")


def test_from_captions_to_a_stack(train: Train, captions: Path, tmp_path: Path) -> None:
    images = captions.parent / "images"
    (images / "copy.png").write_bytes((images / "04.png").read_bytes())
    (images / "bad.png").write_bytes(b"no picture")
    add(captions, "images/copy.png", "seen once more")
    add(captions, "images/bad.png", "a bad file")
    add(captions, "images/gone.png", "a missing file")
    add(captions, "images/00.png", "another split", split="dev")
    run = train("--split", "train")
    assert (run.code, run.out) == (3, ""), run.err
    assert f"left out {images}/gone.png: No such file or directory\n" in run.err
    assert f"left out {images}/bad.png: not an image" in run.err
    assert "among 3 images that nothing was fitted to" in run.err
    assert "refined by the stack: hit@1 " in run.err
    report = json.loads((tmp_path / "my.report.json").read_text())
    assert report["images"] == {"training": 25, "validation": 2, "held_out": 3, "views": 2}
    # The copy has the captions of both its names.
    assert report["captions"]["per_image"] in (3, 4)
    assert len(report["unreadable"]) == 2
    page = (tmp_path / "my.report.html").read_text()
    assert "<svg" in page
    assert f"{images}/bad.png: not an image" in page
    trained = load_stack(tmp_path / "my.stack")
    assert trained.encoder == ColourEncoder().identity.fingerprint
    assert trained.weights_hash == report["stack"]["weights_hash"]
    assert len(trained.texts) == report["captions"]["reference"]
    refiner = StackRefiner(trained)
    with Library.open(tmp_path / "own", encoder=ColourEncoder(), refiner=refiner) as library:
        library.index(images)
        refined = library.refine()
        assert (refined.bank_size, refined.interrupted) == (30, False)
        assert len(library.search("red", top=3).hits) == 3


def test_a_folder_one_view_and_a_place_for_the_rest(
    spectrum: Spectrum, train: Train, captions: Path, tmp_path: Path
) -> None:
    run = spectrum(
        "train", captions.parent, "--out", tmp_path / "a.stack", "--epochs", "0,0,0",
        "--no-mirror", "--work", tmp_path / "kept", "--report", tmp_path / "page.html",
    )  # fmt: skip
    assert run.code == 0, run.err
    report = json.loads((tmp_path / "page.json").read_text())
    assert report["images"]["views"] == 1
    assert [epoch["stage"] for epoch in report["epochs"]] == [0]
    kept = sorted(path.name.partition("-")[0] for path in (tmp_path / "kept").iterdir())
    assert kept == ["images", "stack", "texts"]
    assert not (tmp_path / "a.stack.work").exists()


def test_an_existing_file_is_kept_unless_forced(train: Train, tmp_path: Path) -> None:
    file = tmp_path / "my.stack"
    file.write_bytes(b"precious")
    run = train()
    assert run.code == 2
    assert f"{file} exists: --force writes over it" in run.err
    assert file.read_bytes() == b"precious"
    assert not (tmp_path / "my.stack.work").exists()
    assert train("--force", "--epochs", "0,0,0").code == 0
    assert load_stack(file).stack.config.semantic_width == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--out", "{here}"], "{here} is a folder: name a file"),
        (["--out", "{here}/no/x.stack"], "the folder {here}/no does not exist: make it"),
        (["--report", "{here}/x.json"], "{here}/x.json is no .html file"),
        (["--epochs", "16"], "'16' is not three numbers of epochs, as in 16,3,5"),
        (["--epochs", "1,-2,3"], "'1,-2,3' is not three numbers of epochs"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--split", "test"], "no split 'test'; it has: train"),
        (["--frobnicate"], "No such option: --frobnicate"),
    ],
)
def test_wrong_flags_are_told_of_at_once(
    train: Train, tmp_path: Path, more: list[str], said: str
) -> None:
    run = train(*(word.format(here=tmp_path) for word in more))
    assert run.code == 2
    assert said.format(here=tmp_path) in run.err
    assert run.err.count("\n") == 1
    assert not (tmp_path / "my.stack").exists()
    assert not (tmp_path / "my.stack.work").exists()


def test_too_few_images_are_counted(train: Train, captions: Path, tmp_path: Path) -> None:
    for number in range(9, 30):
        (captions.parent / f"images/{number:02}.png").unlink()
    run = train()
    assert run.code == 2
    assert "9 different images with captions can be read and at least 22 are needed" in run.err
    assert f"left out {captions.parent}/images/09.png: No such file or directory" in run.err
    assert "left out 11 more: " in run.err
    assert not (tmp_path / "my.stack").exists()


def test_data_without_captions_is_told_of(spectrum: Spectrum, tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        (tmp_path / "classes" / name / "1.png").write_bytes(b"")
    run = spectrum("train", tmp_path / "classes", "--out", tmp_path / "x.stack")
    assert run.code == 2
    assert f"{tmp_path}/classes: holds no captions; give a captions.jsonl" in run.err
    run = spectrum("train", tmp_path / "no.jsonl", "--out", tmp_path / "x.stack")
    assert run.code == 2
    assert f"{tmp_path}/no.jsonl: No such file or directory" in run.err


def test_an_encoder_without_a_grid_is_refused_at_once(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ColourEncoder.encode_images

    def gridless(
        self: ColourEncoder, pixels: list[np.ndarray], *, tokens: bool = False
    ) -> EncodedImages:
        return whole(self, pixels)

    monkeypatch.setattr(ColourEncoder, "encode_images", gridless)
    run = train()
    assert run.code == 5
    assert run.err == (
        "spectrum: the encoder 'colours' gives no grid of tokens, which a stack reads:"
        " choose another\n"
    )
    assert not (tmp_path / "my.stack.work").exists()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("family", ["open_clip", "siglip"])
def test_encoders_by_name(
    spectrum: Spectrum, captions: Path, tmp_path: Path, tiny_models: TinyModels, family: str
) -> None:
    """A ViT with a visual vector, and a SigLIP, which has none."""
    name = {
        "open_clip": f"open_clip:{tiny_models.open_clip_folder}",
        "siglip": f"hf:{tiny_models.siglip}",
    }[family]
    file = tmp_path / "clip.stack"
    run = spectrum("train", captions, "--out", file, "--encoder", name, "--epochs", "1,1,1")
    assert run.code == 0, run.err
    report = json.loads((tmp_path / "clip.report.json").read_text())
    config = load_stack(file).stack.config
    assert config.visual_width == report["encoder"]["visual_dimension"]
    assert (config.visual_width == 0) == (family == "siglip")
    assert config.token_width == report["encoder"]["grid"][2]


DOOMED = """
import os, signal, sys
from pathlib import Path
import spectrum.encoders
from indexer.images import content_hash
from retrieval.cli import main
from spectrum.stack.training import StackTrainer
from tests.stand_ins import ColourEncoder

log, limit = Path(sys.argv.pop(1)), int(sys.argv.pop(1))

class Logged(ColourEncoder):
    def encode_images(self, pixels, *, tokens=False):
        if log.exists() and len(log.read_text().splitlines()) >= limit:
            os.kill(os.getpid(), signal.SIGKILL)
        if len(pixels) > 1:  # one alone is the grey image that tells of the grid
            with log.open("a") as stream:
                stream.writelines(content_hash(image.tobytes()) + "\\n" for image in pixels[::2])
        return super().encode_images(pixels, tokens=tokens)

note = StackTrainer.note

def doomed(self, stage, *arguments):
    if stage == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return note(self, stage, *arguments)

StackTrainer.note = doomed
spectrum.encoders.load_encoder = lambda name: Logged()
main.main()
"""


def test_a_killed_run_goes_on_and_ends_alike(
    train: Train, captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it encodes, then in the second stage; the third attempt finishes."""
    log = tmp_path / "asked.txt"
    file = tmp_path / "my.stack"
    arguments = ["train", str(captions), "--out", str(file), "--epochs", "1,1,1", "-b", "8"]
    for limit, n_asked in ((16, 16), (1000, 30)):
        killed = subprocess.run(
            [sys.executable, "-c", DOOMED, str(log), str(limit), *arguments],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert len(log.read_text().splitlines()) == n_asked
        assert not file.exists()
    assert len(set(log.read_text().splitlines())) == 30
    asked: list[int] = []
    whole = ColourEncoder.encode_images

    def counted(
        self: ColourEncoder, pixels: list[np.ndarray], *, tokens: bool = False
    ) -> EncodedImages:
        asked.append(len(pixels))
        return whole(self, pixels, tokens=tokens)

    monkeypatch.setattr(ColourEncoder, "encode_images", counted)
    stages: list[int] = []
    note = StackTrainer.note

    def noted(self: StackTrainer, stage: int, *arguments: object) -> object:
        stages.append(stage)
        return note(self, stage, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(StackTrainer, "note", noted)
    assert train("-b", 8).code == 0
    assert asked == [1]  # the grey image that tells of the grid
    assert stages == [2, 2, 3, 3]  # as each stage began, and after its epoch
    resumed = load_stack(file)
    report = json.loads((tmp_path / "my.report.json").read_text())
    assert [epoch["stage"] for epoch in report["epochs"]] == [0, 1, 2, 2, 3, 3]
    assert train("-b", 8, "--force", "--work", tmp_path / "afresh").code == 0
    fresh = load_stack(file)
    assert stages == [2, 2, 3, 3, 0, 1, 2, 2, 3, 3]
    for name, value in fresh.stack.state_dict().items():
        torch.testing.assert_close(resumed.stack.state_dict()[name], value, rtol=0.0, atol=0.0)
    torch.testing.assert_close(resumed.texts, fresh.texts, rtol=0.0, atol=0.0)


def test_an_interruption_keeps_what_is_done(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = StackTrainer.note

    def interrupted(self: StackTrainer, stage: int, *arguments: object) -> object:
        if stage == 3:
            raise KeyboardInterrupt
        return note(self, stage, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(StackTrainer, "note", interrupted)
    run = train()
    assert run.code == 130
    work = tmp_path / "my.stack.work"
    assert f"interrupted: what is done is kept in {work}; run the same command again" in run.err
    (checkpoint,) = work.glob("stack-*.pt")
    assert torch.load(checkpoint, weights_only=True)["stage"] == 2
    assert not (tmp_path / "my.stack").exists()
