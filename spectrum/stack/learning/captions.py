"""Captions of images, the same number of each; which images are held out; reference texts."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

MOST_CAPTIONS = 5
"""Of an image that are learned from: a sixth says little that is new."""
MOST_REFERENCE_TEXTS = 4096
"""Whose vectors go into a stack's file, for hubness: 1.6 MB where S is 400, in eight bits."""
HELD_OUT_SHARE = 0.1
MOST_HELD_OUT = 1000
"""Images, with five captions each, know hit@1 to about a hundredth."""


class TooFewImagesError(ValueError):
    """There is too little to learn from. One line: how many there are and how many it takes."""


class Parts(NamedTuple):
    """Content hashes of captioned images, by what they are for."""

    learned: list[str]
    """What the trainer is given; one in ten of them decides when a stage ends."""
    held_out: list[str]
    """What nothing is fitted to: the report's figures."""


def parts_of(hashes: Sequence[str], validation: int) -> Parts:
    """The lowest tenth of the hashes is held out, at most `MOST_HELD_OUT`; the rest is learned.

    A hash says nothing of its image, so this is as good as drawn, and doesn't depend on the order
    of a file. `validation` is `StackTraining.validation`. Raises TooFewImagesError.
    """
    ordered = sorted(set(hashes))
    fewest = 2 * validation + 2
    if len(ordered) < fewest:
        raise TooFewImagesError(
            f"{len(ordered)} different images with captions can be read and at least {fewest} are"
            " needed (thousands, for a useful stack): give a file with more"
        )
    count = min(MOST_HELD_OUT, max(2, round(HELD_OUT_SHARE * len(ordered))))
    return Parts(learned=ordered[count:], held_out=ordered[:count])


def even_captions(
    captions: Sequence[Sequence[str]], seed: int, most: int = MOST_CAPTIONS
) -> list[list[str]]:
    """K captions of each image, K = `most` or the largest number that any has, if that is less.

    Of more than K, K are drawn and keep their order; fewer are said again from the first on.
    ValueError for an image without captions.
    """
    per_image = min(most, max((len(own) for own in captions), default=0))
    random = np.random.default_rng(seed)
    made: list[list[str]] = []
    for row, own in enumerate(captions):
        if not own:
            raise ValueError(f"image {row} has no caption: leave it out")
        if len(own) > per_image:
            kept = sorted(random.choice(len(own), size=per_image, replace=False).tolist())
            made.append([own[place] for place in kept])
        else:
            made.append([own[place % len(own)] for place in range(per_image)])
    return made


def reference_texts(
    captions: Mapping[str, Sequence[str]], hashes: Sequence[str], seed: int
) -> list[str]:
    """At most `MOST_REFERENCE_TEXTS` different captions of these images, drawn."""
    texts = list(dict.fromkeys(text for hash in hashes for text in captions[hash]))
    if len(texts) <= MOST_REFERENCE_TEXTS:
        return texts
    drawn = np.random.default_rng(seed).choice(len(texts), MOST_REFERENCE_TEXTS, replace=False)
    return [texts[row] for row in sorted(drawn.tolist())]
