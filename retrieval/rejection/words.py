"""What a library's captions say of a query's words: held or not, in what order, and more or less
often than in captions at large."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt64

from spectrum.encoders.caption_words import CaptionWords

NOWHERE = CaptionWords({}, 0)
"""No captions at large: then only how common a word is here counts."""
Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
"""Letters and digits of any script; an apostrophe or a hyphen inside a word belongs to it."""
START, END = "<s>", "</s>"
DISCOUNT = 0.75
"""Absolute discounting's usual share of a count that goes to what was not seen (Ney, Essen and
Kneser 1994)."""
NEVER = -1
ASKED_AT_MOST = 100_000
"""Names whose counts are kept in memory: most words of most queries come again."""
ALIKE = 0.6
"""Dice's similarity of letter pairs from which a word may be another one misspelt or inflected."""
_SMALL = (
    "a an the this that these those some any each every all both no not and or but nor so as than "
    "of in on at by to from with without into onto over under near off up down out about through "
    "across along around behind before after beside between while during against toward towards "
    "is are was were be been being am do does did has have having had can could will would may "
    "it its he she they them his her hers their theirs him i you we us our your my me who which "
    "what where when there here one two three four five six other another one's very just too"
)
SMALL = frozenset(_SMALL.split())
"""English words that name nothing."""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, in order."""
    return WORD.findall(text.lower())


def naming_words(text: str) -> list[str]:
    """The words that name something; all words where none does."""
    words = words_of(text)
    return [word for word in words if word not in SMALL] or words


class WordEvidence(NamedTuple):
    """What the captions say of one text; higher is better known throughout."""

    least_support: float
    """log(1 + captions that hold it) of the least supported naming word; what is spelled alike
    lends some. 0 where nothing resembles it."""
    support: float
    """Mean of the same over the naming words."""
    fluency: float
    """Mean log probability of the words, each after the two before it."""
    likelihood_ratio: float
    """Mean log of how much more often the naming words come here than in captions at large."""
    log_length: float
    """log of the number of words, since what is known of short texts is known otherwise."""


class WordSupport:
    """How often words, pairs and triples of neighbours come in captions; may be empty."""

    def __init__(
        self, counts: "Counts", words: Sequence[str], holding: Sequence[int], large: "AtLarge"
    ) -> None:
        """Of what `counted` or `restored` made; not for callers."""
        self.counts, self.large = counts, large
        self.words = tuple(words)
        self.holding = dict(zip(words, holding, strict=True))
        self.total = max(1, counts.get("#words", 0))
        self.n_captions = counts.get(START, 0)
        self._signatures = signatures(self.words)
        self._lent: dict[str, float] = {}

    @classmethod
    def counted(cls, captions: Iterable[str], large: CaptionWords = NOWHERE) -> "WordSupport":
        """Counts a collection of captions; `large` are those that are not of this library."""
        holding: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for caption in captions:
            words = words_of(caption)
            holding.update(set(words))
            counts["#words"] += len(words) + 1
            padded = [START, START, *words, END]
            counts.update(padded[2:])
            counts.update(f"{a} {b}" for a, b in zip(padded[1:], padded[2:], strict=False))
            counts.update(
                f"{a} {b} {c}" for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)
            )
            counts[START] += 1
        for gram in list(counts):
            before, _, _ = gram.rpartition(" ")
            if before:
                counts[f"#{before}"] += 1  # how many different words follow
        counts[f"{START} {START}"] = counts[START]
        names = sorted(holding)
        elsewhere = AtLarge(large.holding, large.n_captions)
        return cls(counts, names, [holding[name] for name in names], elsewhere)

    def arrays(self) -> Arrays:
        """What `restored` makes the same figures of."""
        assert isinstance(self.counts, Mapping), "a restored one is on disk already"
        assert isinstance(self.large.holding, Mapping), "as above"
        grams, counts = _hashed_counts(self.counts)
        large, holding = _hashed_counts(self.large.holding)
        return {
            "grams": grams,
            "counts": counts,
            "large_words": large,
            "large_holding": holding,
            "large_captions": np.array(self.large.n_captions),
            "words": np.frombuffer("\n".join(self.words).encode(), dtype=np.uint8),
            "holding": np.array([self.holding[word] for word in self.words], dtype=np.int32),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> "WordSupport":
        """From `arrays`."""
        words = arrays["words"].tobytes().decode()
        return cls(
            HashedCounts(arrays["grams"], arrays["counts"]),
            words.split("\n") if words else [],
            arrays["holding"].tolist(),
            AtLarge(
                HashedCounts(arrays["large_words"], arrays["large_holding"]),
                int(arrays["large_captions"]),
            ),
        )

    def support(self, word: str) -> float:
        """log(1 + captions that hold it), or what the most similarly spelled word lends it."""
        held = self.holding.get(word)
        if held is not None:
            return math.log1p(held)
        if word not in self._lent:
            self._lent[word] = self._lent_to(word)
        return self._lent[word]

    def likelihood_ratio(self, word: str) -> float:
        """log (p + e) / (q + e), p of captions here hold the word and q of those at large.

        e is one caption of the library, so that a word which nobody uses says nothing. Departure
        from Ren et al., "Likelihood ratios for out-of-distribution detection" (NeurIPS 2019): of
        words by themselves.
        """
        one = 1.0 / max(1, self.n_captions)
        here = self.holding.get(word, 0) * one
        elsewhere = self.large.holding.get(word, 0) / max(1, self.large.n_captions)
        return math.log((here + one) / (elsewhere + one))

    def _lent_to(self, word: str) -> float:
        """Dice's similarity of letter pairs, squared, times the other word's support, at most 2."""
        if not self.words:
            return 0.0
        mine = signatures([word])[0]
        shared = np.bitwise_count(self._signatures & mine).sum(axis=1, dtype=np.int64)
        sizes = np.bitwise_count(self._signatures).sum(axis=1, dtype=np.int64)
        alike = 2 * shared / (sizes + int(np.bitwise_count(mine).sum()))
        best = 0.0
        for row in np.flatnonzero(alike > ALIKE).tolist():
            known = min(math.log1p(self.holding[self.words[row]]), 2.0)
            best = max(best, float(alike[row]) ** 2 * known)
        return best

    def _probability(self, word: str, before: tuple[str, ...]) -> float:
        """P(word | the words before), absolutely discounted down to single words."""
        if not before:
            return max(self.counts.get(word, 0), 0.5) / self.total
        lower = self._probability(word, before[1:])
        context = " ".join(before)
        seen = self.counts.get(context, 0)
        if not seen:
            return lower
        count = self.counts.get(f"{context} {word}", 0)
        left = DISCOUNT * self.counts.get(f"#{context}", 0) / seen
        return max(count - DISCOUNT, 0.0) / seen + left * lower

    def log_probabilities(self, words: Sequence[str]) -> list[float]:
        """log P of each word after the two before it; two marks of a beginning stand before all."""
        padded = [START, START, *words]
        return [
            math.log(self._probability(padded[i], (padded[i - 2], padded[i - 1])))
            for i in range(2, len(padded))
        ]

    def evidence(self, text: str) -> WordEvidence:
        """What the captions say of a text; one without words is as unknown as can be."""
        words = words_of(text)
        if not words:
            return WordEvidence(0.0, 0.0, math.log(0.5 / self.total), 0.0, 0.0)
        naming = naming_words(text)
        supports = [self.support(word) for word in naming]
        ratios = [self.likelihood_ratio(word) for word in naming]
        fluent = self.log_probabilities([*words, END])
        return WordEvidence(
            least_support=min(supports),
            support=sum(supports) / len(supports),
            fluency=sum(fluent) / len(fluent),
            likelihood_ratio=sum(ratios) / len(ratios),
            log_length=math.log(len(words)),
        )

    def least_supported(self, text: str) -> tuple[str, int] | None:
        """The naming word that the fewest captions hold, and how many; None for a text without."""
        words = naming_words(text)
        if not words:
            return None
        word = min(words, key=self.support)
        return word, self.holding.get(word, 0)


@runtime_checkable
class Counts(Protocol):
    """How often names come."""

    def get(self, name: str, otherwise: int, /) -> int:
        """The count of a name."""
        ...


class HashedCounts:
    """Counts by the hash of their name: quick to read from a file, and quick enough to ask."""

    def __init__(
        self, hashes: UInt64[np.ndarray, " G"], counts: np.ndarray[Any, np.dtype[np.int32]]
    ) -> None:
        self._hashes, self._counts = hashes, counts
        self._asked: dict[str, int] = {}

    def get(self, name: str, otherwise: int, /) -> int:
        """The count of a name, or what it is otherwise."""
        count = self._asked.get(name)
        if count is None:
            count = self._looked_up(name)
            if len(self._asked) >= ASKED_AT_MOST:
                self._asked.clear()
            self._asked[name] = count
        return otherwise if count == NEVER else count

    def _looked_up(self, name: str) -> int:
        key = np.uint64(hashed(name))
        row = int(self._hashes.searchsorted(key))
        if row == len(self._hashes) or self._hashes[row] != key:
            return NEVER
        return int(self._counts[row])


class AtLarge(NamedTuple):
    """Captions of other photographs."""

    holding: Counts
    """How many of them hold each word."""
    n_captions: int


def word_evidence(support: WordSupport, texts: Sequence[str]) -> Float32[np.ndarray, "Q E"]:
    """The evidence of each text, a row each, in the order of `WordEvidence`."""
    rows = [support.evidence(text) for text in texts]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(WordEvidence._fields))


def _hashed_counts(
    counts: Mapping[str, int],
) -> tuple[UInt64[np.ndarray, " G"], np.ndarray[Any, np.dtype[np.int32]]]:
    """What `HashedCounts` is made of."""
    both = sorted((hashed(name), count) for name, count in counts.items())
    return (
        np.array([each for each, _ in both], dtype=np.uint64),
        np.array([count for _, count in both], dtype=np.int32),
    )


def hashed(name: str) -> int:
    """64 bits of BLAKE2b: the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def signatures(words: Sequence[str]) -> UInt64[np.ndarray, "W 8"]:
    """Which pairs of letters each word has, its ends included, as 512 bits; pairs may collide."""
    bits = np.zeros((len(words), 512), dtype=bool)
    for row, word in enumerate(words):
        framed = f"<{word}>"
        places = [
            (31 * ord(first) + ord(second)) % 512
            for first, second in zip(framed, framed[1:], strict=False)
        ]
        bits[row, places] = True
    return np.packbits(bits, axis=1).view(np.uint64).reshape(len(words), 8)
