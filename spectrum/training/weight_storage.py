"""Stores the weights of an ONNX model in fewer bytes; what is computed stays float32."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import onnx
from jaxtyping import Float32, Int8
from onnx import TensorProto, helper, numpy_helper

Storage = Literal["float16", "int8"]
SMALLEST = 64
"""Initialisers of fewer elements stay as they are: nothing is gained by storing them smaller."""
SMALLEST_INT8 = 2048
"""Of fewer elements float16 is used instead: scales would take back what eight bits save."""
HIGHEST = 127


def channel_scales(weight: Float32[np.ndarray, "..."], axis: int) -> Float32[np.ndarray, "..."]:
    """What an int8 step stands for, for each slice along `axis`: its largest magnitude / 127.

    The other axes have length 1, so scales multiply weights as they are. A slice of zeros gets 1.
    """
    others = tuple(other for other in range(weight.ndim) if other != axis % weight.ndim)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    return np.asarray(np.where(largest > 0, largest / HIGHEST, 1.0), dtype=np.float32)


def rounded(
    weight: Float32[np.ndarray, "..."], scales: Float32[np.ndarray, "..."]
) -> Int8[np.ndarray, "..."]:
    """The nearest whole numbers of steps, in [-127, 127]: symmetric, so zero stays zero."""
    return np.asarray(np.clip(np.rint(weight / scales), -HIGHEST, HIGHEST), dtype=np.int8)


def channel_axis(users: Sequence[onnx.NodeProto], name: str, dimensions: int) -> int | None:
    """The axis of a weight that numbers what it computes: output channels, or rows of a table.

    None where its users disagree or do something else with it than multiply or look up.
    """
    axes: set[int | None] = set()
    for node in users:
        place = list(node.input).index(name)
        said = {attribute.name: attribute.i for attribute in node.attribute}
        if node.op_type == "MatMul" and place == 1:
            axes.add(dimensions - 1)
        elif node.op_type == "Gemm" and place == 1:
            axes.add(0 if said.get("transB", 0) else 1)
        elif (node.op_type == "Conv" and place == 1) or (node.op_type == "Gather" and place == 0):
            axes.add(said.get("axis", 0) if node.op_type == "Gather" else 0)
        elif node.op_type == "ConvTranspose" and place == 1 and said.get("group", 1) == 1:
            axes.add(1)
        else:
            axes.add(None)
    return axes.pop() if len(axes) == 1 else None


@dataclass(kw_only=True)
class Rewriting:
    """A graph whose weights are being replaced."""

    first: list[onnx.NodeProto] = field(default_factory=list)
    """What restores weights, before all else."""
    behind: dict[int, list[onnx.NodeProto]] = field(default_factory=dict)
    """What restores looked-up rows, by the identity of the node that looks them up."""
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    """The initialisers as they are stored now."""

    def store(
        self,
        name: str,
        stored: np.ndarray,
        scales: np.ndarray | None,
        gathers: Sequence[onnx.NodeProto],
    ) -> None:
        """Keeps `stored` for the weight `name`, and what turns it into float32 where it is used.

        Rows that are only looked up are restored after the looking up, so the table stays small
        in memory too; ONNX Runtime restores everything else once, when it loads the file.
        """
        kept = name if gathers else name + "_stored"
        self.tensors.append(numpy_helper.from_array(stored, kept))
        if scales is not None:
            self.tensors.append(numpy_helper.from_array(scales, name + "_scales"))
        for node in gathers:
            made, rows = node.output[0], node.output[0] + "_scales"
            node.output[0] = made + "_stored"
            nodes = restoring(node.output[0], rows if scales is not None else None, made)
            if scales is not None:
                entering = [name + "_scales", node.input[1]]
                nodes.insert(0, helper.make_node("Gather", entering, [rows], axis=0))
            self.behind[id(node)] = nodes
        if not gathers:
            self.first += restoring(kept, name + "_scales" if scales is not None else None, name)


def restoring(stored: str, scales: str | None, made: str) -> list[onnx.NodeProto]:
    """Cast to float32 and, where there are scales, multiplication by them.

    Plain nodes, not DequantizeLinear: ONNX Runtime would keep that one and restore at each run.
    """
    if scales is None:
        return [helper.make_node("Cast", [stored], [made], to=TensorProto.FLOAT)]
    return [
        helper.make_node("Cast", [stored], [made + "_steps"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [made + "_steps", scales], [made]),
    ]


def stored_small(model: onnx.ModelProto, storage: Storage = "int8") -> onnx.ModelProto:
    """The model, changed in place, with float32 weights stored as float16 or int8.

    int8: symmetric, with a float32 scale for each output channel of MatMul, Gemm and Conv weights
    and for each row of a table; biases, norms and whatever else is small or used otherwise become
    float16. Weights that are float16 already stay so, and anything computed stays float32.
    """
    graph = model.graph
    nodes = list(graph.node)
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for entering in set(node.input):
            users.setdefault(entering, []).append(node)
    results = {output.name for output in graph.output}
    made = Rewriting()
    for tensor in graph.initializer:
        count = int(np.prod(tensor.dims))
        if tensor.data_type != TensorProto.FLOAT or count < SMALLEST or tensor.name in results:
            made.tensors.append(tensor)
            continue
        weight = numpy_helper.to_array(tensor)
        using = users.get(tensor.name, [])
        axis = channel_axis(using, tensor.name, weight.ndim)
        looked_up = all(node.op_type == "Gather" and axis == 0 for node in using)
        gathers = using if looked_up else []
        if storage == "float16" or axis is None or weight.ndim < 2 or count < SMALLEST_INT8:
            made.store(tensor.name, weight.astype(np.float16), None, gathers)
        else:
            scales = channel_scales(weight, axis)
            made.store(tensor.name, rounded(weight, scales), scales, gathers)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(made.tensors)
    graph.node.extend(made.first)
    for node in nodes:
        graph.node.append(node)
        graph.node.extend(made.behind.get(id(node), []))
    # Types recorded for intermediate values would have to change as well; nobody needs them.
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model
