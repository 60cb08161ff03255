"""Counts in how many captions at large each word comes, for `spectrum/encoders/caption_words.py`.

    python -m spectrum.training.caption_words --shared ../shared

Nine of ten of COCO's captions; every tenth is kept to measure with. Flickr8k's are left out: with
them, what a library of such photographs has of its own would be hidden.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spectrum.encoders.caption_words import FILE, CaptionWords, written_words
from spectrum.encoders.embedded import SHIPPED
from spectrum.stack.lexicon import word_counts
from spectrum.training.sentences import caption_lines

logger = logging.getLogger(__name__)

KEPT_APART = 10
"""One of so many lines, from the first, is not counted."""
FEWEST = 6
"""Captions that hold a word which is written down."""


def counted_captions(shared: Path) -> list[str]:
    """The captions that are counted."""
    return [line for place, line in enumerate(caption_lines(shared)) if place % KEPT_APART]


def counted_words(captions: Sequence[str]) -> CaptionWords:
    """Words of letters that FEWEST captions hold, their counts rounded to octaves: 2^k - 1."""
    counts = word_counts([[caption] for caption in captions])
    kept = {word: n for word, n in counts.items() if n >= FEWEST and word.isalpha()}
    octaves = {word: round(float(np.log2(1 + n))) for word, n in kept.items()}
    return CaptionWords({word: 2**k - 1 for word, k in octaves.items()}, len(captions))


def main() -> None:
    parser = argparse.ArgumentParser(description="Counts the words of captions at large.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    words = counted_words(counted_captions(chosen.shared))
    content = written_words(words)
    (chosen.weights / FILE).write_bytes(content)
    said = f"{len(words.holding)} words of {words.n_captions} captions, {len(content)} bytes"
    logger.info("%s: %s", chosen.weights / FILE, said)


if __name__ == "__main__":
    main()
