"""HARMONY's loss, wired: one batch of a student, its teacher and two modalities in, terms out."""

from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from spectrum.arguments import require_positive
from spectrum.harmony.balance import (
    HarmonyWeights,
    InformationBound,
    attention_disagreement,
    harmony_loss,
    in_batch_attention,
    information_bound,
    total_loss,
)
from spectrum.harmony.distillation import distillation_loss, feature_distillation_loss


@dataclass(frozen=True, kw_only=True)
class HarmonyConfig:
    """How `HarmonyLoss` measures and weighs."""

    distillation_temperature: float = 1.0
    """tau of 5.1a, > 0; 1 is the paper's form."""
    contrast_temperature: float = 0.07
    """tau of the mutual information in 5.3a, > 0."""
    attention_temperature: float = 0.1
    """tau of the attention in 5.3b, > 0."""
    distance_weight: float = 1.0
    """alpha of 5.3a, >= 0."""
    weights: HarmonyWeights = field(default_factory=HarmonyWeights)
    """lambda of 5.3c."""

    def __post_init__(self) -> None:
        require_positive(self.distillation_temperature, "distillation_temperature")
        require_positive(self.contrast_temperature, "contrast_temperature")
        require_positive(self.attention_temperature, "attention_temperature")
        if not self.distance_weight >= 0.0:
            raise ValueError(f"distance_weight must not be below 0, got {self.distance_weight}")


@dataclass(frozen=True, kw_only=True)
class HarmonyBatch:
    """What one step of training compares; row b is image b and its text in every field."""

    student_logits: Float[Tensor, "B C"]
    """z_S; over classes, or over the candidates of a ranking."""
    teacher_logits: Float[Tensor, "B C"]
    """z_T."""
    student_features: Float[Tensor, "B S"]
    """F_S."""
    teacher_features: Float[Tensor, "B T"]
    """F_T."""
    visual_unit: Float[Tensor, "B D"]
    """F_vis, unit length."""
    textual_unit: Float[Tensor, "B D"]
    """F_txt, unit length."""


class HarmonyTerms(NamedTuple):
    """The terms of one step, without their weights, and the sum with them."""

    task: Float[Tensor, ""]
    """L_task, as it was given."""
    distillation: Float[Tensor, ""]
    """L_KD, 5.1a."""
    feature_distillation: Float[Tensor, ""]
    """L_FKD, 5.1b."""
    harmony: Float[Tensor, ""]
    """L_harm, 5.3a."""
    disagreement: Float[Tensor, ""]
    """L_reg, 5.3b."""
    information: InformationBound
    """MI as it entered L_harm, with log B: for the log, not a term."""
    total: Float[Tensor, ""]
    """L, 5.3c."""


class HarmonyLoss(nn.Module):
    """Everything that HARMONY asks of a student, in one call.

    `mapping` is g of 5.1b, from the student's width to the teacher's: `nn.Identity()` or an
    adapter. An adapter's parameters are this module's, so the optimiser has to be given them.
    """

    def __init__(self, config: HarmonyConfig, mapping: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.mapping = mapping

    def forward(self, task: Float[Tensor, ""], batch: HarmonyBatch) -> HarmonyTerms:
        """The terms of a batch whose own loss is `task`. ValueError where shapes do not fit."""
        config = self.config
        distillation = distillation_loss(
            batch.student_logits, batch.teacher_logits, config.distillation_temperature
        )
        feature_distillation = feature_distillation_loss(
            batch.student_features, batch.teacher_features, self.mapping
        )
        information = information_bound(
            batch.visual_unit, batch.textual_unit, config.contrast_temperature
        )
        harmony = harmony_loss(
            batch.visual_unit, batch.textual_unit, information.nats, config.distance_weight
        )
        disagreement = attention_disagreement(
            in_batch_attention(batch.visual_unit, config.attention_temperature),
            in_batch_attention(batch.textual_unit, config.attention_temperature),
        )
        total = total_loss(
            task=task,
            distillation=distillation,
            feature_distillation=feature_distillation,
            harmony=harmony,
            disagreement=disagreement,
            weights=config.weights,
        )
        return HarmonyTerms(
            task=task,
            distillation=distillation,
            feature_distillation=feature_distillation,
            harmony=harmony,
            disagreement=disagreement,
            information=information,
            total=total,
        )
