"""What stands on the pooled features: the caption head and the whitened visual vector."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.mobilenet import FEATURES

CLAMP = 5.0
"""Standard deviations beyond which a feature says no more."""


class Standardised(nn.Module):
    """Pooled features with mean 0 and deviation 1 on the training photographs, within 5."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))

    def fit(self, features: Float[np.ndarray, "N F"]) -> None:
        """Takes mean and deviation from training features."""
        wide = features.astype(np.float64)
        self.mean.copy_(torch.from_numpy(wide.mean(axis=0)))
        self.deviation.copy_(torch.from_numpy(wide.std(axis=0) + 1e-3))

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B F"]:
        return ((features - self.mean) / self.deviation).clamp(-CLAMP, CLAMP)


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """Widths of the caption head."""

    width: int = 448
    """D, dimensions of the caption block."""
    hidden: int = 256
    """Width of the residual branch."""
    dropout: float = 0.5
    """Share of features and of hidden units dropped in training."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")


class CaptionHead(nn.Module):
    """From standardised features to the caption block: a linear map and a small residual branch."""

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.entering = nn.Dropout(shape.dropout)
        self.straight = nn.Linear(FEATURES, shape.width)
        self.branch = nn.Sequential(
            nn.Linear(FEATURES, shape.hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, shape.width),
        )

    def forward(self, standardised: Float[Tensor, "B F"]) -> Float[Tensor, "B D"]:
        entering = self.entering(standardised)
        return functional.normalize(self.straight(entering) + self.branch(entering), dim=-1)


def joined(
    captions_unit: Float[Tensor, "*B D"], nouns_unit: Float[Tensor, "*B N"], share: float
) -> Float[Tensor, "*B D+N"]:
    r"""A semantic vector of two blocks: what captions taught, and what names taught.

        j = [ sqrt(1 - q) c ; sqrt(q) n ],   so   j . j' = (1 - q) c.c' + q n.n'

    with q the `share`. Each block keeps what its supervision gives, where one space for both loses
    nouns to captions or captions to nouns. Unit length follows from that of the blocks.
    """
    blocks = [math.sqrt(1.0 - share) * captions_unit, math.sqrt(share) * nouns_unit]
    return torch.cat(blocks, dim=-1)


class TextProjection(nn.Module):
    """From unit sentence vectors to the semantic space: one linear map for each block."""

    def __init__(self, sentence: int, captions: int, nouns: int, share: float) -> None:
        super().__init__()
        self.captions = nn.Linear(sentence, captions)
        self.nouns = nn.Linear(sentence, nouns)
        self.share = share

    def forward(self, sentence_unit: Float[Tensor, "*B S"]) -> Float[Tensor, "*B D"]:
        captions = functional.normalize(self.captions(sentence_unit), dim=-1)
        nouns = functional.normalize(self.nouns(sentence_unit), dim=-1)
        return joined(captions, nouns, self.share)


class Whitening(nn.Module):
    """PCA of standardised features, every direction kept at deviation 1, unit length.

    The directions of little variance carry what tells two photographs of one kind apart; whitening
    lets them speak (Jegou and Chum, ECCV 2012).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(FEATURES, width)
        self.retained = 0.0

    @torch.no_grad()
    def fit(self, standardised: Float[Tensor, "N F"]) -> None:
        """Takes the directions from training features; `retained` is the variance they hold."""
        wide = standardised.double()
        mean = wide.mean(dim=0)
        covariance = (wide - mean).T @ (wide - mean) / len(wide)
        values, directions = torch.linalg.eigh(covariance)
        width = self.project.out_features
        values, directions = values.flip(0), directions.flip(1)
        self.retained = float(values[:width].sum() / values.sum())
        weight = (directions[:, :width] / values[:width].sqrt()).T
        # eigh leaves each direction's sign open; fix it, so that a run repeats on any machine.
        weight *= weight.gather(1, weight.abs().argmax(dim=1, keepdim=True)).sign()
        self.project.weight.copy_(weight)
        self.project.bias.copy_(-weight @ mean)

    def forward(self, standardised: Float[Tensor, "B F"]) -> Float[Tensor, "B P"]:
        return functional.normalize(self.project(standardised), dim=-1)
