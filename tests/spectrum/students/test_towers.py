"""A head on the embedded tower's graph computes what torch computed."""

import numpy as np
import onnxruntime
import pytest
import torch

from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.students.heads import StudentHead
from spectrum.students.paired_encoder import base_features
from spectrum.students.towers import image_student, text_student


def random_head(inputs: np.ndarray, leaving: int) -> StudentHead:
    torch.manual_seed(0)
    head = StudentHead(inputs.shape[1], leaving, hidden=10, dropout=0.5)
    head.standardise(inputs)
    with torch.no_grad():
        head.narrow.weight.normal_()
    return head


@pytest.mark.parametrize("replaced", ["semantic", "visual"])
def test_an_image_tower_with_a_head(base: EmbeddedEncoder, replaced: str) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (5, base.side_pixels, base.side_pixels, 3), dtype=np.uint8)
    images[:, 40:90] = random.integers(0, 256, (5, 1, 1, 3), dtype=np.uint8)
    features = base_features(base, list(images))
    features[0, 0] += 1e-3
    head = random_head(features, 9)
    tower = image_student(base.files.content("image_tower.onnx"), head, replaced)
    session = onnxruntime.InferenceSession(tower, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == ["semantic", "visual", "tokens"]
    assert session.get_outputs()[names.index(replaced)].shape[1] == 9
    made = dict(zip(names, session.run(names, {session.get_inputs()[0].name: images}), strict=True))
    # Its large weights are stored in float16.
    np.testing.assert_allclose(made[replaced], head.vectors(features), atol=5e-3)
    kept = base.encode_images(list(images), tokens=True)
    other = "visual" if replaced == "semantic" else "semantic"
    np.testing.assert_allclose(made[other], getattr(kept, other), atol=1e-4)
    assert kept.tokens is not None
    np.testing.assert_allclose(made["tokens"].transpose(0, 2, 3, 1), kept.tokens, atol=1e-3)


def test_a_text_tower_with_a_head(base: EmbeddedEncoder) -> None:
    said = base.encode_texts(["a dog", "two cats on a bed", "the sea", "red"])
    head = random_head(said, 7)
    tower = text_student(base.files.content("text_tower.onnx"), head)
    session = onnxruntime.InferenceSession(tower, providers=["CPUExecutionProvider"])
    token_ids = np.array([base._tokenizer.encode("a dog").ids], dtype=np.int64)
    (made,) = session.run(["semantic"], {session.get_inputs()[0].name: token_ids})
    np.testing.assert_allclose(made, head.vectors(said[:1]), atol=5e-3)
