"""Settings of the third engine, and of the whole system."""

import dataclasses
from typing import Literal

from satipatthana.arguments import require_at_least, require_between, require_choice
from satipatthana.configs.samatha import SamathaConfig
from satipatthana.configs.vipassana import VipassanaEngineConfig

Task = Literal["classification", "regression", "reconstruction", "none"]
TASKS: tuple[Task, ...] = ("classification", "regression", "reconstruction", "none")
DecoderKind = Literal["conditional", "reconstruction", "identity", "softmax", "linear"]
DECODERS: tuple[DecoderKind, ...] = (
    "conditional",
    "reconstruction",
    "identity",
    "softmax",
    "linear",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """How state and context become an answer."""

    kind: DecoderKind = "conditional"
    """conditional: a perceptron to `output_dim`; reconstruction: the same to the input's width;
    identity: S* as it is; softmax: a linear classifier's probabilities; linear: a linear regressor.
    """
    hidden_dims: tuple[int, ...] = (128,)
    """Widths of the hidden layers of the kinds that have any."""

    def __post_init__(self) -> None:
        require_choice("kind", self.kind, DECODERS)
        for width in self.hidden_dims:
            require_at_least("hidden_dims", width, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SystemConfig:
    """The three engines and the heads that only training uses."""

    samatha: SamathaConfig
    vipassana: VipassanaEngineConfig = VipassanaEngineConfig()
    decoder: DecoderConfig = DecoderConfig()
    task: Task = "classification"
    """What the decoder answers, and what AuxHead is guided by: classes (cross entropy), numbers
    (squared error), the input itself, or nothing."""
    output_dim: int | None = None
    """Y, width of the answer. None: to be given with the system."""
    use_label_guidance: bool = False
    """Whether stage 1 is guided by labels through AuxHead."""
    aux_hidden_dims: tuple[int, ...] = ()
    recon_hidden_dims: tuple[int, ...] = (256,)
    """Hidden layers of both reconstruction heads."""

    def __post_init__(self) -> None:
        require_choice("task", self.task, TASKS)
        if self.output_dim is not None:
            require_at_least("output_dim", self.output_dim, 1)
        if self.use_label_guidance and self.task in ("reconstruction", "none"):
            raise ValueError(
                "use_label_guidance: expected the task classification or regression,"
                f" got {self.task!r}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FallbackConfig:
    """When an answer is not trusted."""

    threshold: float = 0.5
    """Answers of lower trust fall back."""
    score: Literal["trust", "conformity", "confidence"] = "trust"

    def __post_init__(self) -> None:
        require_between("threshold", self.threshold, 0.0, 1.0)
        require_choice("score", self.score, ("trust", "conformity", "confidence"))
