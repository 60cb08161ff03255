"""A linear map that starts as the identity."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class NearIdentity(nn.Module):
    """x + U V x, with U at zero before training: a map that leaves the identity by a low rank.

    A full matrix of D = 768 would be 2.4 MB, thrice, and overfit tens of thousands of images.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, width, bias=False)
        with torch.no_grad():
            self.up.weight.zero_()

    def forward(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
        moved: Tensor = self.up(self.down(features))
        return features + moved
