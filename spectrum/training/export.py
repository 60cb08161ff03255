"""Writes the trained towers as ONNX files with weights of 16 or 8 bits."""

import hashlib
import json
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from spectrum.training.weight_storage import Storage, stored_small

SMALLEST = 64
"""Initialisers of fewer elements stay as they are: nothing is gained by halving them."""


def halved(model: onnx.ModelProto, *, dimensions: int = 1) -> onnx.ModelProto:
    """The model with its float32 weights stored as float16 and cast back where they are used.

    Only weights of at least so many `dimensions`. Computation stays in float32. ONNX Runtime folds
    the casts when it loads the file; a table that is only gathered from is cast after the
    gathering, so that it stays small in memory too.
    """
    graph = model.graph
    nodes = list(graph.node)
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for entering in node.input:
            users.setdefault(entering, []).append(node)
    casts: dict[int, list[onnx.NodeProto]] = {}
    first = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        if len(tensor.dims) < dimensions:
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name)
        gathers = users.get(name, [])
        if gathers and all(node.op_type == "Gather" for node in gathers):
            for node in gathers:
                made = node.output[0]
                node.output[0] = made + "_half"
                cast = helper.make_node("Cast", [made + "_half"], [made], to=TensorProto.FLOAT)
                casts.setdefault(id(node), []).append(cast)
        else:
            half.name = name + "_half"
            first.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
        tensor.CopyFrom(half)
    del graph.node[:]
    graph.node.extend(first)
    for node in nodes:
        graph.node.append(node)
        graph.node.extend(casts.get(id(node), []))
    # Shapes recorded for intermediate values would have to be halved as well; nobody needs them.
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def exported(
    network: nn.Module,
    example: Tensor,
    axes: dict[int, str],
    outputs: list[str],
    path: Path,
    *,
    storage: Storage | Literal["float32"] = "float16",
) -> None:
    """Writes a network of one input, whose `axes` may vary, to `path`."""
    network.eval()
    program = torch.onnx.export(
        network,
        (example,),
        input_names=["input"],
        output_names=outputs,
        dynamic_shapes=({axis: torch.export.Dim(name) for axis, name in axes.items()},),
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError(f"torch made no ONNX program for {path}")
    whole = program.model_proto
    if storage == "float32":
        model = whole
    else:
        model = halved(whole) if storage == "float16" else stored_small(whole, storage)
    # Paths and stack traces of the training machine say nothing to a reader of the weights.
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    model.doc_string = ""
    path.write_bytes(model.SerializeToString(deterministic=True))


def halve_matrices(path: Path) -> None:
    """Stores the float32 matrices of a quantised file as float16; its scales stay as they are.

    A scale that is not a constant of the graph keeps ONNX Runtime from computing in eight bits.
    """
    model = halved(onnx.load(path), dimensions=2)
    path.write_bytes(model.SerializeToString(deterministic=True))


def weights_hash(folder: Path, names: list[str]) -> str:
    """BLAKE2b-128 over names, sizes and contents of files, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def write_identity(folder: Path, said: dict[str, object], names: list[str]) -> None:
    """Writes identity.json: what is `said`, and the hash of the weight files."""
    whole = {**said, "weights_hash": weights_hash(folder, names)}
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    (folder / "identity.json").write_text(text, encoding="utf-8")
