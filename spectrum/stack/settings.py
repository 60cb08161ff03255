"""How a stack is trained."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StackTraining:
    """How a stack is trained. Chosen on a part of the training images."""

    alone: int = 16
    """Epochs of stage 1, every module by itself; >= 0."""
    together: int = 3
    """Epochs of stage 2, with the couplings; >= 0."""
    integrated: int = 5
    """Epochs of stage 3, the integrated vector; >= 0."""
    batch: int = 500
    """Images of a step, each with all its captions; >= 2."""
    learning_rate: float = 1.5e-3
    """The highest of stage 1; later stages take a fifth of it."""
    weight_decay: float = 0.05
    """AdamW's."""
    temperature_start: float = 0.05
    """Similarity over this is a logit; learned from there."""
    coupling: float = 0.2
    """Weight of 6.3c, and of PRISM's alignment 2.2c beside it."""
    regularisation: float = 0.1
    """lambda_reg of 6.3d, on HARMONY 5.3b."""
    image_task: float = 0.05
    """alpha of image to image in 6.3e; text to image has 1."""
    sharing: float = 0.01
    """beta of 6.3e."""
    validation: int = 10
    """One image in so many chooses the epoch and is not learned from; >= 2."""
    patience: int = 4
    """Epochs of a stage without a better validation loss after which the stage ends; >= 1."""
    seed: int = 0
    """Of the weights, the order and the dropout."""

    def __post_init__(self) -> None:
        for name, least in (
            ("alone", 0), ("together", 0), ("integrated", 0), ("batch", 2), ("validation", 2),
            ("patience", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
