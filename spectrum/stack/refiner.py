"""A trained stack behind the contract of `Refiner`: arrays in, arrays out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from spectrum.encoders.protocol import EncodedImages
from spectrum.one_thread import one_thread
from spectrum.oracle.proposals import proposals
from spectrum.stack.config import LAYERS
from spectrum.stack.hubness import hubness, nearest_count
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.protocol import MODULES, Explanation, ImageEvidence, Refined, StackIdentity
from spectrum.stack.stack import Grids
from spectrum.stack.weight_file import TrainedStack

AT_ONCE = 64
"""Images, or neighbourhoods, that are computed together: more take memory and gain nothing."""


class StackRefiner:
    """Refines with the modules that it is given, all five by default; on the CPU."""

    def __init__(self, trained: TrainedStack, modules: tuple[str, ...] = MODULES) -> None:
        self._trained = trained
        self._stack = trained.stack.eval()
        self._modules = tuple(name for name in MODULES if name in modules)
        self._asked = trained.narrow_questions()
        self._scales: Float32[np.ndarray, " D"] = self._stack.block_scales.numpy()

    @property
    def identity(self) -> StackIdentity:
        """What its vectors can be compared with."""
        return StackIdentity(
            encoder=self._trained.encoder,
            weights_hash=self._trained.weights_hash,
            modules=self._modules,
            neighbours=self._stack.config.neighbours,
        )

    @property
    def lexicon(self) -> Lexicon | None:
        """What words look like among its vectors; None where that was not learned."""
        return self._trained.lexicon

    @torch.no_grad()
    @one_thread()
    def evidence(self, encoded: EncodedImages) -> ImageEvidence:
        """Phase 1. ValueError where the encoder gave no grid."""
        if encoded.tokens is None:
            raise ValueError("refinement reads the grid: call encode_images with tokens=True")
        local, prompts = [], []
        features = np.concatenate([encoded.semantic, encoded.visual], axis=1)
        for rows in _parts(len(features)):
            vectors, grid = _tensor(features[rows]), _tensor(encoded.tokens[rows])
            readings = self._stack.readings(vectors, self._grids(grid), self._modules)
            local.append(self._stack.local(vectors, readings, self._modules))
            prompts.append(readings.prompts)
        return ImageEvidence(_rows(local, features.shape[1]), _rows(prompts, self._semantic))

    def _grids(self, grid: Float[Tensor, "B Y X C"]) -> Grids:
        """With the boxes that ORACLE looks for; none where it takes no part."""
        if "oracle" in self._modules:
            found = proposals(grid)
            return Grids(grid, found.boxes, found.mask)
        images = len(grid)
        return Grids(grid, grid.new_zeros(images, 0, 4), torch.zeros(images, 0, dtype=torch.bool))

    def likeness(self, local: Float32[np.ndarray, "B D"]) -> Float32[np.ndarray, "B D"]:
        """[sqrt(1 - omega) s; sqrt(omega) v] of [s; v]: unit length."""
        made: Float32[np.ndarray, "B D"] = local * self._scales
        return made

    @torch.inference_mode()
    @one_thread()
    def refine(
        self,
        local: Float32[np.ndarray, "B M D"],
        prompts: Float32[np.ndarray, "B M S"],
        member_mask: Bool[np.ndarray, "B M"],
    ) -> Refined:
        """Phase 2."""
        vectors, hubs = [], []
        for rows in _parts(len(local)):
            mask = torch.from_numpy(np.ascontiguousarray(member_mask[rows]))
            made = self._stack.refined(
                _tensor(local[rows]), _tensor(prompts[rows]), mask, self._modules
            )
            vectors.append(made)
            hubs.append(self._hubness(made))
        return Refined(_rows(vectors, local.shape[2]), _rows(hubs, 2))

    def _hubness(self, made: Float[Tensor, "B D"]) -> Float[Tensor, "B 2"]:
        """Among sentences and among words; where the file has no words, the former for both."""
        sentences, words = self._asked, self._trained.terms
        among = hubness(self._trained.narrowed(made), sentences, nearest_count(len(sentences)))
        if words is None:
            return torch.stack([among, among], dim=1)
        semantic = made[:, : self._semantic]
        return torch.stack([among, hubness(semantic, words, nearest_count(len(words)))], dim=1)

    @torch.no_grad()
    def explain(
        self,
        local: Float32[np.ndarray, "M D"],
        prompts: Float32[np.ndarray, "M S"],
        member_mask: Bool[np.ndarray, " M"],
    ) -> Explanation:
        """What moved one anchor; the influences are those of its neighbours, in their order.

        Without CASTLE, whose equation they are, they are 0.
        """
        members = _tensor(local)[None]
        text, image = self._stack.task_weights(members[:, 0], self._modules)
        likeness = members * self._stack.block_scales
        moved = self._stack.castle.influences(likeness, torch.from_numpy(member_mask)[None])
        if "castle" not in self._modules:
            moved = torch.zeros_like(moved)
        return Explanation(
            dict(zip(LAYERS, text[0].tolist(), strict=True)),
            dict(zip(LAYERS, image[0].tolist(), strict=True)),
            moved[0, 1:].numpy(),
        )

    @property
    def _semantic(self) -> int:
        return self._stack.config.semantic_width


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, AT_ONCE):
        yield slice(start, start + AT_ONCE)


def _tensor(array: np.ndarray[Any, np.dtype[Any]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _rows(parts: list[Tensor], width: int) -> Float32[np.ndarray, "N W"]:
    if not parts:
        return np.empty((0, width), dtype=np.float32)
    made: Float32[np.ndarray, "N W"] = torch.cat(parts).numpy()
    return made
