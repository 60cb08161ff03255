"""All settings of a student's training."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StudentTraining:
    """How the heads are trained. What the defaults were chosen on: docs/distillation.md."""

    epochs: int = 30
    """Passes over the pictures at most, >= 0; 0 leaves the closed-form linear map."""
    patience: int = 8
    """Epochs without a better validation loss after which training ends, >= 1."""
    batch: int = 256
    """Pictures, and texts, per step; >= 2."""
    learning_rate: float = 1e-4
    """Peak of the schedule: a tenth of the steps to rise, a cosine to fall."""
    weight_decay: float = 0.05
    """AdamW's."""
    hidden: int = 256
    """Width of a head's residual branch."""
    dropout: float = 0.5
    """Share of features and of hidden units dropped in training, in [0, 1)."""
    generic_texts: int = 4_000
    """How many made-up queries the text side learns from, >= 40."""
    feature_weight: float = 1.0
    """lambda_FKD of HARMONY 5.3c: scales 5.1b, as a share of the teacher's variance."""
    likeness_weight: float = 1.0
    """lambda_KD: scales 5.1a over likenesses within a batch."""
    caption_weight: float = 0.2
    """Scales the task's own loss: captions and their pictures finding each other."""
    seed: int = 0
    """Of weights, order, dropout and the made-up queries."""

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("patience", 1), ("batch", 2), ("hidden", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.generic_texts < 40:
            raise ValueError(f"generic_texts must be at least 40, got {self.generic_texts}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")
        if not self.learning_rate > 0.0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
