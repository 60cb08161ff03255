"""Whether each word of a query is in the company that the library's captions keep it in.

A small network looks at one word, its neighbours and the mean of the query's other naming words,
and says how much the word looks swapped in; after ELECTRA's replaced-token detection (Clark, Luong,
Le and Manning, ICLR 2020). Words are seen as the encoder sees them, so that a word which no caption
holds still has a meaning, and as the captions see them (`cooccurrence.py`). Several networks are
trained in `company_training.py`, from different beginnings; here they are asked, by NumPy alone.
What they say of a word, how likely it is after the words before it, and how many captions hold it
make its odds together: the networks see what words mean, and not which were seen in this order.

Shape letters: W words of a query, V words of the vocabulary, S the encoder's width, C a word's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from retrieval.rejection.cooccurrence import Companions, companions, guessed
from retrieval.rejection.words import SMALL, Arrays, WordSupport, words_of

WORD_WIDTH = 48
"""Principal directions of the words' vectors that are kept."""
LONGEST = 24
"""Words of a query that are looked at."""
TEXTS_AT_ONCE = 256
TextEncoder = Callable[[Sequence[str]], Float32[np.ndarray, "B S"]]


class WordVectors:
    """Vectors of words: whitened principal directions of the encoder's, companions, and support.

    C = WORD_WIDTH + COMPANIONS + 1, or less for a narrower encoder and few captions.
    """

    def __init__(
        self,
        support: WordSupport,
        mean: Float32[np.ndarray, " S"],
        directions: Float32[np.ndarray, "S _"],
        known: Float32[np.ndarray, "V _"],
        guess: Float32[np.ndarray, "_ _"],
    ) -> None:
        """`known`: a row for each word of the captions, without its support; `guess`: companions
        of any other word, of its whitened vector."""
        self.support, self.mean, self.directions = support, mean, directions
        self.known, self.guess = known, guess
        self._row = {word: row for row, word in enumerate(support.words)}
        self._met: dict[str, Float32[np.ndarray, " C"]] = {}

    @classmethod
    def of(
        cls, support: WordSupport, captions: Sequence[str], encode: TextEncoder
    ) -> "WordVectors":
        """Of all words of the captions."""
        vectors = encode(list(support.words))
        mean = vectors.mean(axis=0)
        centred = (vectors - mean).astype(np.float64)
        variances, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
        kept = min(WORD_WIDTH, len(variances))
        scaled = directions[:, -kept:] / np.sqrt(np.maximum(variances[-kept:], 1e-9))
        white = _whitened(vectors, mean, scaled.astype(np.float32))
        found: Companions = companions(map(words_of, captions), support.holding, white, SMALL)
        known = np.concatenate([white, found.vectors], axis=1)
        known = known.astype(np.float16).astype(np.float32)
        return cls(support, mean, scaled.astype(np.float32), known, found.guess)

    @property
    def width(self) -> int:
        """C."""
        return int(self.known.shape[1]) + 1

    def of_words(self, words: Sequence[str], encode: TextEncoder) -> Float32[np.ndarray, "W C"]:
        """A row for each word: its vector, and how many captions hold it, log(1 + n) / 4."""
        new = sorted({word for word in words if word not in self._row and word not in self._met})
        if new:
            if len(self._met) > 20_000:
                self._met.clear()
            white = _whitened(encode(new), self.mean, self.directions)
            nobody = np.zeros((len(new), 1), np.float32)
            rows = np.concatenate([white, guessed(white, self.guess), nobody], axis=1)
            self._met.update(zip(new, rows, strict=True))
        rows = np.empty((len(words), self.width), dtype=np.float32)
        for place, word in enumerate(words):
            row = self._row.get(word)
            if row is None:
                rows[place] = self._met[word]
            else:
                rows[place, :-1] = self.known[row]
                rows[place, -1] = math.log1p(self.support.holding[word]) / 4
        return rows

    def arrays(self) -> Arrays:
        """What `restored` makes the same of, beside the support's."""
        known = self.known.astype(np.float16)
        return {
            "mean": self.mean,
            "directions": self.directions,
            "known": known,
            "guess": self.guess,
        }

    @classmethod
    def restored(
        cls, support: WordSupport, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]
    ) -> "WordVectors":
        """From `arrays`."""
        known = arrays["known"].astype(np.float32)
        return cls(support, arrays["mean"], arrays["directions"], known, arrays["guess"])


def _whitened(
    vectors: Float32[np.ndarray, "W S"],
    mean: Float32[np.ndarray, " S"],
    directions: Float32[np.ndarray, "S _"],
) -> Float32[np.ndarray, "W _"]:
    return np.asarray(np.clip((vectors - mean) @ directions, -4.0, 4.0), dtype=np.float32)


class Layer(NamedTuple):
    """x -> x W' + b."""

    weight: Float32[np.ndarray, "_ _"]
    bias: Float32[np.ndarray, " _"]

    def __call__(self, entering: Float32[np.ndarray, "_ _"]) -> Float32[np.ndarray, "_ _"]:
        return np.asarray(entering @ self.weight.T + self.bias)


class CompanyNetwork:
    """The trained network."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        """Three of a perceptron on all that is seen of a word, two of a product with each other
        naming word, and one that weighs the mean and the highest of those products."""
        self.layers = tuple(layers)

    def swapped_logits(
        self, vectors: Float32[np.ndarray, "W C"], naming: Sequence[bool]
    ) -> Float[np.ndarray, " W"]:
        """How much each word looks swapped in; log odds."""
        return self.many_logits([vectors], [naming], word_surroundings(vectors, naming))[0]

    def many_logits(
        self,
        vectors: Sequence[Float32[np.ndarray, "_ C"]],
        naming: Sequence[Sequence[bool]],
        seen: Float32[np.ndarray, "W 6*C"],
    ) -> list[Float[np.ndarray, " _"]]:
        """The log odds of several queries' words, `seen` being the surroundings of all of them.

        Layers are asked once for all.
        """
        first, second, last, asking, answering, weighing = self.layers
        hidden = np.maximum(second(np.maximum(first(seen), 0.0)), 0.0)
        ends = np.cumsum([len(each) for each in vectors])[:-1]
        every = np.concatenate(vectors)
        asked, answered = np.split(asking(every), ends), np.split(answering(every), ends)
        matches = [
            pair_matches(a, b, np.asarray(named))
            for a, b, named in zip(asked, answered, naming, strict=True)
        ]
        logits = last(hidden)[:, 0] + weighing(np.concatenate(matches))[:, 0]
        return np.split(np.asarray(logits), ends)

    def arrays(self) -> Arrays:
        """What `restored` makes the same of."""
        return {
            f"{kind}{number}": getattr(layer, kind)
            for number, layer in enumerate(self.layers)
            for kind in ("weight", "bias")
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> "CompanyNetwork":
        """From `arrays`."""
        return cls([Layer(arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(6)])


def word_surroundings(
    vectors: Float32[np.ndarray, "W C"], naming: Sequence[bool]
) -> Float32[np.ndarray, "W 6*C"]:
    """Each word, those one and two before and after it, and the mean of the other naming words."""
    zeros = np.zeros((2, vectors.shape[1]), dtype=np.float32)
    framed = np.concatenate([zeros, vectors, zeros])
    count = len(vectors)
    named = np.asarray(naming, dtype=np.float32)[:, None]
    others = np.maximum(named.sum() - named, 1.0)
    context = ((vectors * named).sum(axis=0) - vectors * named) / others
    beside = [framed[2 + shift : 2 + shift + count] for shift in (-1, 1, -2, 2)]
    return np.concatenate([vectors, *beside, context], axis=1)


def pair_matches(
    asking: Float32[np.ndarray, "W _"], answering: Float32[np.ndarray, "W _"], naming: Any
) -> Float32[np.ndarray, "W 2"]:
    """Mean and highest product of each word with the other naming words; 0 where there is none."""
    products = asking @ answering.T / 6.0
    others = np.broadcast_to(naming, products.shape) & ~np.eye(len(products), dtype=bool)
    count = others.sum(axis=1)
    mean = np.where(others, products, 0.0).sum(axis=1) / np.maximum(count, 1)
    highest = np.where(others, products, -np.inf).max(axis=1)
    highest = np.where(count > 0, highest, 0.0)
    return np.stack([mean, highest], axis=1).astype(np.float32)


class CompanyEvidence(NamedTuple):
    """What the network says of a query; higher is better known."""

    company: float
    """Minus log sum exp of the words' log odds of being swapped in."""
    worst_word: float
    """Minus the highest of them."""


NETWORKS_ALONE = Layer(np.array([[1, 0, 0]], dtype=np.float32), np.zeros(1, dtype=np.float32))


class Company:
    """Asks the networks about texts; what they say of a word is averaged."""

    def __init__(
        self,
        vectors: WordVectors,
        networks: Sequence[CompanyNetwork],
        odds: Layer = NETWORKS_ALONE,
    ) -> None:
        """`odds` turns a word's `readings` into its log odds of being swapped in."""
        self.vectors, self.networks, self.odds = vectors, tuple(networks), odds

    def evidence(self, text: str, encode: TextEncoder) -> tuple[CompanyEvidence, str]:
        """The evidence, and the word that looks most swapped in; "" for a text without words."""
        return self.evidences([text], encode)[0]

    def evidences(
        self, texts: Sequence[str], encode: TextEncoder
    ) -> list[tuple[CompanyEvidence, str]]:
        """The same of several texts, sooner."""
        found = [(CompanyEvidence(-20.0, -20.0), "")] * len(texts)
        for number, read in enumerate(self.readings(texts, encode)):
            if len(read):
                found[number] = _summed(self.odds(read)[:, 0], words_of(texts[number]))
        return found

    def readings(
        self, texts: Sequence[str], encode: TextEncoder
    ) -> list[Float32[np.ndarray, "_ 3"]]:
        """Of each text's first LONGEST words: the networks' mean log odds, the log probability
        after the two words before, and log(1 + captions that hold it)."""
        found = [np.zeros((0, 3), dtype=np.float32)] * len(texts)
        spoken = [words_of(text)[:LONGEST] for text in texts]
        support = self.vectors.support
        told = [number for number, words in enumerate(spoken) if words]
        for start in range(0, len(told), TEXTS_AT_ONCE):
            some = told[start : start + TEXTS_AT_ONCE]
            vectors = [self.vectors.of_words(spoken[number], encode) for number in some]
            naming = [[word not in SMALL for word in spoken[number]] for number in some]
            around = [word_surroundings(*one) for one in zip(vectors, naming, strict=True)]
            seen = np.concatenate(around)
            said = [network.many_logits(vectors, naming, seen) for network in self.networks]
            for number, *each in zip(some, *said, strict=True):
                words = spoken[number]
                supports = [support.support(word) for word in words]
                read = [np.mean(each, axis=0), support.log_probabilities(words), supports]
                found[number] = np.stack(read, axis=1).astype(np.float32)
        return found

    def arrays(self) -> Arrays:
        """What `restored` makes the same of, beside the vectors'."""
        networks = {
            f"{number}/{name}": array
            for number, network in enumerate(self.networks)
            for name, array in network.arrays().items()
        }
        return {**networks, "odds/weight": self.odds.weight, "odds/bias": self.odds.bias}

    @classmethod
    def restored(
        cls, vectors: WordVectors, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]
    ) -> "Company":
        """From `arrays`."""
        networks = []
        for number in sorted({int(name.split("/")[0]) for name in arrays if name[0].isdigit()}):
            mine = f"{number}/"
            own = {k.removeprefix(mine): a for k, a in arrays.items() if k.startswith(mine)}
            networks.append(CompanyNetwork.restored(own))
        return cls(vectors, networks, Layer(arrays["odds/weight"], arrays["odds/bias"]))


def _summed(logits: Float[np.ndarray, " W"], words: Sequence[str]) -> tuple[CompanyEvidence, str]:
    worst = int(np.argmax(logits))
    highest = float(logits[worst])
    total = highest + float(np.log(np.exp(logits - highest).sum()))
    return CompanyEvidence(company=-total, worst_word=-highest), words[worst]
