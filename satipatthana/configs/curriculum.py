"""Settings of the four-stage curriculum."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from satipatthana.arguments import require_at_least, require_between, require_inside

Path = Literal["clean", "augmented", "drunk", "mismatch", "void"]
PATHS: tuple[Path, ...] = ("clean", "augmented", "drunk", "mismatch", "void")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage: how long, how fast, and when it has done enough."""

    max_epochs: int
    """The fall-back: the stage ends after so many in any case."""
    goal: float | None = None
    """The stage ends when its loss on held-out samples falls below; None: only by patience."""
    patience: int = 3
    """Epochs without improvement of the held-out loss after which the stage ends."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        require_at_least("max_epochs", self.max_epochs, 0)
        require_at_least("patience", self.patience, 1)
        require_inside("learning_rate", self.learning_rate, 0.0, float("inf"))
        require_at_least("weight_decay", self.weight_decay, 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PathMix:
    """What stage 2 is made of: shares of a batch, in any unit; the specification's are equal."""

    clean: float = 0.2
    augmented: float = 0.2
    drunk: float = 0.2
    mismatch: float = 0.2
    void: float = 0.2

    def __post_init__(self) -> None:
        for path in PATHS:
            require_at_least(path, getattr(self, path), 0.0)
        require_inside("clean", self.clean, 0.0, float("inf"))

    def shares(self) -> Mapping[Path, float]:
        """Each path's share, summing to one."""
        total = sum(getattr(self, path) for path in PATHS)
        return {path: getattr(self, path) / total for path in PATHS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PathWeights:
    """What each path weighs in the loss of one score; 0: the head does not learn from it."""

    clean: float = 1.0
    augmented: float = 1.0
    drunk: float = 1.0
    mismatch: float = 1.0
    void: float = 1.0

    def __post_init__(self) -> None:
        for path in PATHS:
            require_at_least(path, getattr(self, path), 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreWeights:
    """Path weights of each of the three scores."""

    trust: PathWeights = PathWeights()
    conformity: PathWeights = PathWeights()
    confidence: PathWeights = PathWeights()


def uniform_scores() -> ScoreWeights:
    """The specification's: every score learns from every path."""
    return ScoreWeights()


def judged_scores() -> ScoreWeights:
    """Each score learns from what it can see: static metrics see no drunk or mismatched sample."""
    return ScoreWeights(trust=PathWeights(augmented=0.0, drunk=0.0, mismatch=0.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
    """The four stages and what they share."""

    adapter: StageConfig = StageConfig(max_epochs=5)
    """Stage 0: reconstruction from z."""
    samatha: StageConfig = StageConfig(max_epochs=10, goal=1e-3)
    """Stage 1: stability, reconstruction from S*, guidance. The goal is of the stability loss."""
    vipassana: StageConfig = StageConfig(max_epochs=5, goal=0.3, learning_rate=3e-3)
    """Stage 2: three scores. The goal is of the mean binary cross entropy of the three."""
    decoder: StageConfig = StageConfig(max_epochs=5)
    """Stage 3: the task."""
    batch_size: int = 128
    noise_level: float = 1.0
    """How strong the augmenter is where it runs, 0 to 1."""
    denoising: bool = True
    """Whether stages 0 and 1 run the augmenter and ask for the clean input back."""
    stability_weight: float = 1.0
    recon_weight: float = 0.2
    """lambda_r, of the reconstruction in stage 1; 0.1 to 0.3 recommended."""
    guidance_weight: float = 0.3
    """lambda_g, of the labels in stage 1; 0.1 to 0.5 recommended."""
    probe_weight: float = 0.0
    """Of the squared distance from z to its nearest probe in stage 1. Not in the specification."""
    seeded_probes: bool = True
    """Whether the probes start as cluster centres of z (k-means) and not at random."""
    path_mix: PathMix = PathMix()
    score_weights: ScoreWeights = dataclasses.field(default_factory=judged_scores)
    held_out: float = 0.1
    """Share of the samples that only measures: losses on it decide when stages end."""
    insight_share: float = 0.2
    """Share of the samples that stages 0 and 1 don't see, so that stage 2 learns from fresh ones; a
    system that learned them by heart would take every new sample for unknown. 0: all are shared."""
    seed: int = 0

    def __post_init__(self) -> None:
        require_at_least("batch_size", self.batch_size, 2)
        require_between("noise_level", self.noise_level, 0.0, 1.0)
        for name in ("stability_weight", "recon_weight", "guidance_weight", "probe_weight"):
            require_at_least(name, getattr(self, name), 0.0)
        require_inside("held_out", self.held_out, 0.0, 1.0)
        require_inside("held_out + insight_share", self.held_out + self.insight_share, 0.0, 1.0)
        require_at_least("insight_share", self.insight_share, 0.0)
