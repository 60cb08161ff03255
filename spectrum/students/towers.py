"""Sets a trained head on an embedded tower's ONNX graph, so that the student is one file to run."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from spectrum.students.heads import CLAMP, StudentHead

PREFIX = "base_"
"""Before every name of the embedded tower's graph, so that its outputs' names are free."""
HALVED_FROM = 64
"""Numbers that a weight has at least to be stored in float16."""


def image_student(tower: bytes, head: StudentHead, replaced: str) -> bytes:
    """The image tower with the head's vectors in place of its output `replaced`.

    `tower` has the outputs semantic, visual and tokens (channels first); the head sees
    [semantic; visual; mean of the tokens; their maximum]. `replaced` is `semantic` or `visual`;
    the other outputs stay as they are.
    """
    graph = _HeadGraph()
    entering = [PREFIX + name for name in ("semantic", "visual", "tokens")]
    for operator, name in (("GlobalAveragePool", "mean"), ("GlobalMaxPool", "maximum")):
        pooled = graph.add(operator, [entering[2]])
        entering.append(graph.add("Flatten", [pooled], leaving=name, axis=1))
    features = graph.add("Concat", [*entering[:2], *entering[3:]], axis=1)
    graph.head(features, head, replaced)
    for name in ("semantic", "visual", "tokens"):
        if name != replaced:
            graph.add("Identity", [PREFIX + name], leaving=name)
    return graph.set_on(tower, head.straight.out_features)


def text_student(tower: bytes, head: StudentHead) -> bytes:
    """The text tower with the head's vectors in place of its own; the head sees those."""
    graph = _HeadGraph()
    graph.head(PREFIX + "semantic", head, "semantic")
    return graph.set_on(tower, head.straight.out_features)


class _HeadGraph:
    """Nodes and weights of what stands on a tower. Operators that every opset since 13 has."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, operator: str, entering: list[str], *, leaving: str = "", **said: Any) -> str:
        """Adds a node of one output and returns that output's name."""
        from onnx import helper

        name = leaving or f"head_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, entering, [name], **said))
        return name

    def constant(self, values: Float32[np.ndarray, "..."], name: str, *, halved: bool) -> str:
        """Adds a weight; a halved one is stored in float16 and cast when the file is loaded."""
        from onnx import TensorProto, numpy_helper

        if not halved or values.size < HALVED_FROM:
            self.weights.append(numpy_helper.from_array(values, name))
            return name
        half = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        self.weights.append(half)
        return self.add("Cast", [half.name], leaving=name, to=TensorProto.FLOAT)

    def head(self, features: str, head: StudentHead, leaving: str) -> None:
        """Adds the head's computation; `StudentHead` says what it is."""
        mean, deviation = head.mean.numpy(), head.deviation.numpy()
        # 1 / inf is the 0 that a feature which never varied is to give.
        scale = (1.0 / deviation).astype(np.float32)
        bounds = [
            self.constant(np.array(bound, dtype=np.float32), name, halved=False)
            for bound, name in ((-CLAMP, "head_least"), (CLAMP, "head_most"))
        ]
        centred = self.add("Sub", [features, self.constant(mean, "head_mean", halved=False)])
        scaled = self.add("Mul", [centred, self.constant(scale, "head_scale", halved=False)])
        standardised = self.add("Clip", [scaled, *bounds])
        straight = self.linear(standardised, head.straight, "head_straight")
        inner = self.gelu(self.linear(standardised, head.widen, "head_widen"))
        branch = self.linear(inner, head.narrow, "head_narrow")
        made = self.add("Add", [straight, branch])
        self.add("LpNormalization", [made], leaving=leaving, axis=-1, p=2)

    def linear(self, entering: str, layer: Any, name: str) -> str:
        """A fully connected layer."""
        weight = self.constant(layer.weight.detach().numpy(), f"{name}_weight", halved=True)
        bias = self.constant(layer.bias.detach().numpy(), f"{name}_bias", halved=False)
        return self.add("Gemm", [entering, weight, bias], transB=1)

    def gelu(self, entering: str) -> str:
        """x/2 (1 + erf(x / sqrt 2)), written out: opsets before 20 have no operator for it."""
        root, one, half = (
            self.constant(np.array(value, dtype=np.float32), f"head_{name}", halved=False)
            for value, name in ((np.sqrt(0.5), "root"), (1.0, "one"), (0.5, "half"))
        )
        risen = self.add("Add", [self.add("Erf", [self.add("Mul", [entering, root])]), one])
        return self.add("Mul", [self.add("Mul", [entering, risen]), half])

    def set_on(self, tower: bytes, width: int) -> bytes:
        """The tower and this graph as one model; the replaced output is `width` wide."""
        import onnx
        from onnx import TensorProto, compose, helper

        base = compose.add_prefix(onnx.load_from_string(tower), PREFIX)
        entering = [output for output in base.graph.output if self._uses(output.name)]
        outputs = [output.name.removeprefix(PREFIX) for output in base.graph.output]
        leaving = []
        for output, name in zip(base.graph.output, outputs, strict=True):
            sides = [side.dim_param or side.dim_value for side in output.type.tensor_type.shape.dim]
            shape = sides if self._keeps(name) else [sides[0], width]
            leaving.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        graph = helper.make_graph(self.nodes, "head", entering, leaving, self.weights)
        model = helper.make_model(
            graph, opset_imports=base.opset_import, ir_version=base.ir_version
        )
        io_map = [(output.name, output.name) for output in entering]
        merged = compose.merge_models(base, model, io_map=io_map, outputs=outputs)
        onnx.checker.check_model(merged)
        return bytes(merged.SerializeToString(deterministic=True))

    def _uses(self, name: str) -> bool:
        return any(name in node.input for node in self.nodes)

    def _keeps(self, name: str) -> bool:
        return any(node.op_type == "Identity" and name in node.output for node in self.nodes)
