"""Image networks in TFLite files: names, refusals, and a real one where it is here."""

import sys
from pathlib import Path

import numpy as np
import pytest

from spectrum.encoders import ModelUnavailableError, UnsuitableModelError
from spectrum.students.teachers import load_teacher, reads_texts
from spectrum.students.tflite_teacher import TfliteTeacher

MODELS = Path(__file__).resolve().parents[4] / "shared" / "models"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("{here}/none.tflite", "{here}/none.tflite: no such file; give a .tflite file"),
        ("{here}/m.tflite#pool", "'pool' is no tensor's number: write FILE#169"),
        ("{here}/text.tflite", "{here}/text.tflite: not a readable TFLite model"),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path: Path, model: str, said: str) -> None:
    (tmp_path / "text.tflite").write_text("no model at all")
    with pytest.raises(ModelUnavailableError) as raised:
        load_teacher(f"tflite:{model.format(here=tmp_path)}")
    assert said.format(here=tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ModelUnavailableError, match="pip install ai-edge-litert"):
        TfliteTeacher("m.tflite")


def test_without_a_file_it_is_an_unknown_encoder() -> None:
    with pytest.raises(ModelUnavailableError, match="unknown encoder 'tflite:'"):
        load_teacher("tflite:")


@pytest.mark.realdata
def test_a_real_network_and_one_of_its_inner_tensors() -> None:
    file = MODELS / "mobilenet_v2" / "mobilenet_v2_1.0_224_quant.tflite"
    if not file.is_file():
        pytest.skip("../shared/models is not here")
    whole, pooled = TfliteTeacher(str(file)), TfliteTeacher(f"{file}#169")
    assert (whole.identity.semantic_dimension, pooled.identity.semantic_dimension) == (1001, 1280)
    assert whole.identity.fingerprint != pooled.identity.fingerprint
    assert whole.side_pixels == 224
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    vectors = pooled.encode_images([pooled.prepare(image)] * 2).semantic
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not reads_texts(pooled)
    with pytest.raises(UnsuitableModelError, match="reads no texts: it only sees images"):
        pooled.encode_texts(["a dog"])
    with pytest.raises(ModelUnavailableError, match="has no tensor 99999"):
        TfliteTeacher(f"{file}#99999")
