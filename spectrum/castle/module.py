"""CASTLE, wired: neighbourhoods in, what is to be added to each anchor out."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spectrum.arguments import require_neighbourhoods
from spectrum.castle.causal_attention import (
    causal_attention,
    causal_logits,
    causal_mask,
    mutual_mask,
)
from spectrum.castle.causal_graph import edge_weights, next_level
from spectrum.castle.config import CastleConfig
from spectrum.castle.counterfactual import (
    Intervention,
    ablated,
    counterfactual_attention,
    intervention_effects,
    mixed_attention,
    noised,
)
from spectrum.projection import NearIdentity

BLOCK = 32
"""Neighbourhoods that a processor works on at once where no gradient is asked for: few enough for
its cache, enough that the calls cost little beside the work."""


class Castle(nn.Module):
    r"""Moves an image towards the neighbours that it causally depends on: the core layer.

    The residual is Delta_b = sum_i A_0i v_i - F_0, so that F + g Delta is F at g = 0 and the
    weighted mean of the neighbourhood at g = 1. A^std of 1.3c is the last level of 1.2; E[F_j|.]
    of 1.3a is the output of 1.1a's attention, before the graph.

    Start: queries, keys and values are the features, f_theta is 0 (M = 1/2 everywhere, made up
    for by the sharpness), so 1.1a is softmax(F_i . F_j / temperature_start): the weights of alpha
    query expansion. Ten parts in a hundred of it go by way of the graph at each level, and ten
    parts in a hundred of the end are counterfactual; both shares are learned, and neither is 0,
    since gates that start at zero hardly open.
    """

    def __init__(self, config: CastleConfig) -> None:
        super().__init__()
        self.config = config
        self.query = NearIdentity(config.width, config.rank)
        self.key = NearIdentity(config.width, config.rank)
        self.value = NearIdentity(config.width, config.rank)
        last = nn.Linear(config.hidden, 1)
        self.difference_network = nn.Sequential(
            nn.Linear(config.width, config.hidden), nn.GELU(), last
        )
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()
        # Times D^(1/2) for the paper's division, and times 2 for a mask that starts at 1/2.
        sharpness = 2 * math.sqrt(config.width) / config.temperature_start
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(sharpness)))
        self.threshold_logits = nn.Parameter(_logits(config.threshold_start, config.levels))
        self.kept_share_logits = nn.Parameter(_logits(config.kept_share_start, config.levels))
        self.log_effect_temperature = nn.Parameter(
            torch.tensor(math.log(config.effect_temperature_start))
        )
        self.standard_share_logit = nn.Parameter(_logits(config.standard_share_start, 1)[0])

    def forward(
        self, features: Float[Tensor, "B M D"], member_mask: Bool[Tensor, "B M"]
    ) -> Float[Tensor, "B D"]:
        """What is to be added to each anchor, times a gate.

        `features` are the stored vectors, member 0 the anchor's own; `member_mask` is True where
        a member is real. ValueError where there is no anchor or it is not real.
        """
        require_neighbourhoods(features, member_mask, self.config.width, "CASTLE")
        whole = torch.is_grad_enabled() or features.device.type != "cpu"
        size = len(features) if whole else BLOCK
        blocks = zip(torch.split(features, size), torch.split(member_mask, size), strict=True)
        return torch.cat([self._residual(*block) for block in blocks])

    def _residual(
        self, features: Float[Tensor, "B M D"], member_mask: Bool[Tensor, "B M"]
    ) -> Float[Tensor, "B D"]:
        """Of 1.3a, the anchor's column alone: nothing else of it reaches the anchor's output."""
        given = self.intervention(features, member_mask, watched=1)
        standard = causal_attention(given.logits, member_mask)
        thresholds, kept_shares = self.threshold_logits.sigmoid(), self.kept_share_logits.sigmoid()
        for threshold, kept_share in zip(thresholds, kept_shares, strict=True):
            standard = next_level(standard, edge_weights(standard, threshold), kept_share)
        counterfactual = counterfactual_attention(
            intervention_effects(given, member_mask),
            member_mask,
            self.log_effect_temperature.exp(),
        )
        share = self.standard_share_logit.sigmoid()
        attention = mixed_attention(standard[:, :1], counterfactual, share)
        return (attention @ given.values)[:, 0] - features[:, 0]

    def influences(
        self, features: Float[Tensor, "B M D"], member_mask: Bool[Tensor, "B M"]
    ) -> Float[Tensor, "B M"]:
        """How far each member's replacement would move the anchor's output: squared distances.

        For explanations: among members 1 and up, the largest is the neighbour whose removal moves
        the result most. 0 where a member is not real. Errors as of `forward`.
        """
        require_neighbourhoods(features, member_mask, self.config.width, "CASTLE")
        given = self.intervention(features, member_mask, watched=1)
        return intervention_effects(given, member_mask)[:, :, 0]

    def intervention(
        self,
        features: Float[Tensor, "B M D"],
        member_mask: Bool[Tensor, "B M"],
        *,
        watched: int | None = None,
    ) -> Intervention:
        """Logits and values of 1.1, and what they become when each image is replaced (1.3a).

        Of the first `watched` members, which are cheaper; of all by default.
        """
        count = features.shape[1] if watched is None else watched
        if self.training and self.config.perturbation == "noise":
            replaced = noised(features, self.config.noise)
        else:
            replaced = ablated(features, member_mask)
        mask = self._mask_network()
        queries, keys, values = self._queries(features), self.key(features), self.value(features)
        replaced_queries, new_keys = self._queries(replaced[:, :count]), self.key(replaced)
        own_logits = causal_logits(
            replaced_queries, keys, causal_mask(replaced[:, :count], features, mask)
        ).expand(-1, count, -1)
        source_logits = causal_logits(
            queries[:, :count], new_keys, causal_mask(features[:, :count], replaced, mask)
        )
        none_apart = causal_mask(replaced[:1, :1], replaced[:1, :1], mask)[0]
        on_itself = (replaced_queries * new_keys[:, :count]).sum(dim=-1) / math.sqrt(
            features.shape[-1]
        )
        return Intervention(
            logits=causal_logits(queries, keys, mutual_mask(features, mask)),
            source_logits=source_logits.expand_as(own_logits),
            own_logits=own_logits.diagonal_scatter(
                (on_itself * none_apart).expand(-1, count), dim1=1, dim2=2
            ),
            values=values,
            new_values=self.value(replaced).expand_as(values),
        )

    def _mask_network(self) -> Callable[[Tensor], Tensor]:
        """f_theta; while its last layer is 0, and nothing learns, the constant that it is then."""
        last = self.difference_network[-1]
        assert isinstance(last, nn.Linear)
        if torch.is_grad_enabled() or bool(last.weight.any()):
            return self.difference_network
        return lambda apart: last.bias.expand(*apart.shape[:-1], 1)

    def _queries(self, features: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        made: Tensor = self.query(features)
        return self.log_sharpness.exp() * made


def _logits(share: float, count: int) -> Float[Tensor, " L"]:
    """What a sigmoid takes to `share`."""
    return torch.full((count,), math.log(share / (1 - share)))
