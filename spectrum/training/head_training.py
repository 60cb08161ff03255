"""Trains the caption head and the texts' way to the caption block."""

import logging
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.contrast import caption_contrast
from spectrum.training.heads import CaptionHead, HeadShape, Standardised
from spectrum.training.measures import caption_hits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class HeadTraining:
    """How the head is trained. Chosen on the dev photographs of Flickr8k."""

    shape: HeadShape = field(default_factory=HeadShape)
    """Widths and dropout."""
    epochs: int = 30
    """Passes over the photographs, one view of each per pass."""
    batch: int = 1000
    """Photographs per step, each with all its captions."""
    learning_rate: float = 1.5e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.05
    """AdamW's."""
    seed: int = 0
    """Of the initial weights, the order and the dropout."""


@dataclass(frozen=True, kw_only=True)
class HeadMaterial:
    """What the head learns from and is judged by."""

    features: Float16[np.ndarray, "views N F"]
    """The training photographs' pooled features, one row of photographs for each view."""
    captions: Float32[np.ndarray, "N K S"]
    """Their captions' vectors from the sentence teacher."""
    dev_features: Float16[np.ndarray, "M F"]
    """The dev photographs' pooled features, whole frame."""
    dev_captions: Float32[np.ndarray, "M K S"]
    """Their captions' vectors."""


class HeadTrainer:
    """Holds what is trained: the head, the texts' linear map, and the scale."""

    def __init__(self, training: HeadTraining, material: HeadMaterial) -> None:
        torch.manual_seed(training.seed)
        self.training, self.material = training, material
        self.standardised = Standardised()
        self.standardised.fit(material.features[0])
        self.head = CaptionHead(training.shape)
        self.projection = nn.Linear(material.captions.shape[-1], training.shape.width)
        self.log_scale = nn.Parameter(torch.tensor(3.0))

    def texts_unit(self, sentence_unit: Float[Tensor, "*B S"]) -> Float[Tensor, "*B D"]:
        """Unit vectors of texts in the caption block."""
        return functional.normalize(self.projection(sentence_unit), dim=-1)

    def step_loss(self, rows: Tensor) -> Float[Tensor, ""]:
        """The loss of the photographs at `rows`, each in a view drawn at random."""
        views = torch.randint(len(self.material.features), (len(rows),)).numpy()
        picked = self.material.features[views, rows.numpy()].astype(np.float32)
        features = torch.from_numpy(picked)
        captions = self.texts_unit(torch.from_numpy(self.material.captions[rows.numpy()]))
        image_unit = self.head(self.standardised(features))
        return caption_contrast(image_unit, captions, self.log_scale.exp())

    def train(self) -> None:
        """Runs all epochs."""
        training = self.training
        count = self.material.features.shape[1]
        parameters = [*self.head.parameters(), *self.projection.parameters(), self.log_scale]
        optimiser = torch.optim.AdamW(
            parameters, lr=training.learning_rate, weight_decay=training.weight_decay
        )
        steps = max(1, count // training.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, training.learning_rate, total_steps=steps * training.epochs, pct_start=0.1
        )
        for epoch in range(training.epochs):
            self.head.train()
            losses = []
            order = torch.randperm(count)
            for step in range(steps):
                rows = order[step * training.batch : (step + 1) * training.batch]
                loss = self.step_loss(rows)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(parameters, 5.0)
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
            hits = " ".join(f"{rate:.1f}" for rate in self.dev_hits()["text_to_image"])
            logger.info("head epoch %d: loss %.3f, dev %s", epoch + 1, np.mean(losses), hits)

    @torch.no_grad()
    def images(self, features: Float16[np.ndarray, "N F"]) -> Float32[np.ndarray, "N D"]:
        """Unit vectors of pooled features in the caption block."""
        self.head.eval()
        vectors = self.head(self.standardised(torch.from_numpy(features.astype(np.float32))))
        return np.asarray(vectors.numpy())

    @torch.no_grad()
    def texts(self, sentences: Float32[np.ndarray, "N S"]) -> Float32[np.ndarray, "N D"]:
        """Unit vectors of the sentence teacher's vectors in the caption block."""
        return np.asarray(self.texts_unit(torch.from_numpy(sentences)).numpy())

    def dev_hits(self) -> dict[str, list[float]]:
        """Hit rates on the dev photographs."""
        captions = self.material.dev_captions
        texts = self.texts(captions.reshape(-1, captions.shape[-1]))
        return caption_hits(self.images(self.material.dev_features), texts, captions.shape[1])
