"""Weights of quantised TFLite files, read back as numbers."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn


def dequantised_products(path: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution and matrix product, in the order they are computed.

    q -> scale * (q - zero point), the affine rule of Jacob et al., CVPR 2018, eq. 1, per tensor or
    per output channel. Weights come as torch lays them out: out, in, rows, columns.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}

    def plain(index: int) -> Tensor:
        said = details[index]["quantization_parameters"]
        quantised = torch.from_numpy(interpreter.get_tensor(index).copy()).to(torch.float64)
        shape = [1] * quantised.ndim
        shape[said["quantized_dimension"]] = -1
        zeros, scales = (
            torch.from_numpy(said[key]).to(torch.float64).reshape(shape)
            for key in ("zero_points", "scales")
        )
        return scales * (quantised - zeros)

    # Names of tensors differ from file to file; the order of computation is the architecture's.
    # The library tells it by this method only.
    for step in interpreter._get_ops_details():
        kind = step["op_name"]
        if kind not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            continue
        weight, bias = (plain(int(index)) for index in step["inputs"][1:3])
        if weight.ndim == 4:
            weight = weight.permute(*((3, 0, 1, 2) if kind[0] == "D" else (0, 3, 1, 2)))
        yield weight.to(torch.float32), bias.to(torch.float32)


def products(network: nn.Module) -> list[nn.Module]:
    """The network's layers with weights, in the order they were declared."""
    return [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]


@torch.no_grad()
def fill(layers: list[nn.Module], path: Path) -> None:
    """Copies a file's first weights and biases into `layers`, which it computes in this order.

    Raises ValueError if the file has fewer, or one of another size.
    """
    read = list(dequantised_products(path))
    if len(read) < len(layers):
        raise ValueError(f"{path}: {len(read)} layers with weights; {len(layers)} expected")
    for number, (layer, tensors) in enumerate(zip(layers, read, strict=False)):
        for parameter, tensor in zip(layer.parameters(), tensors, strict=True):
            if parameter.numel() != tensor.numel():
                raise ValueError(
                    f"{path}: layer {number} holds {tuple(tensor.shape)};"
                    f" {tuple(parameter.shape)} expected"
                )
            parameter.copy_(tensor.reshape(parameter.shape))
