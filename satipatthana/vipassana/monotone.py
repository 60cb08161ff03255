"""How metrics become h_static, and h_static trust, so that trust only falls as a metric worsens.

A free head bends to its voids and fails on unknowns of another kind. Here the metrics are
standardised on known samples, turned so that higher is worse, as voids tell, and weighted without
negative weights from there to the logit of trust.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from satipatthana.arguments import require_batch
from satipatthana.shapes import Float

IQR_OF_NORMAL = 1.349
"""Distance between the quartiles of a normal variable of deviation 1."""
HIGHEST_THRESHOLD = 2.0
"""The hinges of h_static start spread over so many deviations on both sides."""
FAINTEST = 0.01
"""A metric of less weight, an AUROC of 45 to 55, is not heard: its sign would be a guess."""
STEEPNESS = 2.0
"""Slope of the logit of trust far out, at the start, per deviation of all metrics together."""


class MetricProjection(nn.Module):
    """h_static from the metrics of each sample.

    Monotone: softplus(|W| m + b), hinges at learned thresholds of non-negative sums of the metrics,
    near-linear far out, so that what is ten times as strange is still told apart. A metric weighs
    at the start what it tells of the voids, and one that tells nothing is not heard (`fit`); stage
    2 goes on from there. Otherwise: GELU(W m + b).
    """

    mean: Tensor
    scale: Tensor
    sign: Tensor
    heard: Tensor

    def __init__(self, num_metrics: int, width: int, monotone: bool = True) -> None:
        super().__init__()
        self.monotone = monotone
        self.linear = nn.Linear(num_metrics, width)
        if monotone:
            # Equal weights for all metrics; the thresholds differ, so the units do not stay equal.
            nn.init.constant_(self.linear.weight, 1.0 / math.sqrt(num_metrics))
            with torch.no_grad():
                self.linear.bias.copy_(spread(width))
        self.register_buffer("mean", torch.zeros(num_metrics))
        self.register_buffer("scale", torch.ones(num_metrics))
        self.register_buffer("sign", torch.ones(num_metrics))
        self.register_buffer("heard", torch.ones(num_metrics))

    @torch.no_grad()
    def fit(self, clean: Float[Tensor, "N M"], void: Float[Tensor, "N2 M"]) -> None:
        """Learns middle and spread of the metrics from known samples, from voids which way is bad
        and, unless the projection is free, how much each metric is listened to at first.

        Middle and spread are median and quartile distance (the deviation where the quartiles
        coincide, 1 where all are equal), which a few strange samples among the known do not move.
        A metric that is no higher and no lower for voids keeps the table's way, higher is worse.
        First weights are (2 AUROC - 1)^2, together of length 1: with equal ones, the metrics that
        tell nothing drown those that tell much (on photographs an AUROC of 94.7 against 97.0), and
        stage 2 is too short to mend that. Where all are below FAINTEST, all are heard equally.
        ValueError for another number of metrics, none at all, or NaN.
        """
        num_metrics = len(self.mean)
        require_batch("clean", clean, (num_metrics,))
        require_batch("void", void, (num_metrics,))
        lower, middle, upper = clean.quantile(clean.new_tensor([0.25, 0.5, 0.75]), dim=0)
        spread_of_middle = (upper - lower) / IQR_OF_NORMAL
        scale = torch.where(spread_of_middle > 1e-6, spread_of_middle, clean.std(0, unbiased=False))
        self.mean.copy_(middle)
        self.scale.copy_(torch.where(scale > 1e-6, scale, torch.ones_like(scale)))
        higher = torch.stack([share_higher(clean[:, m], void[:, m]) for m in range(num_metrics)])
        self.sign.copy_(torch.where(higher < 0.5, -1.0, 1.0))
        telling = (2.0 * higher - 1.0).square()
        heard = telling >= FAINTEST
        if self.monotone and bool(heard.any()):
            self.heard.copy_(heard)
            weights = telling * heard
            weights = weights / torch.linalg.vector_norm(weights)
            self.linear.weight.copy_(weights.expand_as(self.linear.weight))

    def badness(self, metrics: Float[Tensor, "B M"]) -> Float[Tensor, "B M"]:
        """Deviations by which each metric is worse than usual; below 0: better; 0: not heard."""
        return self.heard * self.sign * (metrics - self.mean) / self.scale

    def forward(self, metrics: Float[Tensor, "B M"]) -> Float[Tensor, "B G"]:
        badness = self.badness(metrics)
        if self.monotone:
            return functional.softplus(
                functional.linear(badness, self.linear.weight.abs(), self.linear.bias)
            )
        return functional.gelu(self.linear(badness))


class TrustHead(nn.Module):
    """The logit of trust: a bias less a non-negative sum of h_static; free: any linear sum."""

    def __init__(self, width: int, monotone: bool = True) -> None:
        super().__init__()
        self.monotone = monotone
        self.linear = nn.Linear(width, 1)
        if monotone:
            # A sample with every metric in the middle of the known starts at trust 0.5.
            nn.init.constant_(self.linear.weight, STEEPNESS / width)
            middle = STEEPNESS * functional.softplus(spread(width)).mean()
            nn.init.constant_(self.linear.bias, float(middle))

    def forward(self, h_static: Float[Tensor, "B G"]) -> Float[Tensor, "B 1"]:
        if self.monotone:
            return functional.linear(h_static, -self.linear.weight.abs(), self.linear.bias)
        logits: Tensor = self.linear(h_static)
        return logits


def share_higher(clean: Float[Tensor, " N"], void: Float[Tensor, " N2"]) -> Float[Tensor, ""]:
    """Share of pairs in which the void's number is the higher, ties half: the AUROC."""
    ordered = clean.sort().values
    below = torch.searchsorted(ordered, void.contiguous())
    not_above = torch.searchsorted(ordered, void.contiguous(), right=True)
    return (below + not_above).to(clean.dtype).mean() / (2 * len(clean))


def spread(width: int) -> Float[Tensor, " G"]:
    """Thresholds evenly spread around 0; the one of a single unit is 0."""
    if width == 1:
        return torch.zeros(1)
    return torch.linspace(-HIGHEST_THRESHOLD, HIGHEST_THRESHOLD, width)
