"""What is answered where the answer is not trusted (4.6 of the specification)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from satipatthana.arguments import require_at_least, require_batch, require_length
from satipatthana.configs.system import FallbackConfig
from satipatthana.shapes import Bool, Float


class Answers(NamedTuple):
    """One answer per sample, and which of them are the decoder's."""

    values: list[Any]
    """The decoder's row where it is trusted, what the fall-back says otherwise."""
    trusted: Bool[Tensor, " B"]
    """True where the score reaches the threshold; NaN does not."""


class Prediction(NamedTuple):
    """Numbers with how far off they may be."""

    mean: Float[Tensor, " Y"]
    variance: Float[Tensor, " Y"]


@runtime_checkable
class Fallback(Protocol):
    """Replaces the answers whose score is below the threshold."""

    def __call__(
        self, output: Float[Tensor, "B *Y"], score: Float[Tensor, "B 1"], config: FallbackConfig
    ) -> Answers:
        """`output` is the decoder's, `score` the one that `config.score` names."""
        ...


class DefaultAnswer:
    """The same answer to everything that is not trusted."""

    def __init__(self, answer: Any = "I don't know") -> None:
        self.answer = answer

    def __call__(
        self, output: Float[Tensor, "B *Y"], score: Float[Tensor, "B 1"], config: FallbackConfig
    ) -> Answers:
        trusted = trusted_mask(output, score, config)
        return Answers(
            [row if kept else self.answer for row, kept in zip(output, trusted, strict=True)],
            trusted,
        )


class MaximalVariance:
    """The answer that claims least.

    Of classes: all equally likely; each number is 1/Y, which means that both as probabilities and
    as logits. Of numbers (`targets` given): what is known without having seen the input, mean and
    variance of the training targets; a trusted row comes with `residual_variance`. Then all
    values are `Prediction`s.
    """

    def __init__(
        self, targets: Float[Tensor, "N Y"] | None = None, residual_variance: float = 0.0
    ) -> None:
        """ValueError for targets that are no batch of finite vectors."""
        require_at_least("residual_variance", residual_variance, 0.0)
        self.residual_variance = residual_variance
        self.widest: Prediction | None = None
        if targets is not None:
            require_batch("targets", targets, targets.shape[1:2] or (1,))
            self.widest = Prediction(targets.mean(dim=0), targets.var(dim=0, unbiased=False))

    def __call__(
        self, output: Float[Tensor, "B Y"], score: Float[Tensor, "B 1"], config: FallbackConfig
    ) -> Answers:
        trusted = trusted_mask(output, score, config)
        if self.widest is None:
            uniform = torch.full_like(output, 1.0 / output.shape[1])
            return Answers(list(torch.where(trusted[:, None], output, uniform)), trusted)
        require_batch("output", output, self.widest.mean.shape)
        widest = Prediction(*(number.to(output) for number in self.widest))
        return Answers(
            [
                Prediction(row, torch.full_like(row, self.residual_variance)) if kept else widest
                for row, kept in zip(output, trusted, strict=True)
            ],
            trusted,
        )


class Refusal:
    """No answer, or that of a search for what is not trusted.

    `search` is called once, with the positions of the refused samples, and returns an answer for
    each; not at all where nothing is refused. Without it the answer is None.
    """

    def __init__(self, search: Callable[[list[int]], Sequence[Any]] | None = None) -> None:
        self.search = search

    def __call__(
        self, output: Float[Tensor, "B *Y"], score: Float[Tensor, "B 1"], config: FallbackConfig
    ) -> Answers:
        """ValueError where the search returns another number of answers."""
        trusted = trusted_mask(output, score, config)
        refused = (~trusted).nonzero()[:, 0].tolist()
        found: Sequence[Any] = [None] * len(refused)
        if self.search is not None and refused:
            found = self.search(refused)
            require_length("answers of the search", found, len(refused))
        values: list[Any] = list(output)
        for position, answer in zip(refused, found, strict=True):
            values[position] = answer
        return Answers(values, trusted)


def trusted_mask(
    output: Float[Tensor, "B *Y"], score: Float[Tensor, "B 1"], config: FallbackConfig
) -> Bool[Tensor, " B"]:
    """True where the score reaches the threshold. ValueError where the two are not one batch."""
    if tuple(score.shape) != (len(output), 1):
        raise ValueError(f"score: expected the shape ({len(output)}, 1), got {tuple(score.shape)}")
    return score[:, 0] >= config.threshold
