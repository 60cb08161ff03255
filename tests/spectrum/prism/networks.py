"""The networks of PRISM as training might leave them, and as plain loops."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from spectrum.prism.networks import IntentNetwork, PromptNetwork
from spectrum.projection import NearIdentity
from tests.references import harmony as loops
from tests.references.contrast import Vector, dot

Module = TypeVar("Module", bound=nn.Module)
Network = Callable[[Vector], Vector]


def unsettle(module: Module) -> Module:
    """Every parameter moves away from where it started."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.add_(0.3 * noise)
    return module


def looped_addition(addition: nn.Sequential) -> Network:
    parameters = {name: value.tolist() for name, value in addition.named_parameters()}

    def run(joined: Vector) -> Vector:
        hidden = loops.linear(joined, parameters["0.weight"], parameters["0.bias"])
        return loops.linear(
            [loops.gelu(value) for value in hidden], parameters["3.weight"], parameters["3.bias"]
        )

    return run


def looped_prompt(network: PromptNetwork) -> Network:
    first, second = network.part_weights.tolist()

    def run(joined: Vector) -> Vector:
        half = len(joined) // 2
        added = looped_addition(network.addition)(joined)
        return [first * joined[s] + second * joined[half + s] + added[s] for s in range(half)]

    return run


def looped_intent(network: IntentNetwork) -> Network:
    first, second = network.part_weights.tolist()

    def run(joined: Vector) -> Vector:
        made = list(looped_addition(network.addition)(joined))
        for s in range(network.semantic_width):
            made[s] += first * joined[s] + second * joined[network.width + s]
        return made

    return run


def looped_projection(projection: NearIdentity) -> Network:
    down, up = projection.down.weight.tolist(), projection.up.weight.tolist()

    def run(vector: Vector) -> Vector:
        narrow = [dot(row, vector) for row in down]
        return [value + dot(row, narrow) for value, row in zip(vector, up, strict=True)]

    return run
