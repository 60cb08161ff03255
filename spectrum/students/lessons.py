"""What a student learns from and is judged by, and which pictures it never sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float16, Float32

FEWEST = 20
"""Pictures below which nothing can be learned, and nothing be said of what was."""

SHARE = 0.1
"""Of the pictures, and of the texts, that validate; and again that are held out."""


class TooFewPicturesError(ValueError):
    """There is too little to learn from. One line: how many there are and how many it takes."""


class Split(NamedTuple):
    """Content hashes of the pictures, by what they are for."""

    training: list[str]
    """What the heads are fitted to."""
    validation: list[str]
    """What decides when training ends, and the visual block's weight."""
    held_out: list[str]
    """What nothing is fitted to: the report's figures."""


def split_of(hashes: Sequence[str]) -> Split:
    """The lowest tenth of the hashes is held out, the next tenth validates.

    A hash says nothing of its picture, so this is as good as drawn; and the same folder is always
    split alike, while an added picture moves few others. Raises TooFewPicturesError.
    """
    ordered = sorted(set(hashes))
    if len(ordered) < FEWEST:
        raise TooFewPicturesError(
            f"{len(ordered)} different pictures can be read and at least {FEWEST} are needed"
            " (hundreds, for a useful encoder): give a folder with more"
        )
    part = max(2, round(SHARE * len(ordered)))
    return Split(
        training=ordered[2 * part :], validation=ordered[part : 2 * part], held_out=ordered[:part]
    )


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What goes into a head, and what the teacher says of the same items."""

    inputs: Float16[np.ndarray, "V N W"] | Float32[np.ndarray, "V N W"]
    """V views of N items: an image and its mirror image; a text has one."""
    teacher_unit: Float32[np.ndarray, "N S"]
    """The teacher's vectors, unit length, one for all views."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Pairs of one kind, to learn from and to check."""

    training: Pairs
    validation: Pairs


@dataclass(frozen=True, kw_only=True)
class CaptionRows:
    """Which texts describe which images, as rows of the pairs of both."""

    images: list[int] = field(default_factory=list)
    """Rows of the images that have captions."""
    texts: list[list[int]] = field(default_factory=list)
    """For each of those, the rows of its captions; at least one."""


class TextRows(NamedTuple):
    """Texts by what they are for, and which of them describe which image of the same part."""

    training: list[str]
    validation: list[str]
    captions: CaptionRows
    validation_captions: CaptionRows


def text_rows(
    split: Split, captions: Mapping[str, Sequence[str]], generic: Sequence[str]
) -> TextRows:
    """Texts to learn from: captions of training pictures, and generic ones.

    Captions of validation pictures validate, with every tenth generic text. A text that describes
    pictures of several parts, as short labels do, is learned from; one that describes held-out
    pictures only is in neither list.
    """
    own = {
        name: [caption for hash in hashes for caption in captions.get(hash, ())]
        for name, hashes in split._asdict().items()
    }
    described = set(own["training"])
    checked = dict.fromkeys([*own["validation"], *generic[:: round(1 / SHARE)]])
    unseen = set(own["held_out"]) - described
    validation = [text for text in checked if text not in described | unseen]
    kept_out = unseen | set(validation)
    learned = dict.fromkeys([*own["training"], *generic])
    training = [text for text in learned if text not in kept_out]
    return TextRows(
        training,
        validation,
        _caption_rows(split.training, captions, training),
        _caption_rows(split.validation, captions, validation),
    )


def _caption_rows(
    hashes: Sequence[str], captions: Mapping[str, Sequence[str]], texts: Sequence[str]
) -> CaptionRows:
    row_of = {text: row for row, text in enumerate(texts)}
    images, found = [], []
    for row, hash in enumerate(hashes):
        rows = [row_of[caption] for caption in captions.get(hash, ()) if caption in row_of]
        if rows:
            images.append(row)
            found.append(rows)
    return CaptionRows(images=images, texts=found)
