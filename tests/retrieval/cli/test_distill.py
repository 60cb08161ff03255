"""`spectrum distill`: from folders to one file, what it refuses, and what a kill leaves."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.images import content_hash
from spectrum.encoders import UnsuitableModelError
from tests.retrieval.cli.conftest import Run, Spectrum
from tests.spectrum.encoders.conftest import no_network, tiny_models, unreachable
from tests.spectrum.encoders.tiny_models import TinyModels
from tests.stand_ins import ColourEncoder

__all__ = ["no_network", "tiny_models", "unreachable"]

Distill = Callable[..., Run]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """30 pictures of random colours, in two folders."""
    random = np.random.default_rng(3)
    folder = tmp_path / "photos"
    for number in range(30):
        image = np.empty((24, 32, 3), dtype=np.uint8)
        image[:12], image[12:] = random.integers(0, 256, (2, 3))
        path = folder / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture
def distill(
    spectrum: Spectrum, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Distill:
    """Runs the command with the teacher of colours, few texts and few epochs."""
    monkeypatch.setattr("spectrum.students.teachers.load_teacher", lambda name: ColourEncoder())

    def run(*more: object) -> Run:
        given = {"--teacher": "colours", "--images": photos, "--out": tmp_path / "mine.spectrum"}
        few = ["--texts", 40, "--epochs", 2]
        return spectrum("distill", *(word for pair in given.items() for word in pair), *few, *more)

    return run


def test_from_photos_to_a_search(
    distill: Distill,
    spectrum: Spectrum,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (photos / "a" / "15_bad.png").write_bytes(b"no picture")
    (photos / "a" / "16_copy.png").write_bytes((photos / "a" / "16.png").read_bytes())
    run = distill()
    assert (run.code, run.out) == (3, ""), run.err
    assert f"left out {photos}/a/15_bad.png: not an image" in run.err
    assert "cosine to the teacher on 3 pictures it never saw" in run.err
    file = tmp_path / "mine.spectrum"
    report = json.loads((tmp_path / "mine.report.json").read_text())
    assert report["pictures"] == {"training": 24, "validation": 3, "held_out": 3}
    assert len(report["unreadable"]) == 1
    assert "<svg" in (tmp_path / "mine.report.html").read_text()
    shown = json.loads(spectrum("models", "info", f"embedded:{file}", "--format", "json").out)
    assert shown["semantic_dimension"] == 4
    assert shown["fingerprint"] == report["student"]["fingerprint"]
    # The student needs no teacher: the command line's own loader is put back.
    from spectrum.encoders import load_encoder

    monkeypatch.setattr("retrieval.library.load_encoder", load_encoder)
    (photos / "a" / "15_bad.png").unlink()
    assert spectrum("index", photos, "--encoder", f"embedded:{file}").code == 0
    found = spectrum("search", photos / "b" / "07.png", "-f", "-t", 1)
    assert (found.code, found.out) == (0, f"{photos}/b/07.png\n")
    assert spectrum("search", "red", "-f", "-t", 1).code == 0


def test_captions_of_the_pictures_are_used(distill: Distill, photos: Path, tmp_path: Path) -> None:
    rows = [
        {"image": f"photos/{'ab'[number % 2]}/{number:02}.png", "captions": [f"red {number}"]}
        for number in range(30)
    ]
    rows.append({"image": "elsewhere.png", "captions": ["not here"]})
    captions = tmp_path / "captions.jsonl"
    captions.write_text("\n".join(map(json.dumps, rows)))
    run = distill("--captions", captions)
    assert run.code == 0, run.err
    report = json.loads((tmp_path / "mine.report.json").read_text())
    assert report["training_texts"]["pictures_with_captions"] == 24
    assert report["captions"]["images"] == 3
    assert "Captions that find their picture among 3 in the first 1 / 5 / 10" in run.err


def test_captions_of_other_pictures_are_told_of(distill: Distill, tmp_path: Path) -> None:
    captions = tmp_path / "captions.jsonl"
    captions.write_text('{"image": "elsewhere.png", "captions": ["a dog"]}')
    run = distill("--captions", captions)
    assert run.code == 2
    assert run.err == (
        f"spectrum: {captions}: none of its 1 images is among the 30 pictures of --images:"
        " give the folder that it describes\n"
    )


def test_an_existing_file_is_kept_unless_forced(distill: Distill, tmp_path: Path) -> None:
    file = tmp_path / "mine.spectrum"
    file.write_bytes(b"precious")
    run = distill()
    assert run.code == 2
    assert f"{file} exists: --force writes over it" in run.err
    assert file.read_bytes() == b"precious"
    assert not (tmp_path / "mine.spectrum.work").exists()
    assert distill("--force").code == 0
    assert file.stat().st_size > 1_000_000


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--out", "{here}"], "{here} is a folder: name a file"),
        (["--out", "{here}/no/x.spectrum"], "the folder {here}/no does not exist: make it"),
        (["--report", "{here}/x.json"], "{here}/x.json is no .html file"),
        (["--images", "{here}/none"], "{here}/none: No such file or directory"),
        (["--captions", "{here}/none.jsonl"], "{here}/none.jsonl: No such file or directory"),
        (["--epochs", "-1"], "Invalid value for '--epochs'"),
        (["--texts", "3"], "Invalid value for '--texts'"),
        (["--frobnicate"], "No such option: --frobnicate"),
    ],
)
def test_wrong_flags_are_told_of_at_once(
    distill: Distill, tmp_path: Path, more: list[str], said: str
) -> None:
    run = distill(*(word.format(here=tmp_path) for word in more))
    assert run.code == 2
    assert said.format(here=tmp_path) in run.err
    assert run.err.count("\n") == 1
    assert not (tmp_path / "mine.spectrum").exists()


def test_too_few_pictures_are_counted(distill: Distill, photos: Path, tmp_path: Path) -> None:
    for path in (photos / "a").iterdir():
        path.write_bytes(b"no picture")
    run = distill()
    assert run.code == 2
    assert "15 different pictures can be read and at least 20 are needed" in run.err
    assert not (tmp_path / "mine.spectrum").exists()


def test_a_teacher_that_is_not_here_is_told_of(spectrum: Spectrum, photos: Path) -> None:
    run = spectrum("distill", "--teacher", "clip", "--images", photos, "--out", photos / "x")
    assert run.code == 5
    assert run.err.startswith("spectrum: unknown encoder 'clip'")


def test_a_teacher_that_reads_no_texts(
    distill: Distill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ColourEncoder, texts: object) -> np.ndarray:
        raise UnsuitableModelError("no texts")

    monkeypatch.setattr(ColourEncoder, "encode_texts", refuse)
    assert distill().code == 0
    report = json.loads((tmp_path / "mine.report.json").read_text())
    assert report["student"]["taught_block"] == "visual"


@pytest.mark.usefixtures("no_network")
def test_an_open_clip_teacher_by_name(
    spectrum: Spectrum, photos: Path, tmp_path: Path, tiny_models: TinyModels
) -> None:
    file = tmp_path / "clip.spectrum"
    run = spectrum(
        "distill", "--teacher", f"open_clip:{tiny_models.open_clip_folder}", "--images", photos,
        "--out", file, "--texts", 40, "--epochs", 1,
    )  # fmt: skip
    assert run.code == 0, run.err
    shown = json.loads(spectrum("models", "info", f"embedded:{file}", "--format", "json").out)
    assert shown["semantic_dimension"] == 12
    truncated = tmp_path / "cut.spectrum"
    truncated.write_bytes(file.read_bytes()[:-100])
    run = spectrum("models", "info", f"embedded:{truncated}")
    assert run.code == 5
    assert run.err.count("\n") == 1


DOOMED = """
import os, signal, sys
from pathlib import Path
from indexer.images import content_hash
from retrieval.cli import main
from spectrum.students import teachers
from tests.stand_ins import ColourEncoder

log, limit = Path(sys.argv.pop(1)), int(sys.argv.pop(1))

class Logged(ColourEncoder):
    def encode_images(self, pixels, *, tokens=False):
        if log.exists() and len(log.read_text().splitlines()) >= limit:
            os.kill(os.getpid(), signal.SIGKILL)
        with log.open("a") as stream:
            stream.writelines(content_hash(image.tobytes()) + "\\n" for image in pixels)
        return super().encode_images(pixels, tokens=tokens)

teachers.load_teacher = lambda name: Logged()
main.main()
"""


def test_a_killed_run_goes_on_where_it_was(
    distill: Distill, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "asked.txt"
    arguments = [
        "distill", "--teacher", "colours", "--images", str(photos),
        "--out", str(tmp_path / "mine.spectrum"), "--texts", "40", "-b", "8",
    ]  # fmt: skip
    killed = subprocess.run(
        [sys.executable, "-c", DOOMED, str(log), "16", *arguments],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    first = log.read_text().splitlines()
    assert len(first) == 16
    assert not (tmp_path / "mine.spectrum").exists()
    whole, asked = ColourEncoder.encode_images, list[str]()

    def logged(self: ColourEncoder, pixels: list[np.ndarray], *, tokens: bool = False):  # type: ignore[no-untyped-def]
        asked.extend(content_hash(image.tobytes()) for image in pixels)
        return whole(self, pixels, tokens=tokens)

    monkeypatch.setattr(ColourEncoder, "encode_images", logged)
    assert distill("-b", 8).code == 0
    # The other 14, once; then some held-out pictures, to see how quick the teacher is.
    assert len({*first, *asked[:14]}) == 30
    assert (tmp_path / "mine.spectrum").exists()


def test_an_interruption_keeps_what_was_said(
    distill: Distill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = ColourEncoder.encode_images, []

    def interrupted(self: ColourEncoder, pixels: list[np.ndarray], *, tokens: bool = False):  # type: ignore[no-untyped-def]
        calls.append(len(pixels))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, pixels, tokens=tokens)

    monkeypatch.setattr(ColourEncoder, "encode_images", interrupted)
    run = distill("-b", 8)
    assert run.code == 130
    assert f"what is done is kept in {tmp_path}/mine.spectrum.work" in run.err
    assert calls == [8, 8, 8]
    calls += [0] * 3
    assert distill("-b", 8).code == 0
    assert sum(calls[6:8]) == 14
