"""The networks of ORACLE, each of which starts as a fixed method and learns what to add to it."""

import torch
from torch import nn


def learned_addition(given: int, hidden: int, made: int, *, bias: bool = True) -> nn.Sequential:
    """Linear, GELU, linear; 0 before training, and open to it at once: only the last layer is 0."""
    last = nn.Linear(hidden, made, bias=bias)
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.zero_()
    return nn.Sequential(nn.Linear(given, hidden), nn.GELU(), last)
