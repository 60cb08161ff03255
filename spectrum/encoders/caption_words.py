"""How often words come in what people say of photographs at large, whatever a library shows.

A gzip of text: the number of captions, then a line for each octave of counts, the count first and
then its words in order, each as how many letters it shares with the one before it, and the rest.
Rounded and front-coded so that it is 5 kB; English.
"""

import gzip
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spectrum.encoders.protocol import ModelUnavailableError

FILE = "caption_words.txt.gz"
_CODED = re.compile(r"([0-9])([^0-9]*)")


@dataclass(frozen=True)
class CaptionWords:
    """Captions of many photographs, of which only their words were kept."""

    holding: Mapping[str, int]
    """About how many of the captions have the word; rare words are left out."""
    n_captions: int


def caption_words(folder: Path) -> CaptionWords:
    """Read from a folder of weights. ModelUnavailableError where the file is absent or damaged."""
    path = folder / FILE
    try:
        total, *lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
        rows = [line.split(" ", 1) for line in lines]
        counted = [(int(count), _decoded(coded)) for count, coded in rows]
        holding = {word: count for count, words in counted for word in words}
        return CaptionWords(holding, int(total))
    except (OSError, EOFError, ValueError) as error:
        raise ModelUnavailableError(
            f"{path}: not the counts of words that ship with Spectrum ({error}); install it again"
        ) from error


def written_words(words: CaptionWords) -> bytes:
    """What `caption_words` reads, the same for the same words."""
    counts = sorted(set(words.holding.values()))
    lines = [
        f"{count} {_coded(word for word, held in words.holding.items() if held == count)}"
        for count in counts
    ]
    return gzip.compress("\n".join([str(words.n_captions), *lines]).encode(), 9, mtime=0)


def _coded(words: Iterable[str]) -> str:
    """Words without digits, in order, front-coded."""
    coded, before = "", ""
    for word in sorted(words):
        shared = min(9, len(os.path.commonprefix([before, word])))
        coded += f"{shared}{word[shared:]}"
        before = word
    return coded


def _decoded(coded: str) -> list[str]:
    """What was front-coded. ValueError for anything else."""
    if not coded[:1].isdecimal():
        raise ValueError(f"'{coded[:20]}' is no list of words")
    words = [""]
    for shared, rest in _CODED.findall(coded):
        words.append(words[-1][: int(shared)] + rest)
    return words[1:]
