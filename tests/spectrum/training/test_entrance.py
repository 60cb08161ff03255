"""The rewritten entrance of an ONNX tower: the same numbers, from bytes at once."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from spectrum.training.entrance import eight_bit_entrance, folded
from spectrum.training.export import exported
from spectrum.training.mobilenet import Convolution, levelled
from spectrum.training.quantisation import opened, quantise


class Entrance(nn.Module):
    """The first convolution and one behind it."""

    def __init__(self, side: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.first = Convolution(3, 16, side, stride, 1, True)
        self.second = Convolution(16, 8, 1, 1, 1, False)

    def forward(self, pixels: Tensor) -> Tensor:
        made: Tensor = self.second(self.first(levelled(pixels)))
        return made


def written(network: nn.Module, path: Path) -> Path:
    example = torch.zeros((2, 32, 64, 3), dtype=torch.uint8)
    axes = {0: "batch", 1: "rows", 2: "columns"}
    exported(network, example, axes, ["made"], path, storage="float32")
    return path


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """Noise of three shapes; both ends of the range are there."""
    random = np.random.default_rng(0)
    sizes = [(32, 32), (32, 64), (96, 32)] * 2
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def test_folding_changes_no_result(tmp_path: Path, photographs: list[np.ndarray]) -> None:
    torch.manual_seed(0)
    network = Entrance().eval()
    path = written(network, tmp_path / "whole.onnx")
    again = tmp_path / "folded.onnx"
    onnx.save(folded(onnx.load(path)), again)
    (convolution, _) = (node for node in onnx.load(again).graph.node if node.op_type == "Conv")
    said = {entry.name: list(entry.ints) for entry in convolution.attribute}
    assert (said["kernel_shape"], said["strides"]) == ([2, 2], [1, 1])
    session = opened(again)
    for photograph in photographs:
        (made,) = session.run(None, {"input": photograph[None]})
        with torch.inference_mode():
            wanted = network(torch.from_numpy(photograph[None])).numpy()
        np.testing.assert_allclose(made, wanted, atol=1e-5)


def test_another_first_convolution_is_refused(tmp_path: Path) -> None:
    path = written(Entrance(3, 1), tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"the first convolution has to be 3 x 3 at stride 2"):
        folded(onnx.load(path))


def test_a_quantised_tower_reads_bytes(tmp_path: Path, photographs: list[np.ndarray]) -> None:
    """Nothing computes in float32 before the first convolution, and the pixels' scale is exact."""
    torch.manual_seed(0)
    network = Entrance().eval()
    path, eight = written(network, tmp_path / "whole.onnx"), tmp_path / "eight.onnx"
    quantise(path, photographs, eight)
    graph = onnx.load(eight).graph
    kinds = [node.op_type for node in graph.node]
    assert not {"Cast", "Sub", "Div"} & set(kinds)
    makers = {output: node for node in graph.node for output in node.output}
    first = next(node for node in graph.node if node.op_type == "Conv")
    scale, zero = (
        numpy_helper.to_array(tensor).item()
        for name in makers[first.input[0]].input[1:3]
        for tensor in graph.initializer
        if tensor.name == name
    )
    assert (scale, zero) == (1 / 128, 128)
    session = opened(eight)
    for photograph in photographs[:3]:
        (made,) = session.run(None, {"input": photograph[None]})
        with torch.inference_mode():
            wanted = network(torch.from_numpy(photograph[None])).numpy()
        assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.999


def test_the_runtime_gathers_no_patches(tmp_path: Path, photographs: list[np.ndarray]) -> None:
    """One 8-bit convolution each, and no way back to float32 in between."""
    path, eight = written(Entrance().eval(), tmp_path / "whole.onnx"), tmp_path / "eight.onnx"
    quantise(path, photographs, eight)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(eight), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == 2
    assert kinds.count("QuantizeLinear") == 0


def test_a_tower_without_levelled_pixels_is_refused() -> None:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["pixels", "scale", "zero"], ["eight"]),
            helper.make_node("DequantizeLinear", ["eight", "scale", "zero"], ["made"]),
        ],
        "tower",
        [info("pixels", onnx.TensorProto.FLOAT, [1])],
        [info("made", onnx.TensorProto.FLOAT, [1])],
        [
            numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
            numpy_helper.from_array(np.array(3, np.uint8), "zero"),
        ],
    )
    with pytest.raises(ValueError, match="pixels are not levelled and quantised"):
        eight_bit_entrance(helper.make_model(graph))
