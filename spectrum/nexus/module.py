"""NEXUS, wired: a grid of tokens in, what is to be added to the image's vector out."""

import math
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spectrum.arguments import require_grid, require_positive, require_shape
from spectrum.nexus.config import NexusConfig
from spectrum.nexus.hierarchy import Scale, coarser, hierarchical_windows, pooled_hierarchy
from spectrum.nexus.networks import FusionNetwork, constant_start
from spectrum.nexus.sparsity import sparse_attention, sparse_mask, sparsity_threshold
from spectrum.nexus.windows import (
    DIRECTIONS,
    band,
    cross_windows,
    window_places,
    window_products,
    window_softmax,
    window_width,
)
from spectrum.projection import NearIdentity, Readout


class Windows(NamedTuple):
    """What one scale of an image was looked at with; in the order of `DIRECTIONS`."""

    widths: list[Float[Tensor, " B"]]
    """w of 3.1b-d, places."""
    thresholds: list[Float[Tensor, " B"]]
    """tau of 3.2b."""
    attentions: list[Float[Tensor, "B Y X _"]]
    """A_sparse of 3.2c."""


class Nexus(nn.Module):
    r"""Reads an image's grid of tokens once more, windows at a time: the efficient layer.

    The residual is Delta = R( mean over the tokens of HCW(X) ) - F, so that F + g Delta is F at
    g = 0 and what the grid says at g = 1. R goes from the tokens' space to the stored vector's.

    Start: queries and keys are the unit tokens, values the tokens, windows `width_start` places
    long in every image; HCW is then a mean of tokens, each with the like ones near it, over the
    scales and their fusions in equal parts. `fit_readout` starts R in closed form; before it R is
    the mean of the three directions where tokens are as wide as stored vectors, and elsewhere 0,
    with which F only gets shorter.
    """

    def __init__(self, config: NexusConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.token_width, config.hidden
        self.query = NearIdentity(width, config.rank)
        self.key = NearIdentity(width, config.rank)
        self.value = NearIdentity(width, config.rank)
        self.places = [
            window_places(direction, config.widest, config.thickness) for direction in DIRECTIONS
        ]
        self.width_networks = nn.ModuleList(
            constant_start(width, hidden, config.width_start) for _ in DIRECTIONS
        )
        threshold = config.threshold_start
        self.threshold_networks = nn.ModuleList(
            constant_start(len(places), hidden, math.log(threshold / (1 - threshold)))
            for places in self.places
        )
        # Times C^(1/2) for the division in the attention of the windows.
        sharpness = math.sqrt(width) / config.temperature_start
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(sharpness)))
        pairs = config.scales - 1
        fused = config.fusion_start if pairs else 0.0
        self.scale_weights = nn.Parameter(torch.full((config.scales,), (1 - fused) / config.scales))
        self.fusion_weights = nn.Parameter(torch.full((pairs,), fused / max(pairs, 1)))
        self.fusion_networks = nn.ModuleList(FusionNetwork(3 * width, hidden) for _ in range(pairs))
        self.readout = Readout(3 * width, config.width)

    def windows(self, grid: Float[Tensor, "B Y X C"]) -> Windows:
        """Widths, thresholds and sparse attention of one scale: 3.1b to 3.2c."""
        config = self.config
        # Some images at once stay in the processor's cache; more are slower, image by image.
        products = torch.cat([self._products(part) for part in torch.split(grid, 16)])
        of_each = torch.split(products, [len(places) for places in self.places], dim=-1)
        made = Windows([], [], [])
        for places, product, width_network, threshold_network in zip(
            self.places, of_each, self.width_networks, self.threshold_networks, strict=True
        ):
            width = window_width(grid, width_network, config.narrowest, config.widest)
            held = band(width, places, config.softness if self.training else None)
            attention = window_softmax(product, places, held)
            threshold = sparsity_threshold(attention, threshold_network)
            mask = sparse_mask(
                attention, threshold, relative=config.relative, keep_largest=config.relative
            )
            made.widths.append(width)
            made.thresholds.append(threshold)
            made.attentions.append(
                sparse_attention(attention, mask, renormalise=config.renormalise)
            )
        return made

    def _products(self, grid: Float[Tensor, "B Y X C"]) -> Float[Tensor, "B Y X _"]:
        """Logits before the windows' borders, of all directions' places in a row."""
        units = functional.normalize(grid, dim=-1)
        everywhere = [place for places in self.places for place in places]
        products = window_products(self.query(units), self.key(units), everywhere)
        return self.log_sharpness.exp() * products

    def hierarchy(self, grid: Float[Tensor, "B Y X C"]) -> Float[Tensor, "B Y X 3*C"]:
        """HCW of 3.3a. ValueError where there is no token, or tokens have another width."""
        require_grid(grid, self.config.token_width, "NEXUS")
        scales = [
            cross_windows(scale.attentions, self.value(scale.tokens), self.places)
            for scale in self.scales(grid)
        ]
        return hierarchical_windows(
            scales, self.scale_weights, self.fusion_weights, list(self.fusion_networks)
        )

    def scales(self, grid: Float[Tensor, "B Y X C"]) -> Iterator[Scale]:
        """The grid at each scale, the finest first."""
        for scale in range(self.config.scales):
            tokens = coarser(grid, 2**scale) if scale else grid
            yield Scale(self.windows(tokens).attentions, tokens)

    def pooled(self, grid: Float[Tensor, "B Y X C"]) -> Float[Tensor, "B 3*C"]:
        """The mean of `hierarchy` over the tokens, at a fraction of its cost."""
        require_grid(grid, self.config.token_width, "NEXUS")
        return pooled_hierarchy(
            list(self.scales(grid)),
            self.places,
            self.value,
            self.scale_weights,
            self.fusion_weights,
            [cast(FusionNetwork, network) for network in self.fusion_networks],
        )

    def forward(
        self, grid: Float[Tensor, "B Y X C"], features: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B D"]:
        """What is to be added to each image's vector, times a gate.

        `grid` are the image's tokens and `features` its stored vector. ValueError where there is
        no token, a width is another, or there is not one vector an image.
        """
        require_grid(grid, self.config.token_width, "NEXUS")
        require_shape(features, "features", (len(grid), self.config.width))
        read: Tensor = self.readout(self.pooled(grid))
        return read - features

    @torch.no_grad()
    def fit_readout(
        self, grid: Float[Tensor, "B Y X C"], features: Float[Tensor, "B D"], ridge: float = 0.1
    ) -> None:
        """Starts R: the linear map that predicts stored vectors best from what the grid says."""
        require_grid(grid, self.config.token_width, "NEXUS")
        require_shape(features, "features", (len(grid), self.config.width))
        require_positive(ridge, "ridge")
        self.readout.fit(self.pooled(grid), features, ridge)
