"""The four-stage curriculum: how a system is trained."""

from satipatthana.curriculum.history import EpochRecord, StageHistory, TrainingHistory
from satipatthana.curriculum.stages import STAGES, Stage
from satipatthana.curriculum.trainer import fit

__all__ = ["STAGES", "EpochRecord", "Stage", "StageHistory", "TrainingHistory", "fit"]
