"""The refiner Phi: what a state is drawn towards."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from satipatthana.configs.samatha import DrunkConfig, VicaraConfig
from satipatthana.samatha.drunkenness import Disturbable, WeightNoise
from satipatthana.shapes import Float


class Grasp(NamedTuple):
    """What of a refiner stays the same over all steps of a pass."""

    state_weight: Float[Tensor, "H D"]
    output_weight: Float[Tensor, "D H"]
    shift: Float[Tensor, "#B H"]
    """W_z z + W_m m + b."""
    centre: Float[Tensor, "#B D"]
    """z, or zero in the bare form."""
    keep: Float[Tensor, "#B H"]
    """Dropout's factors, the same over all steps, so that the steps are of one map."""


class Refiner(Disturbable):
    r"""Phi(S; z) = z + L W_2 tanh(W_s S + W_z z + W_m m + b), m the mixture of probes.

    The spectral norms of W_2, of W_s and of [W_z W_m] are at most 1, and tanh is 1-Lipschitz, so
    that Phi is L-Lipschitz in S. With L < 1 each input has one fixed point S* (Banach), and

        || S* - z ||  =  L || W_2 tanh(.) ||  <=  L sqrt(H).

    S* also keeps what z told apart. Let m be l-Lipschitz in z; it is with l = 2 R^2 / (D tau), R
    the radius of a ball around all probes, since dm/dz is 2 / (D tau) times the covariance of the
    probes under probs. For two inputs, subtract their fixed-point equations S* = z + L g(S*, z, m):

        | || dS* || - || dz || |  <=  L ( || dS* || + c || dz || ),   c = sqrt(1 + l^2), so

        (1 - L c) / (1 + L) || dz ||  <=  || dS* ||  <=  (1 + L c) / (1 - L) || dz ||.

    Where m does not change (inside a concept, at low temperature) c is 1, and L = 0.5 keeps
    distances within 1/3 and 3 times.

    Without context, or with grounded=False: Phi(S) = L W_2 tanh(W_s S + b), one fixed point for all
    inputs. lipschitz=None: no bound, L = 1.
    """

    def __init__(self, config: VicaraConfig) -> None:
        super().__init__()
        width, hidden = config.latent_dim, config.hidden_dim or config.latent_dim
        self.config = config
        self.state_weight = nn.Parameter(initial_weight(hidden, width))
        self.context_weight = nn.Parameter(initial_weight(hidden, 2 * width))
        self.output_weight = nn.Parameter(initial_weight(width, hidden))
        self.bias = nn.Parameter(0.1 * torch.randn(hidden))
        self._noise: WeightNoise | None = None

    def forward(
        self,
        state: Float[Tensor, "B D"],
        context: Mapping[str, Any] | None = None,
        grasp: Grasp | None = None,
    ) -> Float[Tensor, "B D"]:
        """Phi(S; z), or Phi(S) without context. `grasp` saves working out the rest again."""
        grasp = self.grasp(state, context) if grasp is None else grasp
        hidden = torch.tanh(self._linear("state", state, grasp.state_weight) + grasp.shift)
        hidden = hidden * grasp.keep
        if self._noise is not None:
            hidden = self._noise.dropped(hidden)
        moved = self._linear("output", hidden, grasp.output_weight)
        factor = 1.0 if self.config.lipschitz is None else self.config.lipschitz
        return grasp.centre + factor * moved

    def grasp(self, state: Float[Tensor, "B D"], context: Mapping[str, Any] | None) -> Grasp:
        """What does not change from step to step. ValueError where the context lacks an entry."""
        keep = torch.ones(len(state), len(self.bias), dtype=state.dtype, device=state.device)
        if self.training:
            keep = functional.dropout(keep, self.config.dropout)
        shift, centre = self.bias.unsqueeze(0), torch.zeros_like(state[:1])
        if context is not None and self.config.grounded:
            centre = context_entry(context, "z")
            told = torch.cat([centre, context_entry(context, "mixture")], dim=-1)
            shift = shift + self._linear("context", told, self._bounded(self.context_weight))
        return Grasp(
            state_weight=self._bounded(self.state_weight),
            output_weight=self._bounded(self.output_weight),
            shift=shift,
            centre=centre,
            keep=keep,
        )

    def disturb(self, config: DrunkConfig, batch_size: int, generator: Generator | None) -> None:
        weights = {
            "state": self.state_weight,
            "context": self.context_weight,
            "output": self.output_weight,
        }
        self._noise = WeightNoise(weights, config, batch_size, generator)

    def sober(self) -> None:
        self._noise = None

    def _linear(
        self, name: str, x: Float[Tensor, "B in"], weight: Float[Tensor, "out in"]
    ) -> Float[Tensor, "B out"]:
        if self._noise is None:
            return functional.linear(x, weight)
        return self._noise.linear(name, x, weight)

    def _bounded(self, weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        return weight if self.config.lipschitz is None else bounded(weight)


def context_entry(context: Mapping[str, Any], name: str) -> Tensor:
    """An entry of Vitakka's metadata. ValueError where it is missing."""
    if name not in context:
        raise ValueError(
            f"context: expected the entry {name!r}, got {', '.join(context) or 'none'}"
        )
    entry: Tensor = context[name]
    return entry


def initial_weight(rows: int, columns: int) -> Float[Tensor, "rows columns"]:
    """Uniform numbers of the variance at which a layer's output is as large as its input."""
    limit = math.sqrt(3.0 / columns)
    return torch.empty(rows, columns).uniform_(-limit, limit)


def bounded(weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
    """The matrix where its spectral norm is at most 1, and shrunk to it where not."""
    return weight / spectral_bound(weight).clamp(min=1.0)


def spectral_bound(weight: Float[Tensor, "out in"]) -> Float[Tensor, ""]:
    """An upper bound of the largest singular value: (sum of all to the 16th)^(1/16).

    It is never too low, which the power iteration of torch's spectral_norm is, at most n^(1/16) too
    high (1.35 at n = 128; 1.07 for random matrices), has a gradient everywhere and keeps no buffer.
    """
    size: Tensor = torch.linalg.matrix_norm(weight).clamp(min=1e-30)
    scaled = weight / size
    gram = scaled @ scaled.T if len(weight) <= weight.shape[1] else scaled.T @ scaled
    fourth_power = gram @ gram
    eighth_power = fourth_power @ fourth_power
    root: Tensor = torch.linalg.matrix_norm(eighth_power).clamp(min=1e-30) ** 0.125
    return size * root
