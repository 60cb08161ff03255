"""Words by the company they keep in a library's captions, whatever the encoder thinks of them.

Positive pointwise mutual information of the words of one caption, factorised (Levy and Goldberg,
"Neural word embedding as implicit matrix factorization", NeurIPS 2014). Of a word that few captions
hold, what its meaning lets expect counts more: a ridge regression on the encoder's vectors, learned
from words that many hold.

Shape letters: V words, C the width of the encoder's vectors of words, K that of companion vectors.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

COMPANIONS = 32
"""K, at most."""
SMOOTHING = 0.75
"""Power of the words' frequencies as context, which keeps rare ones from shining; Levy, Goldberg
and Dagan, TACL 2015."""
TAUGHT_BY = 10
"""Captions that hold a word from which the guess learns."""
TRUSTED = 5.0
"""Captions of a word with which its own company counts as much as the guess."""
RIDGE = 50.0
CLIPPED = 4.0


class Companions(NamedTuple):
    """What the words' company says of them."""

    vectors: Float32[np.ndarray, "V K"]
    guess: Float32[np.ndarray, "C K"]
    """Turns the encoder's vector of any word into what its company would be."""


def companions(
    captions: Iterable[Sequence[str]],
    holding: Mapping[str, int],
    known: Float32[np.ndarray, "V C"],
    silent: frozenset[str],
) -> Companions:
    """The words' companion vectors: `captions` in words, `holding` and `known` row by row.

    `holding` says how many captions hold each word; `silent` words keep nobody company. K is 0
    where fewer than 2 K words do.
    """
    products = _positive_information(captions, list(holding), silent)
    count = np.array(list(holding.values()), dtype=np.float64)
    often = count >= TAUGHT_BY
    if often.sum() < 2 * COMPANIONS:
        none = np.zeros((len(known), 0), np.float32)
        return Companions(none, np.zeros((known.shape[1], 0), np.float32))
    own = _factors(products)
    taught = known[often].astype(np.float64)
    square = taught.T @ taught + RIDGE * np.eye(known.shape[1])
    guess = np.linalg.solve(square, taught.T @ own[often])
    share = (count / (count + TRUSTED))[:, None]
    mixed = share * own + (1 - share) * (known @ guess)
    return Companions(
        np.clip(mixed, -CLIPPED, CLIPPED).astype(np.float32), guess.astype(np.float32)
    )


def guessed(
    vectors: Float32[np.ndarray, "W C"], guess: Float32[np.ndarray, "C K"]
) -> Float32[np.ndarray, "W K"]:
    """The companion vectors of words that no caption holds."""
    return np.asarray(np.clip(vectors @ guess, -CLIPPED, CLIPPED), dtype=np.float32)


class _Products(NamedTuple):
    """A sparse symmetric matrix."""

    size: int
    rows: np.ndarray
    columns: np.ndarray
    values: Float64[np.ndarray, " _"]


def _positive_information(
    captions: Iterable[Sequence[str]], words: Sequence[str], silent: frozenset[str]
) -> _Products:
    r"""max(0, log p(a, b) / (p(a) q(b))), q(b) \propto n(b)^0.75, of words of one caption."""
    row_of = {word: row for row, word in enumerate(words) if word not in silent}
    size = len(words)
    pairs: Counter[int] = Counter()
    for caption in captions:
        rows = sorted({row_of[word] for word in caption if word in row_of})
        pairs.update(a * size + b for a in rows for b in rows if a != b)
    keys = np.fromiter(pairs.keys(), dtype=np.int64, count=len(pairs))
    counts = np.fromiter(pairs.values(), dtype=np.float64, count=len(pairs))
    a, b = np.divmod(keys, max(1, size))
    of_word = np.bincount(a, weights=counts, minlength=size)
    context = of_word**SMOOTHING
    context /= max(float(context.sum()), 1e-12)
    information = np.log(counts / (of_word[a] * context[b])) if len(keys) else counts
    kept = information > 0
    return _Products(size, a[kept], b[kept], information[kept])


def _factors(products: _Products) -> Float64[np.ndarray, "V K"]:
    """Left singular vectors times the roots of their singular values, each of deviation 1."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    shape = (products.size, products.size)
    matrix = csr_array((products.values, (products.rows, products.columns)), shape=shape)
    # A start of one's own: a random one would give other signs each time.
    left, singular, _ = svds(matrix, k=COMPANIONS, v0=np.ones(products.size))
    factors = left * np.sqrt(singular)
    return np.asarray(factors / np.maximum(factors.std(axis=0), 1e-9))
