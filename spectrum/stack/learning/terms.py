"""Words by themselves, as people ask with them: what hubness is measured against too."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from spectrum.stack.lexicon import Lexicon, word_counts

COMMON_WORDS = 600
"""A quarter of a megabyte of a stack's file where S is 400; more find no more."""


class Terms(NamedTuple):
    """Unit vectors of words."""

    alone: Float32[np.ndarray, "V S"]
    framed: Float32[np.ndarray, "V S"]
    """After "a photo of a": many ask so, and mean the word."""


def common_words(captions: Sequence[Sequence[str]], lexicon: Lexicon) -> tuple[str, ...]:
    """The lexicon's words that most captions have, at most `COMMON_WORDS`, most frequent first."""
    counted = word_counts(captions)
    known = sorted(lexicon.words, key=lambda word: (-counted[word], word))
    return tuple(known[:COMMON_WORDS])


def encoded_terms(
    words: Sequence[str], encode: Callable[[Sequence[str]], Float32[np.ndarray, "B S"]]
) -> Terms | None:
    """None without words."""
    if not words:
        return None
    return Terms(encode(list(words)), encode([f"a photo of a {word}" for word in words]))
