"""MobileNets as plain torch modules, batch normalisation folded into weights and biases."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

INVERTED_STAGES = (
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
"""Channels of the last convolution, hence width of the pooled features, at any width up to 1."""
SIDE_PIXELS = 224
STRIDE = 32
"""Pixels between neighbours of the grid; an image's sides are multiples of it."""


DEPTHWISE_STAGES = (
    # channels, stride: table 1 of Howard et al., arXiv:1704.04861
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
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


def scaled(channels: int, width: float) -> int:
    """A number of channels times `width`, as the nearest multiple of 8, at least 8."""
    return max(8, int(channels * width + 4) // 8 * 8)


def levelled(pixels: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 H W"]:
    """Pixels in [-1, 1), channels first to torch and last in memory."""
    maps = (pixels.to(torch.float32).permute(0, 3, 1, 2) - 128.0) / 128.0
    return maps.contiguous(memory_format=torch.channels_last)


class MobileNetV2(nn.Module):
    """The backbone: photographs to a grid of 1,280 local features, one for 32 x 32 pixels.

    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018. Batch
    normalisation is folded into weights and biases. 2.2 M parameters at width 1, 0.7 M at 0.5.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        entering = scaled(32, width)
        self.first = Convolution(3, entering, 3, 2, 1, True)
        blocks = []
        for expansion, full, repeats, stride in INVERTED_STAGES:
            channels = scaled(full, width)
            for repeat in range(repeats):
                blocks.append(
                    InvertedResidual(entering, channels, expansion, stride if repeat == 0 else 1)
                )
                entering = channels
        self.blocks = nn.ModuleList(blocks)
        self.last = Convolution(entering, FEATURES, 1, 1, 1, True)

    def forward(self, pixels: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B F h w"]:
        """Local features, in [0, 6], of 8-bit RGB photographs whose sides are multiples of 32."""
        maps = self.first(levelled(pixels))
        for block in self.blocks:
            maps = block(maps)
        made: Tensor = self.last(maps)
        return made


class MobileNetV1(nn.Module):
    """The backbone of a detector: photographs to a grid of 1,024 times `width` local features.

    Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
    Applications", 2017. 1.8 M parameters at width 0.75.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        entering = scaled(32, width)
        self.first = Convolution(3, entering, 3, 2, 1, True)
        blocks = []
        for full, stride in DEPTHWISE_STAGES:
            channels = scaled(full, width)
            depthwise = Convolution(entering, entering, 3, stride, entering, True)
            blocks.append(nn.Sequential(depthwise, Convolution(entering, channels, 1, 1, 1, True)))
            entering = channels
        self.blocks = nn.ModuleList(blocks)
        self.features = entering

    def forward(self, pixels: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B F h w"]:
        """Local features, in [0, 6], of 8-bit RGB photographs whose sides are multiples of 32."""
        maps: Tensor = self.first(levelled(pixels))
        for block in self.blocks:
            maps = block(maps)
        return maps
