"""The networks of NEXUS, each of which starts as a fixed method and learns what to add to it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def constant_start(given: int, hidden: int, value: float) -> nn.Sequential:
    """Linear, GELU, linear to one number, which is `value` before training whatever it is given."""
    last = nn.Linear(hidden, 1)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(value)
    return nn.Sequential(nn.Linear(given, hidden), nn.GELU(), last)


class FusionNetwork(nn.Module):
    """FFN of NEXUS 3.3b: the mean of both scales, plus what training adds."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.addition = nn.Sequential(
            nn.Linear(2 * width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        with torch.no_grad():
            for parameter in self.addition[2].parameters():
                parameter.zero_()

    def forward(self, joined: Float[Tensor, "*N _"]) -> Float[Tensor, "*N D"]:
        finer, coarse = joined.chunk(2, dim=-1)
        added: Tensor = self.addition(joined)
        return (finer + coarse) / 2 + added
