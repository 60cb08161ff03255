"""PRISM, wired: prompts of images, what is to be added to each anchor, and queries with intent."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from spectrum.arguments import require_neighbourhoods, require_shape
from spectrum.prism.alignment import (
    alignment_loss,
    textual_to_visual_attention,
    visual_to_textual_attention,
)
from spectrum.prism.config import PrismConfig
from spectrum.prism.mapping import (
    as_distributions,
    base_weights,
    intended_features,
    semantic_similarity,
    semantic_weights,
)
from spectrum.prism.networks import IntentNetwork, PromptNetwork
from spectrum.prism.prompt import prompt_embeddings
from spectrum.projection import NearIdentity


class Alignment(NamedTuple):
    """How the images and texts of a batch look at each other."""

    visual_to_textual: Float[Tensor, "N N"]
    """A_{V->T} of 2.2a."""
    textual_to_visual: Float[Tensor, "N N"]
    """A_{T->V} of 2.2b."""
    loss: Float[Tensor, ""]
    """L_align of 2.2c, without a weight."""


class Prism(nn.Module):
    r"""Brings what is said of images into their vectors: the context layer.

    The residual is Delta_b = sum_j W_0j [P_j; F_j,visual] - F_0: the anchor moves towards its
    neighbourhood, each member with its prompt in place of its semantic block, and weighs more the
    more alike it is described.

    Start: P is (1 - c) E^V + c E^T with c = textual_share_start, the base weights are softmax of
    similarities, and an intent moves the semantic block of a query towards the intent's vector.
    """

    def __init__(self, config: PrismConfig) -> None:
        super().__init__()
        self.config = config
        width, rank = config.semantic_width, config.rank
        self.prompt_network = PromptNetwork(config)
        self.intent_network = IntentNetwork(config)
        self.visual_query, self.visual_key = NearIdentity(width, rank), NearIdentity(width, rank)
        self.textual_query, self.textual_key = NearIdentity(width, rank), NearIdentity(width, rank)
        sharpness = math.sqrt(width) / config.alignment_temperature_start
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(sharpness)))
        self.log_base_temperature = nn.Parameter(
            torch.tensor(math.log(config.base_temperature_start))
        )
        # The inverse of softplus, which keeps gamma above 0.
        self.gain_logit = nn.Parameter(torch.tensor(math.log(math.expm1(config.gain_start))))
        self.strength = nn.Parameter(torch.tensor(config.strength_start))

    def prompts(
        self, visual: Float[Tensor, "*N S"], textual: Float[Tensor, "*N S"]
    ) -> Float[Tensor, "*N S"]:
        """P of 2.1d, one image at a time. ValueError where there is not one text an image."""
        return prompt_embeddings(visual, textual, self.prompt_network)

    def alignment(self, visual: Float[Tensor, "N S"], textual: Float[Tensor, "N S"]) -> Alignment:
        """2.2 of a batch of training, text n that of image n. ValueError as of `prompts`."""
        sharpness = self.log_sharpness.exp()
        to_text = visual_to_textual_attention(
            sharpness * self.visual_query(visual), self.textual_key(textual)
        )
        to_image = textual_to_visual_attention(
            sharpness * self.textual_query(textual), self.visual_key(visual)
        )
        loss = alignment_loss(to_text, to_image, self.config.divergence_weight)
        return Alignment(to_text, to_image, loss)

    def forward(
        self,
        features: Float[Tensor, "B M D"],
        prompts: Float[Tensor, "B M S"],
        member_mask: Bool[Tensor, "B M"],
    ) -> Float[Tensor, "B D"]:
        """What is to be added to each anchor, times a gate; 2.3a and 2.3b.

        `features` and `prompts` are the stored vectors, member 0 the anchor's own; `member_mask`
        is True where a member is real. ValueError where there is no anchor, it is not real, or
        there is not one prompt a member.
        """
        require_neighbourhoods(features, member_mask, self.config.width, "PRISM")
        width = self.config.semantic_width
        require_shape(prompts, "prompts", (*features.shape[:2], width))
        base = base_weights(features, member_mask, self.log_base_temperature.exp(), watched=1)
        gain = functional.softplus(self.gain_logit)
        similarity = semantic_similarity(prompts, watched=1)
        weights = as_distributions(semantic_weights(base, similarity, gain))
        # W [P; F_visual], without writing the members' values side by side.
        moved = torch.cat([weights @ prompts, weights @ features[..., width:]], dim=-1)
        return moved[:, 0] - features[:, 0]

    def intended(
        self,
        features: Float[Tensor, "N D"],
        intent: Float[Tensor, "N S"],
        strength: float | None = None,
    ) -> Float[Tensor, "N D"]:
        """F^q of 2.3c; `strength` in place of the learned delta, and 0 changes nothing."""
        delta = self.strength if strength is None else strength
        return intended_features(features, intent, delta, self.intent_network)
