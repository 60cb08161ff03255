"""The words that a captioner knows, and sentences made of them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*|'s\b")
"""Lower case; hyphens and apostrophes inside a word belong to it, other punctuation is dropped."""
END = "<end>"
UNKNOWN = "<unknown>"


def spelled(text: str) -> list[str]:
    """The words of a text: "A man 's T-shirt ." has a, man, 's and t-shirt."""
    return WORD.findall(text.lower().replace("'s", " 's"))


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers. Raises ValueError if the first two are not the special ones."""

    words: tuple[str, ...]
    """Number 0 ends a sentence (and begins the next), number 1 stands for every other word."""

    def __post_init__(self) -> None:
        if self.words[:2] != (END, UNKNOWN):
            raise ValueError(f"a vocabulary begins with {END} and {UNKNOWN}: {self.words[:2]}")

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def ids(self, text: str) -> list[int]:
        """The numbers of a text's words, without the end."""
        return [self._numbers.get(word, 1) for word in spelled(text)]

    def sentence(self, ids: Sequence[int]) -> str:
        """One plain sentence: "A dog runs." from a, dog, runs. Empty if there is no word."""
        said = " ".join(self.words[number] for number in ids if number > 1).replace(" 's", "'s")
        return said[:1].upper() + said[1:] + "." if said else ""


def counted(captions: Iterable[str], fewest: int) -> Vocabulary:
    """The words that come at least `fewest` times, most frequent first, ties by spelling."""
    counts = Counter(word for caption in captions for word in spelled(caption))
    kept = [word for word, count in counts.items() if count >= fewest]
    kept.sort(key=lambda word: (-counts[word], word))
    return Vocabulary((END, UNKNOWN, *kept))
