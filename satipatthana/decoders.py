"""The third engine: an answer from the state and from how it was reached."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from satipatthana.arguments import require_batch, require_choice, require_length
from satipatthana.configs.system import TASKS, DecoderConfig, Task
from satipatthana.heads import perceptron
from satipatthana.shapes import Float


class BaseDecoder(nn.Module, ABC):
    """S* and V_ctx in, an answer out."""

    output_dim: int
    """Y, width of the answer."""

    def __init__(self, latent_dim: int, context_dim: int, output_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.context_dim = context_dim
        self.output_dim = output_dim

    @abstractmethod
    def raw(
        self, s_star: Float[Tensor, "B D"], v_ctx: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B Y"]:
        """What the loss is taken of: logits for classification, else the answer itself."""

    def forward(
        self, s_star: Float[Tensor, "B D"], v_ctx: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B Y"]:
        """The answer. ValueError, naming the argument, for wrong shapes, empty batches and NaN."""
        return self.raw(s_star, v_ctx)

    def joined(
        self, s_star: Float[Tensor, "B D"], v_ctx: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B DC"]:
        """S* with V_ctx behind it, once both are what they should be."""
        require_batch("s_star", s_star, (self.latent_dim,))
        require_batch("v_ctx", v_ctx, (self.context_dim,))
        require_length("v_ctx", v_ctx, len(s_star))
        return torch.cat([s_star, v_ctx], dim=1)


class ConditionalDecoder(BaseDecoder):
    """A perceptron over both. Its answers are raw numbers: logits where the task is classes."""

    def __init__(
        self,
        latent_dim: int,
        context_dim: int,
        output_dim: int,
        hidden_dims: Sequence[int] = (128,),
    ) -> None:
        super().__init__(latent_dim, context_dim, output_dim)
        self.layers = perceptron(latent_dim + context_dim, hidden_dims, output_dim)

    def raw(
        self, s_star: Float[Tensor, "B D"], v_ctx: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B Y"]:
        answers: Tensor = self.layers(self.joined(s_star, v_ctx))
        return answers


class ReconstructionDecoder(ConditionalDecoder):
    """The same, to the flattened input: what does not come back is not known."""


class SoftmaxClassifier(ConditionalDecoder):
    """A linear classifier. Its answers are probabilities; `raw` gives the logits."""

    def __init__(self, latent_dim: int, context_dim: int, output_dim: int) -> None:
        super().__init__(latent_dim, context_dim, output_dim, hidden_dims=())

    def forward(
        self, s_star: Float[Tensor, "B D"], v_ctx: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B Y"]:
        return self.raw(s_star, v_ctx).softmax(dim=1)


class LinearRegressor(ConditionalDecoder):
    """A linear regressor: numbers."""

    def __init__(self, latent_dim: int, context_dim: int, output_dim: int) -> None:
        super().__init__(latent_dim, context_dim, output_dim, hidden_dims=())


class IdentityDecoder(BaseDecoder):
    """S* as it is, for those who want the scores or the states; nothing to train."""

    def __init__(self, latent_dim: int, context_dim: int) -> None:
        super().__init__(latent_dim, context_dim, latent_dim)

    def raw(
        self, s_star: Float[Tensor, "B D"], v_ctx: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B D"]:
        return self.joined(s_star, v_ctx)[:, : self.latent_dim]


def build_decoder(
    config: DecoderConfig,
    task: Task,
    latent_dim: int,
    context_dim: int,
    output_dim: int | None,
    target_dim: int,
) -> BaseDecoder:
    """The decoder of a configuration.

    `target_dim` is the width of the flattened input, which a reconstruction answers. ValueError
    for a kind that cannot do the task, or where `output_dim` is missing or contradicts the task.
    """
    require_choice("task", task, TASKS)
    if config.kind == "identity":
        return IdentityDecoder(latent_dim, context_dim)
    if config.kind in ("softmax", "linear", "reconstruction"):
        able: dict[str, Task] = {
            "softmax": "classification",
            "linear": "regression",
            "reconstruction": "reconstruction",
        }
        require_choice(f"task of the decoder {config.kind!r}", task, (able[config.kind],))
    width = answer_width(task, output_dim, target_dim)
    if config.kind == "softmax":
        return SoftmaxClassifier(latent_dim, context_dim, width)
    if config.kind == "linear":
        return LinearRegressor(latent_dim, context_dim, width)
    if config.kind == "reconstruction":
        return ReconstructionDecoder(latent_dim, context_dim, width, config.hidden_dims)
    return ConditionalDecoder(latent_dim, context_dim, width, config.hidden_dims)


def answer_width(task: Task, output_dim: int | None, target_dim: int) -> int:
    """Y: the input's width for reconstruction, else what the caller says."""
    if task == "reconstruction":
        require_choice("output_dim", output_dim, (None, target_dim))
        return target_dim
    if output_dim is None:
        raise ValueError(f"output_dim: expected the width of the answer ({task}), got None")
    return output_dim
