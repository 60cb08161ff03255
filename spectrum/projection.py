"""Linear maps that start as a fixed method, and learn from there."""

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


class Readout(nn.Linear):
    """From what is read off a grid of tokens to a stored vector: it starts by ridge.

    Tokens do not live in the space of stored vectors. Before `fit` it is the mean of its blocks of
    the target's width where the widths allow that, and 0 elsewhere.
    """

    def __init__(self, given: int, made: int) -> None:
        super().__init__(given, made)
        with torch.no_grad():
            self.bias.zero_()
            self.weight.zero_()
            if given % made == 0:
                blocks = given // made
                self.weight.copy_(torch.eye(made).repeat(1, blocks) / blocks)

    @torch.no_grad()
    def fit(self, read: Float[Tensor, "B P"], features: Float[Tensor, "B D"], ridge: float) -> None:
        """The weights that predict stored vectors best: least squares, in closed form.

        `ridge`, > 0, is what a squared weight costs, over the mean squared deviation of `read`.
        """
        middle, target = read.double().mean(dim=0), features.double().mean(dim=0)
        apart = read.double() - middle
        gram = apart.mT @ apart / len(read)
        penalty = ridge * gram.diagonal().mean().clamp(min=torch.finfo(torch.float64).tiny)
        eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        moments = apart.mT @ (features.double() - target) / len(read)
        weights = torch.linalg.solve(gram + penalty * eye, moments)
        self.weight.copy_(weights.mT)
        self.bias.copy_(target - middle @ weights)
