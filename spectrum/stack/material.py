"""What a stack is trained on: what an encoder made of captioned images, kept in arrays."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Float32, Int64
from torch import Tensor

from spectrum.oracle.proposals import proposals
from spectrum.stack.stack import Grids

PROPOSED_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class View:
    """One view of every image, in the same order in every view."""

    features: Float32[np.ndarray, "N D"]
    """[semantic; visual], each block of unit length, as the encoder gave them."""
    tokens: Float16[np.ndarray, "N Y X C"]
    boxes: Float32[np.ndarray, "N K 4"]
    object_mask: Bool[np.ndarray, "N K"]

    def __len__(self) -> int:
        return len(self.features)

    def grids(
        self,
        rows: Int64[Tensor, " B"],
        pooled: Float[Tensor, "N P"] | None = None,
        own: Int64[Tensor, " N"] | None = None,
    ) -> Grids:
        """The grids of some images, with what NEXUS read off all grids before, if it is known.

        `own` are all images' own rows in the memory.
        """
        picked = rows.numpy()
        return Grids(
            torch.from_numpy(self.tokens[picked].astype(np.float32)),
            torch.from_numpy(self.boxes[picked]),
            torch.from_numpy(self.object_mask[picked]),
            None if pooled is None else pooled[rows],
            None if own is None else own[rows],
        )

    def vectors(self, rows: Int64[Tensor, " B"]) -> Float[Tensor, "B D"]:
        """The vectors of some images."""
        return torch.from_numpy(self.features[rows.numpy()])

    def blocks(self, size: int) -> Iterator[Int64[Tensor, " B"]]:
        """All rows, `size` at a time."""
        yield from torch.split(torch.arange(len(self)), size)


@dataclass(frozen=True, kw_only=True)
class CaptionedImages:
    """Views of captioned images, and vectors of their captions."""

    views: tuple[View, ...]
    """At least one; the first is the image as it will be indexed."""
    captions: Float32[np.ndarray, "N K S"]
    """Unit vectors of K captions of each image, by the same encoder."""
    texts: tuple[tuple[str, ...], ...] = ()
    """What the captions say, K of each image; without them no lexicon is learned."""

    def __post_init__(self) -> None:
        if self.texts and len(self.texts) != len(self.captions):
            raise ValueError(
                f"{len(self.texts)} images have texts and {len(self.captions)} captions: give each"
                " image its texts"
            )
        for view in self.views:
            if len(view) != len(self.captions):
                raise ValueError(
                    f"a view has {len(view)} images and captions {len(self.captions)}: give each"
                    " image its captions"
                )


def view_of(features: Float32[np.ndarray, "N D"], tokens: Float16[np.ndarray, "N Y X C"]) -> View:
    """A view with the boxes that ORACLE finds on its grids."""
    found = [
        proposals(torch.from_numpy(tokens[start : start + PROPOSED_AT_ONCE].astype(np.float32)))
        for start in range(0, len(tokens), PROPOSED_AT_ONCE)
    ]
    return View(
        features=features,
        tokens=tokens,
        boxes=np.concatenate([each.boxes.numpy() for each in found]).astype(np.float32),
        object_mask=np.concatenate([each.mask.numpy() for each in found]),
    )
