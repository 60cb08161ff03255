"""An embedded encoder in one file: the folder's encoder, or one line that says why not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spectrum.encoders import ModelUnavailableError, load_encoder
from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.encoders.weight_files import write_archive

NAMES = ["image_tower.onnx", "text_tower.onnx", "tokenizer.json", "identity.json"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("files") / "shipped.spectrum"
    write_archive(SHIPPED, NAMES, target)
    return target


def test_a_file_is_the_encoder_of_its_folder(file: Path) -> None:
    packed, shipped = load_encoder(f"embedded:{file}"), EmbeddedEncoder()
    assert packed.identity.name == f"embedded:{file}"
    assert packed.identity.fingerprint == shipped.identity.fingerprint
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for block in ("semantic", "visual"):
        vectors = [
            getattr(encoder.encode_images([encoder.prepare(image)]), block)
            for encoder in (packed, shipped)
        ]
        np.testing.assert_array_equal(*vectors)
    texts = ["a dog", "two dogs"]
    np.testing.assert_array_equal(packed.encode_texts(texts), shipped.encode_texts(texts))


def test_the_same_weights_make_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_archive(SHIPPED, NAMES, tmp_path / "again.spectrum")
    assert (tmp_path / "again.spectrum").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("left", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_named(file: Path, tmp_path: Path, left: float) -> None:
    whole = file.read_bytes()
    cut = tmp_path / "cut.spectrum"
    cut.write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(ModelUnavailableError) as raised:
        load_encoder(f"embedded:{cut}")
    assert str(raised.value) == (
        f"{cut}: not a readable encoder file (File is not a zip file); get the file again"
    )


def test_a_damaged_member_is_named_when_it_is_needed(file: Path, tmp_path: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[1_000_000:1_000_100] = bytes(100)
    damaged = tmp_path / "damaged.spectrum"
    damaged.write_bytes(whole)
    encoder = load_encoder(f"embedded:{damaged}")
    with pytest.raises(ModelUnavailableError, match="not a readable encoder file .Bad CRC-32"):
        encoder.encode_images([np.zeros((224, 224, 3), dtype=np.uint8)])


def test_a_search_in_words_loads_no_heavy_library(file: Path) -> None:
    program = (
        "import sys\n"
        "from spectrum.encoders import load_encoder\n"
        f"load_encoder('embedded:{file}').encode_texts(['a dog'])\n"
        "heavy = {'torch', 'transformers', 'scipy', 'PIL', 'onnx', 'spectrum.students'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_another_zip_is_no_encoder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    write_archive(tmp_path, ["a.txt"], tmp_path / "other.zip")
    with pytest.raises(ModelUnavailableError) as raised:
        load_encoder(f"embedded:{tmp_path / 'other.zip'}")
    assert str(raised.value) == (
        f"{tmp_path / 'other.zip'}: holds no identity.json, so it is no encoder; make it again"
        " with 'spectrum distill', or get the file again"
    )


def test_a_failed_write_leaves_the_old_file(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "old.spectrum"
    target.write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        write_archive(SHIPPED, ["identity.json", "absent.onnx"], target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
