"""Random neighbourhoods of the tests of CASTLE, and its networks as plain loops."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spectrum.projection import NearIdentity
from tests.references import harmony as loops
from tests.references.contrast import Vector, dot


def all_real(anchors: int, members: int) -> Tensor:
    return torch.ones(anchors, members, dtype=torch.bool)


def masks(*rows: str) -> Tensor:
    """A mask of members, written as rows of 1 and 0."""
    return torch.tensor([[letter == "1" for letter in row] for row in rows])


def tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def difference_network(width: int, hidden: int, *, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, 1)).double()


def looped_network(network: nn.Sequential) -> Callable[[Vector], float]:
    parameters = {name: value.tolist() for name, value in network.named_parameters()}

    def run(apart: Vector) -> float:
        hidden = loops.linear(apart, parameters["0.weight"], parameters["0.bias"])
        made = loops.linear(
            [loops.gelu(value) for value in hidden], parameters["2.weight"], parameters["2.bias"]
        )
        return made[0]

    return run


def looped_projection(projection: NearIdentity) -> Callable[[Vector], Vector]:
    down, up = projection.down.weight.tolist(), projection.up.weight.tolist()

    def run(vector: Vector) -> Vector:
        narrow = [dot(row, vector) for row in down]
        return [value + dot(row, narrow) for value, row in zip(vector, up, strict=True)]

    return run
