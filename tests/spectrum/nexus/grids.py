"""Networks of the tests of NEXUS, as training might leave them and as plain loops."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from spectrum.nexus.networks import FusionNetwork
from spectrum.projection import NearIdentity
from tests.references import harmony as loops
from tests.references.contrast import Vector, dot

Module = TypeVar("Module", bound=nn.Module)
Network = Callable[[Vector], list[float]]


def tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def unsettled(module: Module) -> Module:
    """In float64, every parameter moved away from where it started."""
    module.double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.add_(0.3 * noise)
    return module


def looped_layers(network: nn.Sequential) -> Network:
    """Linear, GELU, linear."""
    parameters = {name: value.tolist() for name, value in network.named_parameters()}

    def run(vector: Vector) -> list[float]:
        hidden = loops.linear(vector, parameters["0.weight"], parameters["0.bias"])
        biases = parameters.get("2.bias", [0.0] * len(parameters["2.weight"]))
        return loops.linear([loops.gelu(value) for value in hidden], parameters["2.weight"], biases)

    return run


def looped_number(network: nn.Sequential) -> Callable[[Vector], float]:
    run = looped_layers(network)
    return lambda vector: run(vector)[0]


def looped_fusion(network: FusionNetwork) -> Network:
    addition = looped_layers(network.addition)

    def run(joined: Vector) -> list[float]:
        half = len(joined) // 2
        return [
            (a + b) / 2 + c
            for a, b, c in zip(joined[:half], joined[half:], addition(joined), strict=True)
        ]

    return run


def looped_projection(projection: NearIdentity) -> Network:
    down, up = projection.down.weight.tolist(), projection.up.weight.tolist()

    def run(vector: Vector) -> list[float]:
        narrow = [dot(row, vector) for row in down]
        return [value + dot(row, narrow) for value, row in zip(vector, up, strict=True)]

    return run
