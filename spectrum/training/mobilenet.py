"""MobileNetV2 as a plain torch module, and the quantised teacher's weights read into it."""

import re
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

STAGES = (
    # expansion, channels, repeats, stride of the first: table 2 of Sandler et al., CVPR 2018
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FEATURES = 1280
"""Channels of the last convolution, hence width of the pooled features."""
SIDE_PIXELS = 224
CLASSES = 1001
"""ImageNet's thousand, after a class 0 for background."""

LAYER = re.compile(
    r"MobilenetV2/(Conv_1|Conv|expanded_conv(?:_\d+)?/(?:expand|depthwise|project)|Logits)/"
)


class Convolution(nn.Module):
    """A convolution with bias and, unless it projects, ReLU6; padded as TensorFlow's SAME.

    SAME at stride 2 on an even side pads right and below only, which torch's symmetric padding
    cannot say.
    """

    def __init__(
        self, entering: int, leaving: int, side: int, stride: int, groups: int, bounded: bool
    ) -> None:
        super().__init__()
        self.padding = (0, 0, 0, 0)
        if side == 3:
            self.padding = (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1)
        self.convolution = nn.Conv2d(entering, leaving, side, stride, groups=groups)
        self.bounded = bounded

    def forward(self, maps: Float[Tensor, "B Cin Hin Win"]) -> Float[Tensor, "B Cout Hout Wout"]:
        made: Tensor = self.convolution(functional.pad(maps, self.padding))
        return functional.relu6(made) if self.bounded else made


class InvertedResidual(nn.Module):
    """Widen, filter each channel alone, narrow; added to its input where the shapes agree."""

    def __init__(self, entering: int, leaving: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = entering * expansion
        self.expand = None if expansion == 1 else Convolution(entering, width, 1, 1, 1, True)
        self.depthwise = Convolution(width, width, 3, stride, width, True)
        self.project = Convolution(width, leaving, 1, 1, 1, False)
        self.added = stride == 1 and entering == leaving

    def forward(self, maps: Float[Tensor, "B Cin Hin Win"]) -> Float[Tensor, "B Cout Hout Wout"]:
        widened = maps if self.expand is None else self.expand(maps)
        narrowed: Tensor = self.project(self.depthwise(widened))
        return maps + narrowed if self.added else narrowed


class MobileNetV2(nn.Module):
    """The backbone: photographs to a 7x7 grid of 1,280 local features. 2.21 M parameters.

    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018. Batch
    normalisation is folded into weights and biases.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = Convolution(3, 32, 3, 2, 1, True)
        blocks = []
        entering = 32
        for expansion, channels, repeats, stride in STAGES:
            for repeat in range(repeats):
                blocks.append(
                    InvertedResidual(entering, channels, expansion, stride if repeat == 0 else 1)
                )
                entering = channels
        self.blocks = nn.ModuleList(blocks)
        self.last = Convolution(entering, FEATURES, 1, 1, 1, True)

    def forward(self, pixels: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B F h w"]:
        """Local features, in [0, 6], of 8-bit RGB photographs of 224 x 224 pixels."""
        maps = (pixels.to(torch.float32).permute(0, 3, 1, 2) - 128.0) / 128.0
        maps = self.first(maps.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            maps = block(maps)
        made: Tensor = self.last(maps)
        return made


class Teacher(nn.Module):
    """The backbone with the ImageNet classifier that the shipped tower leaves behind."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = MobileNetV2()
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def forward(self, pixels: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B F"]:
        """Pooled features: the mean of the local ones."""
        maps: Tensor = self.backbone(pixels)
        return maps.mean(dim=(2, 3))


def dequantised_tensors(path: Path) -> dict[str, Float[Tensor, "..."]]:
    """Weights and biases of a quantised TFLite file: `LAYER.weight`, `LAYER.bias`.

    q -> scale * (q - zero point), the affine rule of Jacob et al., CVPR 2018, eq. 1. Weights come
    as torch lays them out: out, in, rows, columns.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    found: dict[str, Tensor] = {}
    for detail in interpreter.get_tensor_details():
        layers = LAYER.findall(detail["name"])
        is_bias = detail["dtype"].__name__ == "int32" and "ias" in detail["name"]
        is_weight = "weights_quant" in detail["name"]
        if not layers or not (is_bias or is_weight):
            continue
        scales, zeros = (
            detail["quantization_parameters"][key] for key in ("scales", "zero_points")
        )
        quantised = torch.from_numpy(interpreter.get_tensor(detail["index"]).copy())
        tensor = float(scales[0]) * (quantised.to(torch.float64) - int(zeros[0]))
        if is_weight:
            order = (3, 0, 1, 2) if "depthwise" in layers[-1] else (0, 3, 1, 2)
            tensor = tensor.permute(*order)
        found[f"{layers[-1]}.{'bias' if is_bias else 'weight'}"] = tensor.to(torch.float32)
    return found


def teacher(path: Path) -> Teacher:
    """The teacher with the weights of the quantised file at `path`, ready to look.

    Raises ValueError if a layer is missing from the file or has another shape.
    """
    tensors = dequantised_tensors(path)
    whole = Teacher()
    backbone = whole.backbone
    layers: dict[str, nn.Module] = {
        "Conv": backbone.first.convolution,
        "Conv_1": backbone.last.convolution,
        "Logits": whole.classifier,
    }
    for number, block in enumerate(backbone.blocks):
        prefix = "expanded_conv" + (f"_{number}" if number else "")
        for part in ("expand", "depthwise", "project"):
            convolution = getattr(block, part)
            if convolution is not None:
                layers[f"{prefix}/{part}"] = convolution.convolution
    with torch.no_grad():
        for name, layer in layers.items():
            for kind, parameter in layer.named_parameters():
                read = tensors.get(f"{name}.{kind}")
                if read is None or read.numel() != parameter.numel():
                    raise ValueError(f"{path}: no {kind} of {tuple(parameter.shape)} for {name}")
                parameter.copy_(read.reshape(parameter.shape))
    whole.to(memory_format=torch.channels_last)
    return whole.eval().requires_grad_(False)
