"""Eight-bit convolutions of a network small enough to export in a moment."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from spectrum.training.export import exported, halve_matrices
from spectrum.training.mobilenet import Convolution, levelled
from spectrum.training.quantisation import Photographs, opened, quantise


class Tiny(nn.Module):
    """Two convolutions and a head, from pixels to eleven numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Convolution(3, 16, 3, 2, 1, True)
        self.second = Convolution(16, 24, 1, 1, 1, True)
        self.head = nn.Linear(24, 11)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.second(self.first(levelled(pixels)))
        made: Tensor = self.head(maps.mean(dim=(2, 3)))
        return made


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """Twelve images of smooth colours and of two shapes."""
    random = np.random.default_rng(0)
    made = []
    for number in range(12):
        small = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        made.append(small.repeat(8 if number % 2 else 12, axis=0).repeat(8, axis=1))
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, photographs: list[np.ndarray]) -> list[Path]:
    """The network in float32, in eight bits, and in eight bits with halved matrices."""
    folder = tmp_path_factory.mktemp("quantised")
    whole, quantised, halved = (folder / f"{name}.onnx" for name in ("whole", "eight", "halved"))
    torch.manual_seed(0)
    example = torch.zeros((2, 32, 32, 3), dtype=torch.uint8)
    axes = {0: "batch", 1: "rows", 2: "columns"}
    exported(Tiny(), example, axes, ["made"], whole, storage="float32")
    quantise(whole, photographs[:8], quantised)
    halved.write_bytes(quantised.read_bytes())
    halve_matrices(halved)
    return [whole, quantised, halved]


def test_the_numbers_stay(files: list[Path], photographs: list[np.ndarray]) -> None:
    """On photographs that the ranges were not taken from."""
    sessions = [opened(file) for file in files]
    for photograph in photographs[8:]:
        whole, *others = (
            session.run(None, {"input": photograph[None]})[0][0] for session in sessions
        )
        for made in others:
            cosine = made @ whole / np.linalg.norm(made) / np.linalg.norm(whole)
            assert cosine > 0.99


def test_convolutions_are_in_eight_bits_and_the_head_is_not(files: list[Path]) -> None:
    graph = onnx.load(files[1]).graph
    makers = {output: node for node in graph.node for output in node.output}
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 2
    for node in convolutions:
        for entering in node.input[:2]:
            assert makers[entering].op_type == "DequantizeLinear"
        weight = tensors[makers[node.input[1]].input[0]]
        assert weight.data_type == onnx.TensorProto.INT8
        # A scale for each output channel.
        assert tensors[makers[node.input[1]].input[1]].dims == [weight.dims[0]]
    (head,) = (node for node in graph.node if node.op_type in {"Gemm", "MatMul"})
    assert tensors[head.input[1]].data_type == onnx.TensorProto.FLOAT


def test_halving_leaves_the_scales_alone(files: list[Path]) -> None:
    kinds = {"float32": onnx.TensorProto.FLOAT, "float16": onnx.TensorProto.FLOAT16}
    before, after = (
        {tensor.name.removesuffix("_half"): tensor for tensor in onnx.load(file).graph.initializer}
        for file in files[1:]
    )
    assert before.keys() == after.keys()
    changed = [name for name in before if before[name].data_type != after[name].data_type]
    assert [list(before[name].dims) for name in changed] in ([[11, 24]], [[24, 11]])
    assert [after[name].data_type for name in changed] == [kinds["float16"]]


def test_the_runtime_computes_the_convolutions_in_eight_bits(
    files: list[Path], tmp_path: Path
) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(files[2]), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert "Conv" not in kinds
    assert kinds.count("QLinearConv") == 2


def test_photographs_are_handed_out_one_by_one(photographs: list[np.ndarray]) -> None:
    reader = Photographs(photographs[:2])
    for wanted in photographs[:2]:
        given = reader.get_next()
        assert given is not None
        np.testing.assert_array_equal(given["input"], wanted[None])
    assert reader.get_next() is None
