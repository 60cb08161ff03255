"""Captions with a word swapped, as rows of a word table: what the company network learns from."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from retrieval.rejection.voids import TextVoids, nouns_of
from retrieval.rejection.words import WordSupport, words_of

if TYPE_CHECKING:
    from retrieval.rejection.company_training import Examples

KINDS = (0.5, 0.12, 0.23, 0.15)
"""Shares of sentences that are left alone, and that get a word which no caption holds, one that few
hold, and one that many hold."""


@dataclass(frozen=True, kw_only=True)
class Swaps:
    """What sentences are drawn from."""

    sentences: list[list[int]]
    """Rows of the word table, from 1."""
    counts: list[list[float]]
    """log(1 + n) / 4 of each word, n captions of other images hold it."""
    places: list[list[int]]
    """Of each sentence's nouns."""
    pools: tuple[list[int], list[int], list[int]]
    """Rows of words that none, few and many captions hold."""
    weights: np.ndarray[Any, np.dtype[np.float64]]
    """How often each word of the last pool is drawn."""
    count_of: Mapping[int, float]
    """Row -> log(1 + n) / 4."""

    @classmethod
    def of(
        cls,
        captions: Sequence[str],
        images: Int64[np.ndarray, " T"],
        words: Sequence[str],
        voids: TextVoids,
        support: WordSupport,
    ) -> "Swaps":
        """Of captions and the image that each belongs to (-1: to none that is known)."""
        rows = {word: row + 1 for row, word in enumerate(words)}
        held_by: dict[int, Counter[str]] = defaultdict(Counter)
        spelled = [words_of(caption) for caption in captions]
        own = [image if image >= 0 else -2 - i for i, image in enumerate(images.tolist())]
        for image, sentence in zip(own, spelled, strict=True):
            held_by[image].update(set(sentence))
        kept = [(i, s) for i, s in zip(own, spelled, strict=True) if s]
        counts = [
            [_level(support.holding[word] - held_by[image][word]) for word in sentence]
            for image, sentence in kept
        ]
        nouns = nouns_of(captions)
        common = sorted(voids.common)
        weights = np.sqrt([nouns[word] for word in common])
        return cls(
            sentences=[[rows[word] for word in sentence] for _, sentence in kept],
            counts=counts,
            places=[
                [i for i, word in enumerate(sentence[:24]) if word in voids.common]
                for _, sentence in kept
            ],
            pools=(
                [rows[word] for text in voids.absent for word in words_of(text)[-1:]],
                [rows[word] for word in voids.rare],
                [rows[word] for word in common],
            ),
            weights=weights / max(float(weights.sum()), 1e-9),
            count_of={row: _level(support.holding.get(word, 0)) for word, row in rows.items()},
        )

    def drawn(self, count: int, seed: int, epoch: int) -> "Examples":
        """So many sentences, about half of them with a word swapped; the same for the same seed."""
        from retrieval.rejection.company_training import Examples

        rng = np.random.default_rng([seed, epoch])
        sources = rng.integers(len(self.sentences), size=count).tolist()
        kinds = rng.choice(4, size=count, p=KINDS).tolist()
        pools = self.pools
        frequent = rng.choice(pools[2], size=count, p=self.weights).tolist() if pools[2] else []
        uniform = rng.random(size=(count, 2)).tolist()
        sentences, counts, swapped = [], [], []
        for number, (source, kind) in enumerate(zip(sources, kinds, strict=True)):
            sentence, levels = self.sentences[source], self.counts[source]
            places, at = self.places[source], []
            if kind and places and pools[kind - 1]:
                place = places[int(uniform[number][0] * len(places))]
                pool = pools[kind - 1]
                new = frequent[number] if kind == 3 else pool[int(uniform[number][1] * len(pool))]
                if new != sentence[place]:
                    sentence, levels, at = list(sentence), list(levels), [place]
                    sentence[place], levels[place] = new, self.count_of[new]
            sentences.append(sentence)
            counts.append(levels)
            swapped.append(at)
        return Examples(sentences, counts, swapped)


def _level(count: int) -> float:
    return math.log1p(max(0, count)) / 4
