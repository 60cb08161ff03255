"""What the captioner reads in one step of its training: some photographs and all their captions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from spectrum.captioners.vocabulary import spelled
from spectrum.training.caption_material import CaptionMaterial
from spectrum.training.captioner import END

SIDES = frozenset({"left", "right"})
"""Captions with these words are not told of a mirror image."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One step's captions, with the image that each belongs to."""

    rows: Int[Tensor, " B"]
    """The photographs."""
    view: int
    """Which view of them is shown."""
    owners: Int[Tensor, " N"]
    """For every caption its photograph's place in `rows`."""
    sentences: Sequence[Sequence[int]]
    """The captions' words, without the end."""


def padded(
    sentences: Sequence[Sequence[int]], longest: int
) -> tuple[Int[Tensor, "N T"], Int[Tensor, "N T"], Bool[Tensor, "N T"]]:
    """What is read, what is to be said at each position, and where there is something to say.

    A caption that is cut off at `longest` words has no end to say.
    """
    rows = [[END, *sentence][: longest + 1] for sentence in sentences]
    said = [[*sentence, END][: longest + 1] for sentence in sentences]
    length = max(map(len, rows))
    read = torch.tensor([row + [END] * (length - len(row)) for row in rows])
    target = torch.tensor([row + [END] * (length - len(row)) for row in said])
    mask = torch.arange(length) < torch.tensor([[len(row)] for row in rows])
    return read, target, mask


def lessons(
    material: CaptionMaterial,
    sentences: Sequence[Sequence[Sequence[int]]],
    batch: int,
    random: np.random.Generator,
) -> Iterator[Lesson]:
    """One pass over the photographs in batches of `batch`, each of one view drawn at random."""
    one_sided = [
        [bool(SIDES & set(spelled(text))) for text in texts] for texts in material.captions
    ]
    order = random.permutation(len(sentences))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        view = int(random.integers(len(material.views)))
        mirrored = material.views[view].mirrored
        told = [
            (place, sentence)
            for place, row in enumerate(rows)
            for sentence, sided in zip(sentences[row], one_sided[row], strict=True)
            if not (mirrored and sided)
        ]
        told.sort(key=lambda pair: len(pair[1]))
        if told:
            yield Lesson(
                rows=torch.from_numpy(rows),
                view=view,
                owners=torch.tensor([place for place, _ in told]),
                sentences=[sentence for _, sentence in told],
            )
