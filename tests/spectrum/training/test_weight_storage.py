"""Stored weights: scales and steps by hand, and models that compute nearly what they did."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from spectrum.training.export import exported
from spectrum.training.weight_storage import channel_scales, rounded, stored_small


def outputs(model: onnx.ModelProto, entering: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"input": entering})[0])


def of_one(
    kind: str, weight: np.ndarray, order: tuple[str, ...] = ("input", "weight"), **said: int
) -> onnx.ModelProto:
    """A model of one node and one weight."""
    rows = kind == "Gather"
    axes = 4 if kind == "Conv" else 2
    entering = TensorProto.INT64 if rows else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(kind, list(order), ["output"], **said)],
        "one",
        [helper.make_tensor_value_info("input", entering, [None] * (1 if rows else axes))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [None] * axes)],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return model


def stored(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def weights(*shape: int) -> np.ndarray:
    """Rows of very different sizes, which one scale for all would flatten."""
    made = np.random.default_rng(0).normal(size=shape)
    return (made * np.logspace(-3, 0, shape[0]).reshape(-1, *[1] * (len(shape) - 1))).astype(
        np.float32
    )


def test_scales_and_steps_by_hand() -> None:
    weight = np.array([[127.0, -63.5, 0.0], [0.5, 0.25, -1.27], [0.0, 0.0, 0.0]], np.float32)
    scales = channel_scales(weight, 0)
    np.testing.assert_allclose(scales[:, 0], [1.0, 0.01, 1.0], rtol=1e-6)
    assert rounded(weight, scales).tolist() == [[127, -64, 0], [50, 25, -127], [0, 0, 0]]
    np.testing.assert_allclose(channel_scales(weight, 1)[0], [1, 0.5, 0.01], rtol=1e-6)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=6, max_size=6))
def test_no_weight_moves_by_more_than_half_a_step(values: list[float]) -> None:
    weight = np.array(values, dtype=np.float32).reshape(2, 3)
    scales = channel_scales(weight, 0)
    moved = np.abs(rounded(weight, scales) * scales - weight)
    assert (moved <= scales * 0.5001 + 1e-30).all()


@pytest.mark.parametrize(
    ("model", "entering", "axis"),
    [
        (lambda: of_one("MatMul", weights(64, 48).T.copy()), np.ones((2, 48)), 1),
        (lambda: of_one("Gemm", weights(64, 48), transB=1), np.ones((2, 48)), 0),
        (lambda: of_one("Gemm", weights(64, 48).T.copy()), np.ones((2, 48)), 1),
        (lambda: of_one("Conv", weights(64, 4, 3, 3)), np.ones((1, 4, 5, 5)), 0),
        (lambda: of_one("Gather", weights(64, 48), ("weight", "input")), np.arange(64), 0),
    ],
)
def test_each_channel_has_its_own_scale(
    model: Callable[[], onnx.ModelProto], entering: np.ndarray, axis: int
) -> None:
    whole, small = model(), stored_small(model(), "int8")
    entering = entering.astype(np.int64 if entering.ndim == 1 else np.float32)
    kept = stored(small)
    steps = next(value for value in kept.values() if value.dtype == np.int8)
    assert [size > 1 for size in kept["weight_scales"].shape].index(True) == axis
    assert np.abs(steps).max() == 127
    np.testing.assert_allclose(
        outputs(small, entering), outputs(whole, entering), rtol=0.05, atol=0.02
    )
    # A small channel is as exact as a large one: no channel's error is beyond its own size.
    first = (outputs(small, entering) - outputs(whole, entering)).reshape(-1)
    assert np.abs(first).max() < 0.02 * np.abs(outputs(whole, entering)).max()


def test_half_precision_is_the_other_storage() -> None:
    whole, small = (of_one("MatMul", weights(48, 64)) for _ in range(2))
    stored_small(small, "float16")
    assert {value.dtype for value in stored(small).values()} == {np.dtype(np.float16)}
    entering = np.ones((2, 48), dtype=np.float32)
    np.testing.assert_allclose(outputs(small, entering), outputs(whole, entering), atol=5e-3)


def test_what_is_small_or_otherwise_used_is_not_cut_to_eight_bits() -> None:
    tiny = stored(stored_small(of_one("MatMul", weights(4, 8)), "int8"))
    assert tiny["weight"].dtype == np.float32
    added = stored(stored_small(of_one("Add", weights(64, 48)), "int8"))
    assert [value.dtype for value in added.values()] == [np.dtype(np.float16)]
    left = stored(stored_small(of_one("MatMul", weights(64, 48), ("weight", "input")), "int8"))
    assert [value.dtype for value in left.values()] == [np.dtype(np.float16)]


def test_a_row_of_zeros_stays_zero() -> None:
    weight = weights(64, 48)
    weight[5] = 0
    small = stored_small(of_one("Gather", weight, ("weight", "input")), "int8")
    assert not outputs(small, np.array([5, 5])).any()


class Reader(nn.Module):
    """A table and a map, as in a text tower."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.map = nn.Embedding(300, 32), nn.Linear(32, 96)

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.map(self.table(token_ids)).mean(dim=1)
        return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_exported_network_is_a_quarter_of_its_size_and_computes_the_same(
    tmp_path: Path,
) -> None:
    reader = Reader().eval()
    ids = torch.ones((2, 7), dtype=torch.int64)
    for storage in ("float16", "int8"):
        path = tmp_path / f"{storage}.onnx"
        exported(reader, ids, {0: "batch", 1: "length"}, ["out"], path, storage=storage)
    assert (tmp_path / "int8.onnx").stat().st_size < 0.75 * (
        (tmp_path / "float16.onnx").stat().st_size
    )
    asked = torch.randint(0, 300, (5, 11), generator=torch.Generator().manual_seed(1))
    made = outputs(onnx.load(tmp_path / "int8.onnx"), asked.numpy())
    wanted = reader(asked).detach().numpy()
    cosines = (made * wanted).sum(axis=1) / np.linalg.norm(made, axis=1)
    assert (cosines / np.linalg.norm(wanted, axis=1)).min() > 0.999
