"""The towers' parts: what the equations and the docstrings promise."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from spectrum.training import export
from spectrum.training.heads import (
    CaptionHead,
    HeadShape,
    Standardised,
    TextProjection,
    Whitening,
    joined,
)
from spectrum.training.image_tower import token_heads
from spectrum.training.mobilenet import FEATURES, Convolution, MobileNetV2
from spectrum.training.query_gate import GateShape, QueryGate


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
        layer.convolution.bias = None
        made = layer(torch.ones(1, 1, 4, 4))
    assert made[0, 0].tolist() == [[9.0, 6.0], [6.0, 4.0]]


def test_standardised_features_are_clamped() -> None:
    standardised = Standardised(3)
    features = np.zeros((2, 3), dtype=np.float16)
    features[1] = 2.0
    standardised.fit(features)
    made = standardised(torch.full((1, 3), 100.0))
    assert made.unique().tolist() == [5.0]
    assert standardised(torch.full((1, 3), 2.0)).mean().item() == pytest.approx(1.0, abs=2e-3)


def test_whitened_features_have_equal_deviations_in_each_block() -> None:
    """Two blocks of 11 and 13 features, each varying in three directions."""
    generator = torch.Generator().manual_seed(0)
    parts = [
        torch.randn(3000, 3, generator=generator) @ torch.randn(3, size, generator=generator)
        for size in (11, 13)
    ]
    mixed = torch.cat(parts, dim=1)
    whitening = Whitening((11, 13), (3, 3))
    whitening.fit(mixed)
    made = whitening.project(mixed)
    assert whitening.retained == pytest.approx(1.0, abs=1e-6)
    covariance = made.T @ made / len(made)
    for block in (covariance[:3, :3], covariance[3:, 3:]):
        torch.testing.assert_close(block, torch.eye(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(whitening(mixed).norm(dim=-1), torch.ones(3000))
    # A block knows nothing of the other's features.
    moved = torch.cat([parts[0], parts[1] + 7.0], dim=1)
    torch.testing.assert_close(whitening.project(moved)[:, :3], made[:, :3])


def test_directions_are_those_of_the_features_before_standardisation() -> None:
    """The second feature varies ten times as much; alone, one direction would have either."""
    generator = torch.Generator().manual_seed(0)
    standardised = torch.randn(5000, 2, generator=generator)
    deviation = torch.tensor([1.0, 10.0])
    whitening = Whitening((2,), (1,))
    whitening.fit(standardised, deviation)
    made = whitening.project(standardised)[:, 0]
    torch.testing.assert_close(
        made.abs(), (standardised[:, 1] - standardised[:, 1].mean()).abs(), atol=0.1, rtol=0.05
    )
    assert whitening.retained == pytest.approx(100 / 101, abs=2e-3)
    assert whitening.variances.item() == pytest.approx(100.0, rel=0.05)


def test_what_was_retained_is_kept_with_the_weights() -> None:
    whitening, again = Whitening((3,), (2,)), Whitening((3,), (2,))
    whitening.fit(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)))
    again.load_state_dict(whitening.state_dict())
    assert again.retained == whitening.retained < 0.95


def test_the_variance_that_is_left_out_is_told() -> None:
    """Variances 4 and 1 in one block, 2 and 2 in the other: a direction of each keeps 6 of 9."""
    generator = torch.Generator().manual_seed(0)
    plain = torch.linalg.qr(torch.randn(999, 5, generator=generator))[0]
    orthogonal = torch.linalg.qr(plain - plain.mean(dim=0))[0][:, :4]
    whitening = Whitening((2, 2), (1, 1))
    whitening.fit(orthogonal * torch.tensor([4.0, 1.0, 2.0, 2.0]).sqrt())
    assert whitening.retained == pytest.approx(6 / 9, abs=1e-3)


def test_a_similarity_is_shared_between_the_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    captions, nouns = (
        functional.normalize(torch.randn(2, 3, width, generator=generator), dim=-1)
        for width in (5, 2)
    )
    first, second = (joined(captions[part], nouns[part], 0.2) for part in (0, 1))
    wanted = 0.8 * captions.prod(dim=0).sum(dim=-1) + 0.2 * nouns.prod(dim=0).sum(dim=-1)
    torch.testing.assert_close((first * second).sum(dim=-1), wanted)
    torch.testing.assert_close(first.norm(dim=-1), torch.ones(3))


def test_a_text_has_both_blocks_and_its_gate_weighs_them() -> None:
    torch.manual_seed(0)
    gate = QueryGate(6, GateShape(caption_share=0.2, name_share=0.6, hidden=0))
    projection = TextProjection(6, 5, 2, gate)
    sentences = functional.normalize(torch.randn(3, 6), dim=-1)
    made = projection(sentences)
    share = gate(sentences)
    torch.testing.assert_close(made[:, :5].norm(dim=-1), (1 - share).sqrt())
    torch.testing.assert_close(made[:, 5:].norm(dim=-1), share.sqrt())
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(3))
    captions = functional.normalize(projection.captions(sentences), dim=-1)
    torch.testing.assert_close(functional.normalize(made[:, :5], dim=-1), captions)


def test_token_heads_are_standardisation_and_whitening_in_one() -> None:
    """On features that are not clamped; the order of the blocks stays."""
    torch.manual_seed(0)
    features = torch.randn(500, 7) * 2.0 + 3.0
    standardised, whitening = Standardised(7), Whitening((3, 4), (2, 2))
    standardised.fit(features.numpy())
    whitening.fit(standardised(features))
    grid = torch.randn(2, 7, 5, 3) * 0.5 + 3.0
    heads = token_heads(standardised, whitening)
    parts = torch.split(grid, (3, 4), dim=1)
    made = torch.cat([head(part) for head, part in zip(heads, parts, strict=True)], dim=1)
    wanted = whitening.project(standardised(grid.permute(0, 2, 3, 1).flatten(0, 2)))
    wanted = wanted.reshape(2, 5, 3, 4).permute(0, 3, 1, 2)
    torch.testing.assert_close(made, wanted, atol=1e-4, rtol=1e-4)


def test_dropout_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), got 1.0"):
        HeadShape(dropout=1.0)


def test_the_exported_file_computes_what_the_network_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = CaptionHead(211, HeadShape(width=7, hidden=11)).eval()
    features = torch.randn(3, 211)
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
