"""The towers' parts: what the equations and the docstrings promise."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from spectrum.training import export
from spectrum.training.heads import (
    CaptionHead,
    HeadShape,
    Standardised,
    TextProjection,
    Whitening,
    joined,
)
from spectrum.training.mobilenet import FEATURES, Convolution, MobileNetV2


def test_the_backbone_has_the_published_size_and_grid() -> None:
    backbone = MobileNetV2().eval()
    count = sum(parameter.numel() for parameter in backbone.parameters())
    # 2,223,872 of the usual form, whose 17,056 channels carry two numbers of batch normalisation
    # where these carry one bias.
    assert count == 2_223_872 - 17_056
    with torch.inference_mode():
        maps = backbone(torch.zeros((1, 224, 224, 3), dtype=torch.uint8))
    assert maps.shape == (1, FEATURES, 7, 7)
    assert 0.0 <= maps.min() <= maps.max() <= 6.0


def test_stride_two_pads_below_and_right_only() -> None:
    """TensorFlow's SAME on an even side: the first window starts at the first pixel."""
    layer = Convolution(1, 1, 3, 2, 1, False)
    with torch.no_grad():
        layer.convolution.weight.fill_(1.0)
        layer.convolution.bias.zero_()
        made = layer(torch.ones(1, 1, 4, 4))
    assert made[0, 0].tolist() == [[9.0, 6.0], [6.0, 4.0]]


def test_standardised_features_are_clamped() -> None:
    standardised = Standardised()
    features = np.zeros((2, FEATURES), dtype=np.float16)
    features[1] = 2.0
    standardised.fit(features)
    made = standardised(torch.full((1, FEATURES), 100.0))
    assert made.unique().tolist() == [5.0]
    assert standardised(torch.full((1, FEATURES), 2.0)).mean().item() == pytest.approx(
        1.0, abs=2e-3
    )


def test_whitened_features_have_equal_deviations() -> None:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(3000, 5, generator=generator) @ torch.randn(
        5, FEATURES, generator=generator
    )
    whitening = Whitening(5)
    whitening.fit(mixed)
    made = whitening.project(mixed)
    assert whitening.retained == pytest.approx(1.0, abs=1e-6)
    torch.testing.assert_close(made.T @ made / len(made), torch.eye(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(whitening(mixed).norm(dim=-1), torch.ones(3000))


def test_a_similarity_is_shared_between_the_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = [
        torch.nn.functional.normalize(torch.randn(3, width, generator=generator), dim=-1)
        for width in (5, 2, 5, 2)
    ]
    first, second = joined(*blocks[:2], 0.2), joined(*blocks[2:], 0.2)
    captions = (blocks[0] * blocks[2]).sum(dim=-1)
    nouns = (blocks[1] * blocks[3]).sum(dim=-1)
    torch.testing.assert_close((first * second).sum(dim=-1), 0.8 * captions + 0.2 * nouns)
    torch.testing.assert_close(first.norm(dim=-1), torch.ones(3))


def test_a_text_has_both_blocks() -> None:
    torch.manual_seed(0)
    projection = TextProjection(6, 5, 2, 0.2)
    made = projection(torch.randn(3, 6))
    torch.testing.assert_close(made[:, :5].norm(dim=-1), torch.full((3,), 0.8**0.5))
    torch.testing.assert_close(made[:, 5:].norm(dim=-1), torch.full((3,), 0.2**0.5))


def test_dropout_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), got 1.0"):
        HeadShape(dropout=1.0)


def test_the_exported_file_computes_what_the_network_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = CaptionHead(HeadShape(width=7, hidden=11)).eval()
    features = torch.randn(3, FEATURES)
    path = tmp_path / "head.onnx"
    export.exported(head, features[:2], {0: "batch"}, ["semantic"], path)
    (made,) = onnxruntime.InferenceSession(path).run(None, {"input": features.numpy()})
    np.testing.assert_allclose(made, head(features).detach().numpy(), atol=2e-3)
    count = sum(parameter.numel() for parameter in head.parameters())
    assert path.stat().st_size < 2 * count + 8_000


def test_a_table_is_cast_after_gathering(tmp_path: Path) -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(101, 13)
    path = tmp_path / "table.onnx"
    export.exported(table, torch.ones(2, 3, dtype=torch.int64), {0: "batch"}, ["rows"], path)
    rows = torch.tensor([[3, 5, 100]])
    (made,) = onnxruntime.InferenceSession(path).run(None, {"input": rows.numpy()})
    halves = table.weight.detach().half().float()
    np.testing.assert_array_equal(made, halves[rows].numpy())


def test_the_hash_depends_on_name_and_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    assert export.weights_hash(tmp_path, ["a"]) != export.weights_hash(tmp_path, ["b"])
    before = export.weights_hash(tmp_path, ["a", "b"])
    (tmp_path / "b").write_bytes(b"two")
    assert export.weights_hash(tmp_path, ["a", "b"]) != before
