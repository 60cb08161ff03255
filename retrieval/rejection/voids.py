"""Queries that a library has nothing for, made from what it holds: what the gate learns to refuse.

Near ones (a caption with one noun swapped) and far ones (gibberish, other trades). What the
library's own words support is left out, so that a library of kitchens is not taught to refuse one.
"""

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from retrieval.rejection import word_lists
from retrieval.rejection.words import SMALL, WordSupport, words_of

BEFORE_NOUNS = frozenset(
    ("a", "an", "the", "two", "three", "four", "five", "his", "her", "their", "its", "some")
    + ("many", "another")
)
"""Words that a noun, or its adjective, follows."""
TEMPLATES = (
    *("{}", "a {}", "{} in the background", "the {}", "a close up of a {}", "two {}s"),
    *("a small {}", "{} on a table"),
)
"""How a thing is asked for by its name."""
SYLLABLES = tuple(first + second for first in "bdfgklmnprstvz" for second in "aeiou")


@dataclass(frozen=True, kw_only=True)
class TextVoid:
    """A text that the library has nothing for."""

    text: str
    kind: str
    """absent | swapped | rare | scene | domain | gibberish | shuffled"""
    source: int
    """Row of the caption that it was made of; -1 where there is none."""
    swapped_in: range = range(0)
    """Places of the words that are not the caption's."""


def nouns_of(captions: Sequence[str]) -> Counter[str]:
    """The captions' nouns and how often each comes, told by their neighbours.

    A noun often follows an article or a number, and is often followed by a word that names nothing;
    adjectives do the first only, verbs the second only. English; of other languages few are found.
    """
    counts: Counter[str] = Counter()
    led: Counter[str] = Counter()
    closed: Counter[str] = Counter()
    for caption in captions:
        words = words_of(caption)
        for i, word in enumerate(words):
            if word in SMALL:
                continue
            counts[word] += 1
            led[word] += i > 0 and words[i - 1] in BEFORE_NOUNS
            closed[word] += i + 1 == len(words) or words[i + 1] in SMALL
    return Counter(
        {
            word: count
            for word, count in counts.items()
            if led[word] >= 0.08 * count and closed[word] >= 0.45 * count
        }
    )


class TextVoids:
    """Makes voids of captions. `forbidden` words are used for none (a test may keep them)."""

    def __init__(
        self,
        captions: Sequence[str],
        support: WordSupport,
        seed: int = 0,
        forbidden: frozenset[str] = frozenset(),
        sources: Sequence[str] | None = None,
    ) -> None:
        """Nouns are learned from `captions`; voids are made of `sources`, the same if None."""
        self.captions, self.support = captions if sources is None else sources, support
        self.rng = np.random.default_rng(seed)
        nouns = nouns_of(captions)
        common = [word for word, count in nouns.items() if count >= 5]
        self.common = frozenset(common)
        self.rare = [
            word for word, count in nouns.items() if 2 <= count <= 20 and word not in forbidden
        ]
        self.absent = [
            word.replace("-", " ")
            for word in word_lists.THINGS
            if word not in forbidden and not self._supported(word)
        ]

    def _supported(self, word: str) -> bool:
        """Whether any caption holds the word, or its plural."""
        forms = (word, f"{word}s", f"{word}es", word.replace("-", ""), *word.split("-")[1:])
        return any(form in self.support.holding for form in forms)

    def made(self, count: int) -> list[TextVoid]:
        """`count` voids of all kinds, in shares that were chosen on the trials."""
        shares = {
            self.swapped: 0.25,
            self.rare_swapped: 0.25,
            self.swapped_piece: 0.05,
            self.rare_piece: 0.05,
            self.named: 0.1,
            self.scene: 0.12,
            self.domain: 0.08,
            self.gibberish: 0.05,
            self.shuffled: 0.05,
        }
        found: list[TextVoid] = []
        for maker, share in shares.items():
            made = (maker() for _ in range(round(share * count)))
            found += [void for void in made if void is not None]
        return found

    def named(self) -> TextVoid | None:
        """A thing that no caption mentions, by its name."""
        if not self.absent:
            return None
        text = self._one(TEMPLATES).format(self._one(self.absent))
        return TextVoid(text=text, kind="absent", source=-1)

    def swapped(self) -> TextVoid | None:
        """A caption with one of its nouns swapped for a thing that no caption mentions."""
        return self._with(self.absent, "swapped")

    def rare_swapped(self) -> TextVoid | None:
        """A caption with one of its nouns swapped for a rare noun of other captions."""
        return self._with(self.rare, "rare")

    def swapped_piece(self) -> TextVoid | None:
        """A piece of a caption, likewise: people ask with a few words."""
        return self._with(self.absent, "swapped", piece=True)

    def rare_piece(self) -> TextVoid | None:
        """A piece of a caption with one of its nouns swapped for a rare one."""
        return self._with(self.rare, "rare", piece=True)

    def _with(
        self, replacements: Sequence[str], kind: str, *, piece: bool = False
    ) -> TextVoid | None:
        if not replacements or not self.captions:
            return None
        for _ in range(8):
            row = int(self.rng.integers(len(self.captions)))
            words = words_of(self.captions[row])
            if piece:
                pieces = fragments([self.captions[row]], self.rng)
                words = pieces[0][0].split() if pieces else []
                if sum(word not in SMALL for word in words) < 2:
                    continue  # one rare word by itself is something to ask for
            places = [i for i, word in enumerate(words) if word in self.common]
            if not places:
                continue
            place = int(self.rng.choice(places))
            other = words_of(self._one(replacements))
            words[place : place + 1] = other
            new = range(place, place + len(other))
            return TextVoid(text=" ".join(words), kind=kind, source=row, swapped_in=new)
        return None

    def scene(self, half: int = 0) -> TextVoid | None:
        """A scene of which at least one thing is in no caption, or in hardly any.

        Rooms and things are of one half of the lists, so that what learned from the other half can
        be judged by it.
        """
        rooms, stuff = word_lists.ROOMS[half::2], word_lists.STUFF[half::2]
        for _ in range(8):
            text = self._one(word_lists.SCENES).format(
                room=self._one(rooms), stuff=self._one(stuff), other=self._one(stuff)
            )
            naming = [word for word in words_of(text) if word not in SMALL]
            rarest = min(self.support.holding.get(word, 0) for word in naming)
            if rarest <= max(2, 0.0005 * self.support.n_captions):
                return TextVoid(text=text, kind="scene", source=-1)
        return None

    def scenes(self, count: int) -> list[str]:
        """Different scenes of the other half; at most `count`."""
        made = (self.scene(half=1) for _ in range(count))
        return list(dict.fromkeys(void.text for void in made if void is not None))

    def domain(self) -> TextVoid:
        """A phrase of another trade."""
        numbers = self.rng.integers(2, 900, size=2)
        text = self._one(self._one_of_domains()).format(
            n=numbers[0],
            m=numbers[1] % 30,
            organ=self._one(word_lists.ORGANS),
            part=self._one(word_lists.PARTS),
            paper=self._one(word_lists.PAPERS),
        )
        return TextVoid(text=text, kind="domain", source=-1)

    def _one_of_domains(self) -> tuple[str, ...]:
        return word_lists.DOMAINS[int(self.rng.integers(len(word_lists.DOMAINS)))]

    def gibberish(self) -> TextVoid:
        """Letters or syllables in no order."""
        words = []
        for _ in range(int(self.rng.integers(1, 7))):
            parts = SYLLABLES if self.rng.random() < 0.5 else string.ascii_lowercase
            length = int(self.rng.integers(2, 5 if parts is SYLLABLES else 9))
            words.append("".join(self._one(parts) for _ in range(length)))
        return TextVoid(text=" ".join(words), kind="gibberish", source=-1)

    def shuffled(self) -> TextVoid | None:
        """Naming words of several captions, in no order: each known, together not."""
        if not self.captions:
            return None
        rows = self.rng.integers(len(self.captions), size=4)
        words = [
            self._one(named)
            for row in rows.tolist()
            if (named := [w for w in words_of(self.captions[row]) if w not in SMALL])
        ]
        return TextVoid(text=" ".join(words), kind="shuffled", source=-1) if words else None

    def _one(self, items: Sequence[str]) -> str:
        return items[int(self.rng.integers(len(items)))]


def fragments(captions: Sequence[str], rng: np.random.Generator) -> list[tuple[str, int]]:
    """Short queries that captions answer, one to four words each, and their caption's row.

    People often type a word or two, and must not be refused because captions are sentences: pieces
    of captions that end with a naming word, and naming words picked out of them, in their order.
    """
    found = []
    for row, caption in enumerate(captions):
        words = words_of(caption)
        naming = [i for i, word in enumerate(words) if word not in SMALL]
        length = int(rng.integers(1, 5))
        if not naming:
            continue
        if rng.random() < 0.5:
            picked = sorted(rng.permutation(naming)[:length].tolist())
        else:
            last = int(rng.choice(naming))
            first = max(0, last - length + 1)
            while first < last and words[first] in SMALL:
                first += 1
            picked = list(range(first, last + 1))
        found.append((" ".join(words[i] for i in picked), row))
    return found


def image_voids(
    vectors: Float32[np.ndarray, "N F"], count: int, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "V F"], Int64[np.ndarray, "V"]]:
    """Vectors with 20 to 100 % of their numbers from others, and the rows they were made of.

    What taught best in the trials (docs/benchmarks.md): every part known, the whole not.
    """
    own = rng.integers(len(vectors), size=count)
    others = rng.integers(len(vectors), size=(count, vectors.shape[1]))
    drawn = vectors[others, np.arange(vectors.shape[1])]
    share = rng.uniform(0.2, 1.0, size=(count, 1))
    swapped = rng.random((count, vectors.shape[1])) < share
    return np.where(swapped, drawn, vectors[own]).astype(np.float32), own
