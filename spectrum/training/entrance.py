"""How an ONNX image tower takes its pixels: already in eight bits, two columns at a time.

Two rewritings that change no result. The tower reads a photograph once, at its widest, so what
happens there costs as much as many layers do (docs/embedded-encoder.md).
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

LEVEL = 128
"""A pixel p stands for (p - 128) / 128, as `mobilenet.levelled` says."""
LEVELLING = ("Cast", "Sub", "Div")
"""What the exporter makes of that."""


def pixels_name(model: onnx.ModelProto) -> str:
    """The name of the input: photographs, B H W 3, 8 bit."""
    name: str = model.graph.input[0].name
    return name


def first_convolution(model: onnx.ModelProto) -> onnx.NodeProto:
    """The convolution that sees the pixels. Raises ValueError if it is not 3 x 3 at stride 2."""
    convolution: onnx.NodeProto = next(node for node in model.graph.node if node.op_type == "Conv")
    said = {entry.name: list(entry.ints) for entry in convolution.attribute}
    found = (said.get("kernel_shape"), said.get("strides"), said.get("pads"))
    if found != ([3, 3], [2, 2], [0, 0, 1, 1]):
        raise ValueError(
            f"{convolution.name}: kernel, strides and padding are {found};"
            " the first convolution has to be 3 x 3 at stride 2, padded below and right"
        )
    return convolution


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same tower, whose first convolution sees squares of 2 x 2 pixels as one place.

    B H W 3 becomes B H/2 W/2 12, and 3 x 3 at stride 2 becomes 2 x 2 at stride 1, with zeros where
    a square reaches beyond. ONNX Runtime gathers patches of three channels byte by byte; with a
    multiple of four channels it computes without gathering.
    """
    convolution, name = first_convolution(model), pixels_name(model)
    weights = next(
        tensor for tensor in model.graph.initializer if tensor.name == convolution.input[1]
    )
    plain = numpy_helper.to_array(weights)  # C 3 3 3: leaving, colours, rows, columns
    whole = np.pad(plain, ((0, 0), (0, 0), (0, 1), (0, 1)))
    # leaving, colour, square's row, row in it, square's column, column in it
    squares = whole.reshape(*plain.shape[:2], 2, 2, 2, 2).transpose(0, 3, 5, 1, 2, 4)
    square = np.ascontiguousarray(squares.reshape(len(plain), 12, 2, 2))
    weights.CopyFrom(numpy_helper.from_array(square, weights.name))
    for entry in convolution.attribute:
        if entry.name in ("kernel_shape", "strides"):
            entry.ints[:] = {"kernel_shape": [2, 2], "strides": [1, 1]}[entry.name]
    for node in model.graph.node:
        node.input[:] = ["squares" if entering == name else entering for entering in node.input]
    constants = {
        "pair_shape": [0, 0, -1, 6],
        "first_row": [0],
        "second_row": [1],
        "last_row": [np.iinfo(np.int64).max],
        "rows_axis": [1],
        "two_rows": [2],
    }
    for constant, value in constants.items():
        made = numpy_helper.from_array(np.array(value, dtype=np.int64), constant)
        model.graph.initializer.append(made)
    every_second = ["last_row", "rows_axis", "two_rows"]
    steps = [
        helper.make_node("Reshape", [name, "pair_shape"], ["pairs"]),
        helper.make_node("Slice", ["pairs", "first_row", *every_second], ["upper"]),
        helper.make_node("Slice", ["pairs", "second_row", *every_second], ["lower"]),
        helper.make_node("Concat", ["upper", "lower"], ["squares"], axis=3),
    ]
    for place, node in enumerate(steps):
        model.graph.node.insert(place, node)
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def eight_bit_entrance(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same quantised tower without the way from bytes to real numbers and back.

    A pixel is its own 8-bit code, of scale 1 / 128 and zero point 128. Raises ValueError if the
    tower does not start with bytes that are levelled and quantised.
    """
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    quantise = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    dropped: list[onnx.NodeProto] = [quantise]
    kept: list[onnx.NodeProto] = []
    above = makers.get(quantise.input[0])
    while above is not None and above.op_type in (*LEVELLING, "Transpose"):
        (dropped if above.op_type in LEVELLING else kept).append(above)
        above = makers.get(above.input[0])
    if sorted(node.op_type for node in dropped[1:]) != sorted(LEVELLING):
        raise ValueError("the tower's pixels are not levelled and quantised; nothing to leave out")
    # Without those between them, what only moves pixels works on bytes.
    leading = (dropped + kept)[-1].input[0] if above is None else above.output[0]
    for node in reversed(kept):
        node.input[0] = leading
        leading = node.output[0]
    scale, zero = quantise.input[1:3]
    for tensor in graph.initializer:
        if tensor.name == scale:
            tensor.CopyFrom(numpy_helper.from_array(np.array(1.0 / LEVEL, np.float32), scale))
        if tensor.name == zero:
            tensor.CopyFrom(numpy_helper.from_array(np.array(LEVEL, np.uint8), zero))
    for node in graph.node:
        if quantise.output[0] in node.input:
            node.input[:] = [
                leading if entering == quantise.output[0] else entering for entering in node.input
            ]
    for node in dropped:
        graph.node.remove(node)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model
