"""What stands on the pooled features: the caption head and the whitened visual vector."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.query_gate import QueryGate, gated

CLAMP = 5.0
"""Standard deviations beyond which a feature says no more."""


class Standardised(nn.Module):
    """Pooled features with mean 0 and deviation 1 on the training photographs, within 5."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

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

    width: int = 272
    """D, dimensions of the caption block."""
    hidden: int = 0
    """Width of the residual branch; 0 for none."""
    dropout: float = 0.6
    """Share of features and of hidden units dropped in training."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")


class CaptionHead(nn.Module):
    """From standardised features to the caption block: a linear map and maybe a small branch."""

    def __init__(self, features: int, shape: HeadShape) -> None:
        super().__init__()
        self.entering = nn.Dropout(shape.dropout)
        self.straight = nn.Linear(features, shape.width)
        self.branch = None
        if shape.hidden:
            self.branch = nn.Sequential(
                nn.Linear(features, shape.hidden),
                nn.GELU(),
                nn.Dropout(shape.dropout),
                nn.Linear(shape.hidden, shape.width),
            )

    def forward(self, standardised: Float[Tensor, "B F"]) -> Float[Tensor, "B D"]:
        entering = self.entering(standardised)
        made = self.straight(entering)
        if self.branch is not None:
            made = made + self.branch(entering)
        return functional.normalize(made, dim=-1)


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
    """From unit sentence vectors to the semantic space: one linear map for each block, and a gate.

    The gate says for each text what the noun block counts for; the images' share is fixed.
    """

    def __init__(self, sentence: int, captions: int, nouns: int, gate: QueryGate) -> None:
        super().__init__()
        self.captions = nn.Linear(sentence, captions)
        self.nouns = nn.Linear(sentence, nouns)
        self.gate = gate

    def forward(self, sentence_unit: Float[Tensor, "*B S"]) -> Float[Tensor, "*B D"]:
        captions = functional.normalize(self.captions(sentence_unit), dim=-1)
        nouns = functional.normalize(self.nouns(sentence_unit), dim=-1)
        return gated(captions, nouns, self.gate(sentence_unit))


class Whitening(nn.Module):
    """PCA of features, every direction kept at deviation 1, unit length.

    The directions of little variance carry what tells two photographs of one kind apart; whitening
    lets them speak (Jegou and Chum, ECCV 2012). Each of the `blocks` of features has directions of
    its own, as many as `widths` says: those of the better network serve image to image more
    (decision 0005).
    """

    variances: Tensor
    total: Tensor

    def __init__(self, blocks: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        self.projects = nn.ModuleList(
            nn.Linear(size, width) for size, width in zip(blocks, widths, strict=True)
        )
        self.register_buffer("variances", torch.ones(sum(widths)))
        self.register_buffer("total", torch.tensor(float(sum(widths))))

    @property
    def linear(self) -> list[nn.Linear]:
        """The map of each block of features."""
        return [project for project in self.projects if isinstance(project, nn.Linear)]

    @property
    def retained(self) -> float:
        """The share of the features' variance that the kept directions hold."""
        return float(self.variances.sum() / self.total)

    @torch.no_grad()
    def fit(
        self, standardised: Float[Tensor, "N F"], deviation: Float[Tensor, " F"] | None = None
    ) -> None:
        """Takes the directions from training features.

        They are those of the features before the standardisation, whose `deviation` is given: a
        feature that varies little in ordinary photographs is mostly noise.
        """
        ends = np.cumsum([project.out_features for project in self.linear])
        total = 0.0
        scales = torch.ones(standardised.shape[1]) if deviation is None else deviation
        parts = torch.split(standardised * scales, list(self.blocks), dim=1)
        for project, part, scale, end in zip(
            self.linear, parts, torch.split(scales, list(self.blocks)), ends, strict=True
        ):
            wide = part.double()
            mean = wide.mean(dim=0)
            values, directions = torch.linalg.eigh((wide - mean).T @ (wide - mean) / len(wide))
            width = project.out_features
            total += float(values.sum())
            values, directions = values.flip(0)[:width], directions.flip(1)[:, :width]
            self.variances[end - width : end] = values
            weight = (directions / values.sqrt()).T
            # eigh leaves each direction's sign open; fix it, so that a run repeats anywhere.
            weight *= weight.gather(1, weight.abs().argmax(dim=1, keepdim=True)).sign()
            project.weight.copy_(weight * scale)
            project.bias.copy_(-weight @ mean)
        self.total.fill_(total)

    def project(self, standardised: Float[Tensor, "*B F"]) -> Float[Tensor, "*B P"]:
        """The whitened features before they are brought to unit length."""
        parts = torch.split(standardised, list(self.blocks), dim=-1)
        return torch.cat(
            [project(part) for project, part in zip(self.projects, parts, strict=True)], dim=-1
        )

    def forward(self, standardised: Float[Tensor, "B F"]) -> Float[Tensor, "B P"]:
        return functional.normalize(self.project(standardised), dim=-1)
