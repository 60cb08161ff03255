"""The story of a student: from pictures and a teacher to one file, without a network."""

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from spectrum.encoders import UnsuitableModelError, load_encoder
from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.encoders.openclip import OpenClipEncoder
from spectrum.students.knowledge import Distillation
from spectrum.students.lessons import TooFewPicturesError
from spectrum.students.report import write_report
from spectrum.students.student import distilled
from spectrum.students.teachers import load_teacher, public_name, reads_texts, size_bytes
from tests.spectrum.encoders.tiny_models import TinyModels
from tests.spectrum.students.conftest import Album
from tests.stand_ins import ColourEncoder

Make = Callable[..., Distillation]


class BlindToWords(ColourEncoder):
    """A teacher that only sees."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise UnsuitableModelError("reads no texts")


def test_a_student_of_colours(
    distillation: Make, album: Album, base: EmbeddedEncoder, tmp_path: Path
) -> None:
    teacher = ColourEncoder()
    making = distillation(teacher)
    album.ask(making)
    captions = {hash: ("a red square", "red") for hash in album.hashes[:30]}
    target = tmp_path / "colours.spectrum"
    report = distilled(making, album.hashes, captions, album.decoded, target)
    student = load_encoder(f"embedded:{target}")
    assert student.identity.fingerprint == report["student"]["fingerprint"]
    assert student.identity.fingerprint not in {
        base.identity.fingerprint,
        teacher.identity.fingerprint,
    }
    assert student.identity.semantic_dimension == 4
    assert student.identity.visual_dimension == base.identity.visual_dimension
    assert "the teacher's terms hold (Apache-2.0)" in student.identity.licence
    figures = report["images"]
    assert figures["n"] == 4
    assert figures["cosine"]["student"]["value"] > figures["cosine"]["mean_vector"]["value"]
    hashes = [hash for hash in sorted(album.hashes)[:4]]
    theirs = teacher.encode_images([teacher.prepare(album.images[hash]) for hash in hashes])
    ours = student.encode_images([student.prepare(album.images[hash]) for hash in hashes])
    seen = (ours.semantic * theirs.semantic).sum(axis=1).mean()
    assert figures["cosine"]["student"]["value"] == pytest.approx(float(seen), abs=1e-4)
    assert report["training_texts"]["pictures_with_captions"] > 0
    assert set(report["captions"]["student"]) == {"text_to_image", "image_to_text"}
    with zipfile.ZipFile(target) as archive:
        assert sorted(archive.namelist()) == [
            "MODEL_CARD.md", "identity.json", "image_tower.onnx", "text_tower.onnx",
            "tokenizer.json",
        ]  # fmt: skip
        card = archive.read("MODEL_CARD.md").decode()
    assert teacher.identity.fingerprint in card
    assert "4 held out" in card
    for path in write_report(report, tmp_path / "colours.report.html"):
        assert path.is_file()
    assert json.loads((tmp_path / "colours.report.json").read_text()) == json.loads(
        json.dumps(report)
    )
    page = (tmp_path / "colours.report.html").read_text()
    assert page.count("<polyline") == 3
    assert "http" not in page


def test_a_second_run_asks_the_teacher_nothing(
    distillation: Make, album: Album, tmp_path: Path
) -> None:
    making = distillation()
    album.ask(making)
    first = distilled(making, album.hashes, {}, album.decoded, tmp_path / "a.spectrum")
    silent = BlindToWords()
    silent.encode_texts = lambda texts: ColourEncoder().encode_texts(  # type: ignore[method-assign]
        texts if list(texts) == ["a photo"] else pytest.fail(f"asked about {texts}")
    )
    again = distilled(
        distillation(silent), album.hashes, {}, album.decoded, tmp_path / "b.spectrum"
    )
    assert again["images"] == first["images"]
    assert (tmp_path / "a.spectrum").stat().st_size > 1_000_000
    with (
        zipfile.ZipFile(tmp_path / "a.spectrum") as a,
        zipfile.ZipFile(tmp_path / "b.spectrum") as b,
    ):
        assert a.read("image_tower.onnx") == b.read("image_tower.onnx")


def test_a_teacher_without_words_gives_the_visual_vector(
    distillation: Make, album: Album, base: EmbeddedEncoder, tmp_path: Path
) -> None:
    making = distillation(BlindToWords())
    album.ask(making)
    target = tmp_path / "seen.spectrum"
    report = distilled(making, album.hashes, {}, album.decoded, target)
    student = load_encoder(f"embedded:{target}")
    assert report["student"]["taught_block"] == "visual"
    assert "texts" not in report
    assert student.identity.visual_dimension == 4
    assert student.identity.semantic_dimension == base.identity.semantic_dimension
    texts = ["a dog", "red"]
    np.testing.assert_array_equal(student.encode_texts(texts), base.encode_texts(texts))
    image = base.prepare(album.images[album.hashes[0]])
    np.testing.assert_allclose(
        student.encode_images([image]).semantic, base.encode_images([image]).semantic, atol=1e-4
    )


def test_pictures_that_vanish_before_they_are_measured_are_told_of(
    distillation: Make, album: Album, tmp_path: Path
) -> None:
    making = distillation()
    album.ask(making)
    with pytest.raises(TooFewPicturesError) as raised:
        distilled(making, album.hashes, {}, lambda hashes: iter(()), tmp_path / "x.spectrum")
    assert str(raised.value).startswith("0 of 4 held-out pictures can still be read: leave")
    assert not (tmp_path / "x.spectrum").exists()


@pytest.mark.usefixtures("no_network")
def test_an_open_clip_teacher_offline(
    distillation: Make, album: Album, tiny_models: TinyModels, tmp_path: Path
) -> None:
    name = f"open_clip:{tiny_models.open_clip_folder}"
    teacher = load_teacher(name)
    assert isinstance(teacher, OpenClipEncoder)
    assert reads_texts(teacher)
    making = distillation(teacher)
    album.ask(making)
    report = distilled(making, album.hashes, {}, album.decoded, tmp_path / "clip.spectrum")
    figures = report["images"]["centred_cosine"]
    # The mean vector's is 0. Weights are random, and colours show through them all the same.
    assert figures["student"]["value"] > 0.2
    assert report["teacher"]["bytes"] == size_bytes(name)
    folder = tiny_models.open_clip_folder
    assert size_bytes(name) == (folder / "open_clip_model.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:ViT-B-32/laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32//home/me/w.safetensors", "open_clip:ViT-B-32/w.safetensors"),
        ("open_clip:local-dir:/home/me/clip", "open_clip:local-dir:clip"),
        ("hf:/home/me/clip", "hf:clip"),
        ("hf:google/siglip-base-patch16-224", "hf:google/siglip-base-patch16-224"),
        ("tflite:/home/me/m.tflite#169", "tflite:m.tflite#169"),
    ],
)
def test_folders_of_this_machine_stay_out_of_the_file(name: str, said: str) -> None:
    assert public_name(name) == said


def test_sizes_of_names(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"1234")
    assert size_bytes(f"open_clip:ViT-B-32/{tmp_path / 'm.safetensors'}") == 4
    assert size_bytes(f"tflite:{tmp_path / 'm.safetensors'}#17") == 4
    assert size_bytes(f"hf:{tmp_path}") == 4
    assert size_bytes("open_clip:ViT-B-32/laion2b_s34b_b79k") is None
    assert (size_bytes("embedded") or 0) > 1_000_000
