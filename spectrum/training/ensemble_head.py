"""The ensemble as one teacher: heads on all five teachers' signals, none of which saw the row."""

import logging
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.contrast import caption_contrast
from spectrum.training.heads import CaptionHead, HeadShape, Standardised
from spectrum.training.measures import caption_hits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EnsembleTraining:
    """How the ensemble's heads are trained. Chosen on the dev photographs of Flickr8k."""

    shape: HeadShape = field(default_factory=lambda: HeadShape(width=384, hidden=256, dropout=0.6))
    """Widths and dropout."""
    folds: int = 5
    """Parts of the training photographs; each part is seen through a head that lacked it."""
    epochs: int = 20
    """Passes over the photographs, one view of each per pass."""
    batch: int = 1000
    """Photographs per step, each with all its captions."""
    learning_rate: float = 1.5e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.05
    """AdamW's."""
    seed: int = 0
    """Of the initial weights, the order, the folds and the dropout."""


class EnsembleTeacher(nn.Module):
    """What the student learns from: unit vectors of texts and, fold by fold, of photographs."""

    def __init__(self, training: EnsembleTraining, signals: int, sentence: int) -> None:
        super().__init__()
        self.training_settings = training
        self.standardised = Standardised(signals)
        self.heads = nn.ModuleList(
            CaptionHead(signals, training.shape) for _ in range(training.folds + 1)
        )
        self.projection = nn.Linear(sentence, training.shape.width)
        self.log_scale = nn.Parameter(torch.tensor(3.0))

    def texts(self, sentence_unit: Float[Tensor, "*B S"]) -> Float[Tensor, "*B D"]:
        """Unit vectors of texts."""
        return functional.normalize(self.projection(sentence_unit), dim=-1)

    @torch.no_grad()
    def photographs(
        self, signals: Float32[np.ndarray, "N F"], fold: Tensor | None = None
    ) -> Float[Tensor, "N D"]:
        """Unit vectors of photographs: by the head of their fold, or by the mean of fold heads."""
        standardised = self.standardised(torch.from_numpy(signals))
        made = torch.stack([head(standardised) for head in self.heads[1:]])  # folds N D
        if fold is None:
            return functional.normalize(made.mean(dim=0), dim=-1)
        return made[fold, torch.arange(len(signals))]


def folds(count: int, parts: int, seed: int) -> Tensor:
    """The part that each of `count` photographs belongs to, equal in size, drawn by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.arange(count)[torch.randperm(count, generator=generator)] % parts


class EnsembleTrainer:
    """Trains a teacher's heads on signals, views by photographs, and their captions."""

    def __init__(
        self,
        teacher: EnsembleTeacher,
        signals: Float32[np.ndarray, "V N F"],
        captions: Float32[np.ndarray, "N K S"],
    ) -> None:
        self.teacher, self.signals = teacher, torch.from_numpy(signals)
        self.captions = torch.from_numpy(captions)
        self.training = teacher.training_settings
        self.fold = folds(signals.shape[1], self.training.folds, self.training.seed)

    def train(self) -> None:
        """All heads: one on all rows, which sets the texts' projection, then one for each fold."""
        torch.manual_seed(self.training.seed)
        self.teacher.standardised.fit(self.signals[0].numpy())
        everything = torch.arange(len(self.fold))
        # The folds' vectors are only comparable in one space: the projection is shared and fixed.
        self._train(
            self.teacher.heads[0],
            everything,
            [*self.teacher.projection.parameters(), self.teacher.log_scale],
        )
        for part in range(self.training.folds):
            self._train(self.teacher.heads[part + 1], everything[self.fold != part], [])
        self.teacher.eval().requires_grad_(False)

    def _train(self, head: nn.Module, rows: Tensor, shared: list[nn.Parameter]) -> None:
        training = self.training
        parameters = [*head.parameters(), *shared]
        optimiser = torch.optim.AdamW(
            parameters, lr=training.learning_rate, weight_decay=training.weight_decay
        )
        steps = max(1, len(rows) // training.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, training.learning_rate, total_steps=steps * training.epochs, pct_start=0.1
        )
        head.train()
        for _ in range(training.epochs):
            order = rows[torch.randperm(len(rows))]
            for step in range(steps):
                picked = order[step * training.batch : (step + 1) * training.batch]
                loss = self._loss(head, picked)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(parameters, 5.0)
                optimiser.step()
                schedule.step()
        head.eval()
        logger.info("ensemble head: loss %.3f on %d photographs", loss.item(), len(rows))

    def _loss(self, head: nn.Module, rows: Tensor) -> Float[Tensor, ""]:
        views = torch.randint(len(self.signals), (len(rows),))
        # Half-precision products double the speed and leave the weights in float32.
        with torch.autocast("cpu", torch.bfloat16):
            images = head(self.teacher.standardised(self.signals[views, rows]))
            texts = self.teacher.texts(self.captions[rows])
            return caption_contrast(images, texts, self.teacher.log_scale.exp()).float()

    def dev_hits(
        self, signals: Float32[np.ndarray, "N F"], captions: Float32[np.ndarray, "N K S"]
    ) -> dict[str, list[float]]:
        """Hit rates of the mean of the fold heads on other photographs."""
        texts = self.teacher.texts(torch.from_numpy(captions)).flatten(0, 1)
        images = self.teacher.photographs(signals)
        return caption_hits(images.numpy(), texts.detach().numpy(), captions.shape[1])
