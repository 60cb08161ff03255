"""ORACLE, wired: objects of an image and its neighbours in, what is to be added to it out."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from spectrum.arguments import require_grid, require_positive, require_shape
from spectrum.oracle.arguments import masked_softmax, require_objects
from spectrum.oracle.branches import (
    RELATIONS,
    Branches,
    exchanged_branches,
    object_branch,
    pair_relations,
    relation_branch,
    require_pairs,
)
from spectrum.oracle.config import OracleConfig
from spectrum.oracle.context import balanced_context, context_features, context_weights
from spectrum.oracle.networks import learned_addition
from spectrum.oracle.objects import hierarchical_features, object_attention, object_features
from spectrum.projection import NearIdentity, Readout


class Oracle(nn.Module):
    r"""Reads an image as the objects that it is made of: the object layer.

    The residual is Delta = F_hier - F, of 4.1c over the objects in their context (C_final of
    4.3c); an image without objects is left as it is. `objects` describes the boxes of an image
    while its grid is in memory; `forward` then needs only these and those of its neighbours.

    Start: objects are the unit vectors that R makes of the tokens under their box, every object
    counts the same, and context is the objects most alike, itself first: so the residual is
    (1 - alpha) times about the mean of the objects less F. `fit_readout` starts R in closed form;
    before it R is the identity where tokens are as wide as stored vectors, and elsewhere 0, with
    which F only gets shorter.
    """

    def __init__(self, config: OracleConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden, related = config.width, config.hidden, config.relation_width
        self.readout = Readout(config.token_width, width)
        self.query, self.key = NearIdentity(width, config.rank), NearIdentity(width, config.rank)
        self.context_query = NearIdentity(width, config.rank)
        self.context_key = NearIdentity(width, config.rank)
        self.object_network = NearIdentity(width, config.rank)
        self.relation_network = nn.Sequential(
            nn.Linear(RELATIONS, hidden), nn.GELU(), nn.Linear(hidden, related)
        )
        self.exchange_networks = nn.ModuleList(
            learned_addition(width + related, hidden, made) for made in (width, related)
        )
        # A bias would be the same for all objects, and their softmax blind to it.
        self.importance_network = learned_addition(width + related, hidden, 1, bias=False)
        # Times D^(1/2) for the paper's division.
        sharpness = math.sqrt(width) / config.attention_temperature_start
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(sharpness)))
        self.exchange_strengths = nn.Parameter(torch.full((2,), config.exchange_start))
        self.log_context_temperature = nn.Parameter(
            torch.tensor(math.log(config.context_temperature_start))
        )
        self.image_share_logit = nn.Parameter(_logit(config.image_share_start))
        self.local_share_logit = nn.Parameter(_logit(config.local_share_start))

    def objects(
        self, grid: Float[Tensor, "B Y X C"], boxes: Float[Tensor, "B K 4"]
    ) -> Float[Tensor, "B K D"]:
        """O of 4.1a, one image at a time, unit length. ValueError for boxes outside the frame."""
        require_grid(grid, self.config.token_width, "ORACLE")
        return object_features(grid, boxes, lambda means: _unit(self.readout(means)))

    def branches(
        self,
        objects: Float[Tensor, "B K D"],
        boxes: Float[Tensor, "B K 4"],
        object_mask: Bool[Tensor, "B K"],
    ) -> Branches:
        """4.1b and 4.2: what an image's objects and their relations say of each of them."""
        queries = self.log_sharpness.exp() * self.query(objects)
        attention = object_attention(queries, self.key(objects), object_mask)
        relations = pair_relations(objects, boxes)
        apart = Branches(
            object_branch(objects, attention, self.object_network),
            relation_branch(relations, object_mask, self.relation_network),
        )
        strengths = self.exchange_strengths[0], self.exchange_strengths[1]
        return exchanged_branches(
            apart, strengths, (self.exchange_networks[0], self.exchange_networks[1])
        )

    def forward(
        self,
        objects: Float[Tensor, "B M K D"],
        boxes: Float[Tensor, "B K 4"],
        object_mask: Bool[Tensor, "B M K"],
        features: Float[Tensor, "B D"],
    ) -> Float[Tensor, "B D"]:
        """What is to be added to each anchor, times a gate.

        `objects` are those of `self.objects`, member 0 the anchor's own, and `boxes` the anchor's;
        `object_mask` is True where an object is real, so False for a member that is not real;
        `features` are the anchors' stored vectors. ValueError where there is no anchor, a width is
        another, or there is not one box, flag or vector each.
        """
        require_objects(objects, object_mask, self.config.width)
        require_pairs(objects[:, 0], boxes)
        require_shape(features, "features", (len(objects), self.config.width))
        own, own_mask = objects[:, 0], object_mask[:, 0]
        branches = self.branches(own, boxes, own_mask)
        queries = _unit(self.context_query(branches.objects))
        around, around_mask = objects[:, 1:].flatten(1, 2), object_mask[:, 1:].flatten(1, 2)
        context = balanced_context(
            self._context(queries, own, own_mask),
            self._context(queries, around, around_mask),
            around_mask.any(dim=-1),
            self.local_share_logit.sigmoid(),
        )
        important = self.importance_network(torch.cat(branches, dim=-1)).squeeze(-1)
        weights = masked_softmax(important, own_mask)
        share = self.image_share_logit.sigmoid()
        return hierarchical_features(features, context, weights, share) - features

    def _context(
        self,
        queries: Float[Tensor, "B K D"],
        objects: Float[Tensor, "B J D"],
        object_mask: Bool[Tensor, "B J"],
    ) -> Float[Tensor, "B K D"]:
        """4.3b and 4.3a over these objects: s_kl is a cosine, N(k) is all that are real."""
        scores: Tensor = queries @ _unit(self.context_key(objects)).mT
        near = object_mask[:, None].expand_as(scores)
        weights = context_weights(scores, near, self.log_context_temperature.exp())
        return context_features(weights, objects)

    @torch.no_grad()
    def fit_readout(
        self, grid: Float[Tensor, "B Y X C"], features: Float[Tensor, "B D"], ridge: float = 0.1
    ) -> None:
        """Starts R: the linear map that predicts stored vectors best from their mean token."""
        require_grid(grid, self.config.token_width, "ORACLE")
        require_shape(features, "features", (len(grid), self.config.width))
        require_positive(ridge, "ridge")
        self.readout.fit(grid.mean(dim=(1, 2)), features, ridge)


def _unit(vectors: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
    return functional.normalize(vectors, dim=-1)


def _logit(share: float) -> Float[Tensor, ""]:
    """What a sigmoid takes to `share`."""
    return torch.tensor(math.log(share / (1 - share)))
