"""After which epoch each part of a stack was best: modules don't overfit after the same one."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from spectrum.stack.stack import Stack


class Epoch(NamedTuple):
    """How it stood after an epoch."""

    stage: int
    """1 to 3; 0 is the closed-form start."""
    epoch: int
    """From 1 within its stage; 0 is as the stage found it."""
    training_loss: float
    """Of the stage's own objective; nan before its first epoch."""
    validation_loss: float
    """Text to image of the integrated vector, `module_loss`."""
    validation_losses: dict[str, float]
    """The same of each module alone."""
    seconds: float


PARTS: dict[str, tuple[str, ...]] = {
    "nexus": ("nexus.",),
    "oracle": ("oracle.",),
    "harmony": ("description.", "fusion."),
    "prompts": ("prism.",),
}
"""Whose vectors say how good which parameters are, while modules are trained by themselves."""
INTEGRATED = "integrated"
"""The one part of stage 3: all parameters, by the integrated vector."""


def parts_of_stage(stage: int) -> dict[str, tuple[str, ...]]:
    """Part -> how the names of its parameters begin."""
    return PARTS if stage < 3 else {INTEGRATED: ("",)}


class BestLosses:
    """The least validation loss of each part of a stage so far."""

    def __init__(self, stage: int, start: Epoch) -> None:
        """`start` is how it stood before the stage's first epoch."""
        self._losses = {part: _loss_of(part, start) for part in parts_of_stage(stage)}

    def improved(self, epoch: Epoch) -> list[str]:
        """The parts that are better than ever; equal is not better."""
        better = [part for part, least in self._losses.items() if _loss_of(part, epoch) < least]
        self._losses.update({part: _loss_of(part, epoch) for part in better})
        return better


class Best:
    """The best state so far, part by part."""

    def __init__(self, stage: int, stack: Stack, start: Epoch) -> None:
        self._parts = parts_of_stage(stage)
        self._losses = BestLosses(stage, start)
        self._waited = 0
        self.state = {name: value.clone() for name, value in stack.state_dict().items()}

    def waited(self, stack: Stack, epoch: Epoch) -> int:
        """Takes what has become better; how many epochs nothing has."""
        better = self._losses.improved(epoch)
        self._waited = 0 if better else self._waited + 1
        prefixes = tuple(prefix for part in better for prefix in self._parts[part])
        for name, value in stack.state_dict().items():
            if name.startswith(prefixes):
                self.state[name] = value.clone()
        return self._waited


def kept_epochs(history: Sequence[Epoch]) -> dict[int, dict[str, int]]:
    """Stage -> part -> the epoch that it was left with, as `Best` keeps it.

    0 is as the stage found it: no epoch made the part better. Parameters that belong to no part
    (CASTLE's and the gates', until stage 3) stay as the stage found them too. `history` begins
    with the start.
    """
    kept: dict[int, dict[str, int]] = {}
    losses: dict[int, BestLosses] = {}
    for before, said in pairwise(history):
        if said.stage not in kept:
            kept[said.stage] = dict.fromkeys(parts_of_stage(said.stage), 0)
            losses[said.stage] = BestLosses(said.stage, before if said.epoch else said)
        for part in losses[said.stage].improved(said):
            kept[said.stage][part] = said.epoch
    return kept


def _loss_of(part: str, epoch: Epoch) -> float:
    return epoch.validation_loss if part == INTEGRATED else epoch.validation_losses[part]
