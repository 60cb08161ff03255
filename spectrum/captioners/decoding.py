"""Sentences out of a model that only knows the next word: greedy and beam search."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Int64

END = 0
UNKNOWN = 1

Past = tuple[Float32[np.ndarray, "L N H _ e"], Float32[np.ndarray, "L N H _ e"]]
"""What the model remembers of the words so far: keys and values, N sentences."""
Step = Callable[[Past, Int64[np.ndarray, " N"]], tuple[Float32[np.ndarray, "N V"], Past]]
"""The last words of N sentences to the next ones' log-probabilities, and what is remembered."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """Words that a model put together."""

    ids: tuple[int, ...]
    """Their numbers, without the end."""
    log_prob: float
    """Natural logarithm of the sentence's probability, its end included; <= 0."""
    length: int
    """Words and end that the probability is of."""

    def likelihood(self, length_power: float) -> float:
        """log p / length^power: 0 ranks by probability alone, 1 by the words' geometric mean.

        Wu et al., 2016 (arXiv 1609.08144), eq. 14, without its constant.
        """
        return self.log_prob / math.pow(self.length, length_power)

    @property
    def mean_log_prob(self) -> float:
        """Logarithm of the geometric mean of the words' probabilities; <= 0."""
        return self.log_prob / self.length


@dataclass(frozen=True, kw_only=True)
class Search:
    """How sentences are looked for."""

    longest: int = 20
    """Words at most; a sentence that is not over by then is cut."""
    length_power: float = 0.0
    """How much longer sentences are favoured, see `Sentence.likelihood`; in [0, 1]."""


def _allowed(
    log_probs: Float32[np.ndarray, "N V"], last: Int64[np.ndarray, " N"], *, first: bool
) -> Float32[np.ndarray, "N V"]:
    """Log-probabilities without what no sentence may hold.

    Left out: the word that stands for all unknown ones, the same word twice in a row, and a
    sentence without words.
    """
    allowed = log_probs.copy()
    allowed[:, UNKNOWN] = -np.inf
    if first:
        allowed[:, END] = -np.inf
    else:
        allowed[np.arange(len(last)), last] = -np.inf
    return allowed


def _best(scores: Float32[np.ndarray, " M"], count: int) -> Int[np.ndarray, " K"]:
    """Places of the greatest, best first, ties by place; fewer where others are impossible."""
    count = min(count, len(scores))
    least = np.partition(scores, -count)[-count]
    places = np.flatnonzero((scores >= least) & (scores > -np.inf))
    return places[np.argsort(-scores[places], kind="stable")][:count]


def beam(step: Step, nothing: Past, width: int, search: Search) -> list[Sentence]:
    """All sentences that a beam of `width` finishes; greedy search's one if the width is 1.

    A sentence that ends leaves the beam, which is narrower from then on.
    """
    finished: list[Sentence] = []
    sentences: list[tuple[int, ...]] = [()]
    totals = np.zeros(1, dtype=np.float32)
    last = np.full(1, END, dtype=np.int64)
    past = nothing
    for position in range(search.longest + 1):
        log_probs, past = step(past, last)
        scores = totals[:, None] + _allowed(log_probs, last, first=position == 0)
        if position == search.longest:
            # Nothing but the end may follow, and it counts for what it costs.
            ends = [
                (ids, float(score)) for ids, score in zip(sentences, scores[:, END], strict=True)
            ]
            return finished + [
                Sentence(ids=ids, log_prob=log_prob, length=position + 1) for ids, log_prob in ends
            ]
        flat = scores.ravel()
        owners, words = np.divmod(_best(flat, width - len(finished)), scores.shape[1])
        going = words != END
        finished += [
            Sentence(ids=sentences[owner], log_prob=float(scores[owner, END]), length=position + 1)
            for owner in owners[~going]
        ]
        owners, words = owners[going], words[going]
        if not len(words):
            break
        sentences = [
            (*sentences[owner], int(word)) for owner, word in zip(owners, words, strict=True)
        ]
        totals, last = scores[owners, words], words.astype(np.int64)
        past = past[0][:, owners], past[1][:, owners]
    return finished


def decoded(step: Step, nothing: Past, width: int, search: Search) -> Sentence:
    """The likeliest sentence of a beam, or of greedy search where that is likelier still.

    A beam may drop the sentence that greedy search finds; so a wider search is never a worse one.
    Ties: greedy first, then the one that was finished first.
    """
    (best,) = beam(step, nothing, 1, search)
    if width > 1:
        best = max(
            [best, *beam(step, nothing, width, search)],
            key=lambda sentence: sentence.likelihood(search.length_power),
        )
    return best
