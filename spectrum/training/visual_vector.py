"""The visual vector: how alike two photographs look, in directions that are weighed and centred."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class VisualBalance:
    """What the visual vector's parts count for. Chosen on Caltech and clothing, image to image."""

    extractor: float = 0.3
    """The extractor's whitened directions beside the classifier's, which count for one."""
    directions: float = 1.2
    """The directions between classes, which the narrow matrix gives for nothing."""
    whitened: float = 0.5
    """From 0 (each direction varies as it does) to 1 (all vary alike)."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.whitened <= 1.0:
            raise ValueError(f"whitened must lie in [0, 1], got {self.whitened}")


class VisualVector(nn.Module):
    r"""Whitened features and directions between classes to the visual vector.

        v = unit( w * (y - c) ),   w_i = a_b lambda_i^((1-r)/2) / sqrt( sum_b lambda_j^(1-r) )

        here                     shape
        y       whitened, directions     B P, B R
        c       centre           P+R     mean of the sets' means
        lambda  variances        P+R     of the features in each direction; 1 for those of classes
        a_b     VisualBalance, by block
        r       VisualBalance.whitened

    Wholly whitened, the last directions speak as loudly as the first, which is too much; a square
    root is between (shrinkage of Jegou and Chum's whitening, ECCV 2012). The centre is taken from
    sets of different kinds: the mean of one alone is a direction that all others have in common.
    """

    centre: Tensor
    weight: Tensor

    def __init__(self, blocks: Sequence[int], balance: VisualBalance) -> None:
        super().__init__()
        self.blocks, self.balance = tuple(blocks), balance
        self.register_buffer("centre", torch.zeros(sum(blocks)))
        self.register_buffer("weight", torch.ones(sum(blocks)))

    @torch.no_grad()
    def fit(self, sets: Sequence[Float[Tensor, "_ V"]], variances: Float[Tensor, " P"]) -> None:
        """Takes the centre from sets of photographs, and the weights from the variances."""
        self.centre.copy_(torch.stack([each.mean(dim=0) for each in sets]).mean(dim=0))
        whole = torch.cat([variances, variances.new_ones(len(self.weight) - len(variances))])
        parts = torch.split(whole ** (1.0 - self.balance.whitened), list(self.blocks))
        shares = (self.balance.extractor, 1.0, self.balance.directions)
        weights = [
            share * (part / part.sum()).sqrt() for share, part in zip(shares, parts, strict=True)
        ]
        self.weight.copy_(torch.cat(weights))

    def forward(
        self, whitened: Float[Tensor, "B P"], directions: Float[Tensor, "B R"]
    ) -> Float[Tensor, "B V"]:
        """Unit vectors."""
        made = torch.cat([whitened, directions], dim=-1)
        return functional.normalize(self.weight * (made - self.centre), dim=-1)
