"""Eight-bit convolutions: an exported tower, calibrated on photographs."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from jaxtyping import UInt8
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from spectrum.training.entrance import eight_bit_entrance, folded

QUANTISED = ["Conv", "Add", "Clip"]
"""What is computed in eight bits. The heads stay as they are: they are small, and errors of theirs
would be errors of the vectors."""


class Photographs(CalibrationDataReader):  # type: ignore[misc]
    """Photographs one by one, as the calibration wants them."""

    def __init__(self, photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> None:
        self.left: Iterator[UInt8[np.ndarray, "_ _ 3"]] = iter(photographs)

    def get_next(self) -> dict[str, Any] | None:
        """The next photograph as the tower's input, or None after the last."""
        photograph = next(self.left, None)
        return None if photograph is None else {"input": photograph[None]}


def on_means(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions of one place, a mean over a grid: heads, and cheap as they are."""
    means = {
        output
        for node in model.graph.node
        if node.op_type in {"ReduceMean", "GlobalAveragePool"}
        for output in node.output
    }
    return [
        node.name for node in model.graph.node if node.op_type == "Conv" and node.input[0] in means
    ]


def quantise(
    exported: Path, photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]], written: Path
) -> None:
    """Writes the ONNX file `exported` with its convolutions in eight bits to `written`.

    Static: activations are 8-bit unsigned with ranges seen on `photographs`, weights 8-bit signed
    by output channel (Jacob et al., CVPR 2018). Dynamic ranges would cost five times the time of
    float32 (MobileNetV2, ONNX Runtime 1.31).
    """
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared = Path(folder) / "folded.onnx", Path(folder) / "prepared.onnx"
        onnx.save(folded(onnx.load(exported)), whole)
        # Symbolic shapes fail on the tower's concatenation, and nothing here needs them.
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(written),
            Photographs(photographs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=QUANTISED,
            nodes_to_exclude=on_means(onnx.load(prepared)),
        )
    onnx.save(eight_bit_entrance(onnx.load(written)), written)


def opened(path: Path) -> onnxruntime.InferenceSession:
    """The ONNX file at `path`, ready to run on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
