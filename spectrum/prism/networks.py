"""The networks of PRISM, each of which starts as a fixed method and learns what to add to it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spectrum.prism.config import PrismConfig


def learned_addition(given: int, hidden: int, made: int, dropout: float) -> nn.Sequential:
    """Linear, GELU, linear; 0 before training, and open to it at once: only the last layer is 0."""
    last = nn.Linear(hidden, made)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return nn.Sequential(nn.Linear(given, hidden), nn.GELU(), nn.Dropout(dropout), last)


class PromptNetwork(nn.Module):
    """FFN of PRISM 2.1d: a weighted sum of image and description, plus what training adds."""

    def __init__(self, config: PrismConfig) -> None:
        super().__init__()
        width, share = config.semantic_width, config.textual_share_start
        self.part_weights = nn.Parameter(torch.tensor([1 - share, share]))
        self.addition = learned_addition(2 * width, config.hidden, width, config.dropout)

    def forward(self, joined: Float[Tensor, "*N _"]) -> Float[Tensor, "*N S"]:
        visual, textual = joined.chunk(2, dim=-1)
        added: Tensor = self.addition(joined)
        return self.part_weights[0] * visual + self.part_weights[1] * textual + added


class IntentNetwork(nn.Module):
    """FFN of PRISM 2.3c: from the features to the intent, plus what training adds.

    A text has no visual block, so at the start only the semantic one moves: [E_T(q) - F_sem; 0].
    """

    def __init__(self, config: PrismConfig) -> None:
        super().__init__()
        self.width, self.semantic_width = config.width, config.semantic_width
        self.part_weights = nn.Parameter(torch.tensor([-1.0, 1.0]))
        self.addition = learned_addition(
            config.width + config.semantic_width, config.hidden, config.width, config.dropout
        )

    def forward(self, joined: Float[Tensor, "*N _"]) -> Float[Tensor, "*N D"]:
        semantic, intent = joined[..., : self.semantic_width], joined[..., self.width :]
        towards = self.part_weights[0] * semantic + self.part_weights[1] * intent
        added: Tensor = self.addition(joined)
        return functional.pad(towards, (0, self.width - self.semantic_width)) + added
