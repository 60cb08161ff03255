"""How often words come in what people say of photographs at large, whatever a library shows.

A gzip of text: the number of captions, then a line for each octave of counts, the count first and
then its words. Rounded so that it is 6 kB; English.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spectrum.encoders.protocol import ModelUnavailableError

FILE = "caption_words.txt.gz"


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
        rows = [line.split(" ") for line in lines]
        holding = {word: int(count) for count, *words in rows for word in words}
        return CaptionWords(holding, int(total))
    except (OSError, EOFError, ValueError) as error:
        raise ModelUnavailableError(
            f"{path}: not the counts of words that ship with Spectrum ({error}); install it again"
        ) from error


def written_words(words: CaptionWords) -> bytes:
    """What `caption_words` reads, the same for the same words."""
    counts = sorted(set(words.holding.values()))
    lines = [
        " ".join([str(count), *sorted(w for w, held in words.holding.items() if held == count)])
        for count in counts
    ]
    return gzip.compress("\n".join([str(words.n_captions), *lines]).encode(), 9, mtime=0)
