"""The image tower's backbone: two pretrained MobileNets side by side, their ends made smaller."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.ensemble import TEACHERS
from spectrum.training.mobilenet import FEATURES, Convolution, MobileNetV1, MobileNetV2, levelled
from spectrum.training.quantised import fill, products

EXTRACTOR_FEATURES = 1024
"""Channels of MobileNetV1's last convolution."""
WIDTH = EXTRACTOR_FEATURES + FEATURES
"""F, channels of the local features: the extractor's, then the classifier's."""
ENTRANCE = 32
"""Channels of each network's first convolution."""
CLASSIFIER = "other_classifier"
"""The teacher that the classifier's half starts from. The first MobileNetV2's features are as good
for captions and worse for image to image (mAP 69.6 against 70.7 on Caltech, 42.4 against 49.9 on
clothing), and lose more in eight bits."""
RANKS = (144, 192)
"""Ranks of MobileNetV1's last two pointwise convolutions, 1.6 of its 3.2 M parameters before."""


class FactorisedConvolution(nn.Module):
    """A pointwise convolution with ReLU6 whose matrix is a product of two narrow ones."""

    def __init__(self, entering: int, leaving: int, rank: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(entering, rank, 1, bias=False)
        self.widen = nn.Conv2d(rank, leaving, 1)

    def forward(self, maps: Float[Tensor, "B Cin H W"]) -> Float[Tensor, "B Cout H W"]:
        made: Tensor = functional.relu6(self.widen(self.narrow(maps)))
        return made

    @torch.no_grad()
    def approximate(
        self, whole: nn.Conv2d, entering: Float[Tensor, "B Cin H W"]
    ) -> Float[Tensor, ""]:
        r"""Takes the best factors for what enters `whole`; returns the variance they keep.

            y = W x + b  ~  U (U^T W) x + U U^T (b - m) + m

        with U the first directions of the covariance of y, and m its mean. Jaderberg et al., BMVC
        2014, with the factors fitted to responses as in Zhang et al., TPAMI 2016, section 3.1,
        before the nonlinearity.
        """
        matrix = whole.weight.flatten(1).double()
        bias = whole.bias.double() if whole.bias is not None else matrix.new_zeros(len(matrix))
        responses = entering.double().movedim(1, -1).flatten(0, -2) @ matrix.T + bias
        mean = responses.mean(dim=0)
        covariance = (responses - mean).T @ (responses - mean)
        values, directions = torch.linalg.eigh(covariance)
        kept = directions[:, -self.narrow.out_channels :]
        self.narrow.weight.copy_((kept.T @ matrix)[:, :, None, None])
        self.widen.weight.copy_(kept[:, :, None, None])
        self.widen.bias.copy_(mean + kept @ (kept.T @ (bias - mean)))  # type: ignore[union-attr]
        share: Tensor = values[-self.narrow.out_channels :].sum() / values.sum()
        return share


def convolutions(network: nn.Module) -> list[Convolution]:
    """The network's convolutions, in the order they are computed."""
    return [part for part in network.modules() if isinstance(part, Convolution)]


def early(near: MobileNetV1, far: MobileNetV2) -> tuple[nn.Sequential, nn.Sequential]:
    """What follows the first two convolutions of each network, up to where the tails start.

    The extractor's last three convolutions belong to the tails, and the classifier's last one.
    """
    first, other = convolutions(near), convolutions(far)
    return (
        nn.Sequential(first[2], *list(near.blocks)[1:-2], first[-4]),
        nn.Sequential(other[2], *list(far.blocks)[1:]),
    )


class Stems(nn.Module):
    """The early layers, frozen: photographs to both maps that the late layers start from.

    The networks' first two convolutions are of one kind and size, and both look at the same pixels:
    they are computed as one, of twice the channels, which takes little more time than one of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = Convolution(3, 2 * ENTRANCE, 3, 2, 1, True)
        self.depthwise = Convolution(2 * ENTRANCE, 2 * ENTRANCE, 3, 1, 2 * ENTRANCE, True)
        self.extractor, self.classifier = early(MobileNetV1(1.0), MobileNetV2())

    @torch.no_grad()
    def take(self, near: MobileNetV1, far: MobileNetV2) -> None:
        r"""Takes both networks' early weights.

            w x' + b = (a w) x + (b + s sum w),   x' = a x + s

        The extractor sees x = (p - 128) / 128, the classifier x' = (p - 127) / 127.5 of a pixel p:
        its first convolution is rewritten to see what the extractor's does.
        """
        pairs = zip(convolutions(near)[:2], convolutions(far)[:2], strict=True)
        for shared, (left, right) in zip((self.first, self.depthwise), pairs, strict=True):
            weight, bias = (
                torch.cat([getattr(part.convolution, name) for part in (left, right)])
                for name in ("weight", "bias")
            )
            if shared is self.first:
                bias[ENTRANCE:] += weight[ENTRANCE:].sum(dim=(1, 2, 3)) / 127.5
                weight[ENTRANCE:] *= 128.0 / 127.5
            shared.convolution.load_state_dict({"weight": weight, "bias": bias})
        for ours, theirs in zip((self.extractor, self.classifier), early(near, far), strict=True):
            ours.load_state_dict(theirs.state_dict())

    def forward(
        self, pixels: UInt8[Tensor, "B H W 3"]
    ) -> tuple[Float[Tensor, "B 512 h w"], Float[Tensor, "B 320 h w"]]:
        """Maps of one place for 32 x 32 pixels; the sides H and W are multiples of 32."""
        near, far = self.depthwise(self.first(levelled(pixels))).split(ENTRANCE, dim=1)
        return self.extractor(near), self.classifier(far)


class Tails(nn.Module):
    """The late layers, trained: both maps to local features side by side."""

    def __init__(self) -> None:
        super().__init__()
        near, far = RANKS
        self.extractor = nn.Sequential(
            FactorisedConvolution(512, EXTRACTOR_FEATURES, near),
            Convolution(EXTRACTOR_FEATURES, EXTRACTOR_FEATURES, 3, 1, EXTRACTOR_FEATURES, True),
            FactorisedConvolution(EXTRACTOR_FEATURES, EXTRACTOR_FEATURES, far),
        )
        self.classifier = Convolution(320, FEATURES, 1, 1, 1, True)

    def forward(
        self, extractor: Float[Tensor, "B 512 h w"], classifier: Float[Tensor, "B 320 h w"]
    ) -> tuple[Float[Tensor, "B 1024 h w"], Float[Tensor, "B 1280 h w"]]:
        """Local features of both backbones, in [0, 6]."""
        return self.extractor(extractor), self.classifier(classifier)


def means(parts: Sequence[Float[Tensor, "B _ h w"]]) -> Float[Tensor, "B F"]:
    """Means of local features over their places, all backbones' side by side."""
    return torch.cat([part.mean(dim=(2, 3)) for part in parts], dim=1)


def started(
    models: Path, entering: Float[Tensor, "B 512 h w"] | None = None
) -> tuple[Stems, Tails, nn.Linear]:
    """Stems and tails with the pretrained weights, and the classifier's matrix of 1,001 classes.

    `entering` holds some of the maps that enter the extractor's tail, which its factors are fitted
    to; without them the tail's factors are left as they are.
    """
    stems, tails = Stems(), Tails()
    extractor, classifier = MobileNetV1(1.0), MobileNetV2()
    classes = nn.Linear(FEATURES, 1001)
    fill(products(extractor), models / TEACHERS["extractor"].file)
    fill([*products(classifier), classes], models / TEACHERS[CLASSIFIER].file)
    wide, depthwise, last = convolutions(extractor)[-3:]
    stems.take(extractor, classifier)
    tails.classifier.load_state_dict(classifier.last.state_dict())
    tails.extractor[1].load_state_dict(depthwise.state_dict())
    if entering is not None:
        near, far = (part for part in tails.extractor if isinstance(part, FactorisedConvolution))
        with torch.no_grad():
            near.approximate(wide.convolution, entering)
            far.approximate(last.convolution, depthwise(wide(entering)))
    for part in (stems, tails):
        part.to(memory_format=torch.channels_last)
    return stems.eval().requires_grad_(False), tails, classes.requires_grad_(False)
