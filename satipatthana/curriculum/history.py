"""What happened in a training, in numbers that JSON can hold."""

import dataclasses
from typing import Any

from satipatthana.curriculum.stages import Stage
from satipatthana.curriculum.transitions import Ending


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch of one stage."""

    train: dict[str, float]
    """Mean of each term over the epoch's batches, and their total."""
    held_out: dict[str, float]
    """The same on held-out samples, after the epoch."""
    seconds: float


@dataclasses.dataclass(kw_only=True)
class StageHistory:
    """One stage."""

    stage: Stage
    epochs: list[EpochRecord] = dataclasses.field(default_factory=list)
    steps: int = 0
    """Steps of the optimiser, in all epochs together."""
    ended: Ending = "skipped"
    kept_epoch: int = 0
    """The epoch whose weights were kept, counted from 1; 0 where nothing was trained."""

    @property
    def seconds(self) -> float:
        """How long its epochs took."""
        return sum(epoch.seconds for epoch in self.epochs)


@dataclasses.dataclass(kw_only=True)
class TrainingHistory:
    """All stages, in their order."""

    stages: list[StageHistory] = dataclasses.field(default_factory=list)
    path_scores: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    """Mean of each score, on held-out samples, for each path of stage 2."""

    def stage(self, name: Stage) -> StageHistory:
        """A stage by its name. KeyError where the training did not come to it."""
        for stage in self.stages:
            if stage.stage == name:
                return stage
        raise KeyError(name)

    @property
    def steps(self) -> int:
        """Steps of the optimiser in all stages together."""
        return sum(stage.steps for stage in self.stages)

    @property
    def seconds(self) -> float:
        """How long all epochs took; what lies between the stages is not counted."""
        return sum(stage.seconds for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, texts and numbers."""
        return dataclasses.asdict(self)
