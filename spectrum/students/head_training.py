"""Teaches a student's heads: first in closed form, then by HARMONY's losses."""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from spectrum.harmony.balance import HarmonyWeights, total_loss
from spectrum.harmony.distillation import distillation_loss, feature_distillation_loss
from spectrum.students.heads import StudentHead
from spectrum.students.lessons import Lessons, Pairs, TextRows
from spectrum.students.ridge import best_ridge, predictions_out_of_fold
from spectrum.students.settings import StudentTraining
from spectrum.training.contrast import caption_contrast

FEWEST_STEPS = 8
"""Steps of an epoch at least: the texts need them even where the pictures are few."""
MANY = 8
"""Items, in multiples of the inputs' width, from which on a linear map errs on its own as on new
ones."""
MOST_CHECKED = 512
"""Pictures and texts that the validation loss is taken over at most: it grows with their number."""
_NEVER = -1e4
"""A logit whose probability is 0 and whose gradient is finite."""


class Epoch(NamedTuple):
    """How it stood after an epoch; epoch 0 is the closed form."""

    epoch: int
    training_loss: float | None
    """None for epoch 0."""
    validation_loss: float
    validation_cosine: float
    """Mean cosine to the teacher's vectors of the validation pictures."""


class TaughtHeads(NamedTuple):
    """What training leaves."""

    images: StudentHead
    texts: StudentHead | None
    """None where the teacher reads no texts."""
    linear: StudentHead
    """The image head as ridge regression alone has it: the line to pass."""
    epochs: list[Epoch]
    best_epoch: int
    """The epoch whose heads these are."""


def fitting_temperature(unit: Float[Tensor, "B S"], other: Float[Tensor, "C S"]) -> float:
    """Half the standard deviation of the similarities: the temperature of a distribution over them.

    Teachers differ in how wide a cone their vectors fill, and a fixed temperature would make one's
    distributions flat and another's a single peak. An item's similarity to itself is left out.
    """
    similarities = unit @ other.T
    if unit is other:
        similarities = similarities[~torch.eye(len(unit), dtype=torch.bool)]
    return max(float(similarities.std()) / 2.0, 1e-6)


def likeness_logits(unit: Float[Tensor, "B S"], temperature: float) -> Float[Tensor, "B B"]:
    """How alike the items of a batch are, as logits; nothing is like itself."""
    itself = torch.eye(len(unit), dtype=torch.bool)
    return (unit @ unit.T / temperature).masked_fill(itself, _NEVER)


class Side(NamedTuple):
    """A batch of images, or of texts."""

    made: Float[Tensor, "B S"]
    teacher: Float[Tensor, "B S"]


class Pupil:
    """One head, its lessons, and the scales of the teacher's space."""

    def __init__(self, lessons: Lessons, training: StudentTraining) -> None:
        self.lessons = lessons
        pairs = lessons.training
        views, count, width = pairs.inputs.shape
        leaving = pairs.teacher_unit.shape[1]
        self.head = StudentHead(width, leaving, training.hidden, training.dropout)
        self.head.standardise(pairs.inputs.reshape(views * count, width))
        self.standardised = self._standardised(pairs)
        self.unseen = self._standardised(lessons.validation)[0]
        self.teacher = torch.from_numpy(pairs.teacher_unit)
        self.unseen_teacher = torch.from_numpy(lessons.validation.teacher_unit)
        centred = self.teacher - self.teacher.mean(dim=0)
        self.variance = max(float(centred.square().sum(dim=1).mean()), 1e-12)
        sample = self.teacher[:1024]
        self.temperature = fitting_temperature(sample, sample)

    def _standardised(self, pairs: Pairs) -> Float32[Tensor, "V N W"]:
        return self.head.standardised(torch.from_numpy(pairs.inputs.astype(np.float32)))

    def start(self) -> None:
        """Fits the linear map, and notes what it says of the training items."""
        views, count, width = self.standardised.shape
        inputs, targets = self.standardised.numpy(), self.lessons.training.teacher_unit
        linear = best_ridge(
            inputs.reshape(views * count, width),
            np.tile(targets, (views, 1)),
            self.unseen.numpy(),
            self.lessons.validation.teacher_unit,
        )
        self.head.start(linear)
        if views * count < MANY * width:
            straight = predictions_out_of_fold(inputs, targets, linear.penalty)
        else:
            straight = inputs @ linear.weight.T + linear.bias
        self.straight = torch.from_numpy(straight.astype(np.float32))

    def made(self, rows: Tensor) -> Float[Tensor, "B S"]:
        """The head's vectors of training items, each in a view drawn at random."""
        views = torch.randint(len(self.standardised), (len(rows),))
        branch = self.head.branch(self.standardised[views, rows])
        return functional.normalize(self.straight[views, rows] + branch, dim=-1)


class HeadTrainer:
    """Trains the image head and, where the teacher reads texts, the text head with it."""

    def __init__(
        self,
        images: Lessons,
        texts: Lessons | None,
        rows: TextRows,
        training: StudentTraining,
    ) -> None:
        torch.manual_seed(training.seed)
        self.training, self.rows = training, rows
        self.images = Pupil(images, training)
        self.texts = None if texts is None else Pupil(texts, training)
        self.weights = HarmonyWeights(
            distillation_weight=training.likeness_weight,
            feature_distillation_weight=training.feature_weight,
            harmony_weight=0.0,
            disagreement_weight=0.0,
        )
        self.temperature = 1.0
        if self.texts is not None:
            self.temperature = fitting_temperature(
                self.images.teacher[:1024], self.texts.teacher[:1024]
            )

    def taught(self, advance: Callable[[], None] = lambda: None) -> TaughtHeads:
        """Fits and trains; `advance` is called after every epoch. The best epoch's heads stay."""
        self.images.start()
        linear = copy.deepcopy(self.images.head)
        if self.texts is not None:
            self.texts.start()
        first = self._checked(0, None)
        epochs, best, kept = [first], first, self._states()
        optimiser, schedule = self._optimiser()
        for number in range(1, self.training.epochs + 1):
            losses = []
            for pupil in self._pupils():
                pupil.head.train()
            for _ in range(self._steps()):
                loss = self._step_loss()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
            epochs.append(self._checked(number, float(np.mean(losses))))
            advance()
            if epochs[-1].validation_loss < best.validation_loss:
                best, kept = epochs[-1], self._states()
            if number - best.epoch >= self.training.patience:
                break
        for pupil, state in zip(self._pupils(), kept, strict=True):
            pupil.head.load_state_dict(state)
            pupil.head.eval()
        texts = None if self.texts is None else self.texts.head
        return TaughtHeads(self.images.head, texts, linear, epochs, best.epoch)

    def _pupils(self) -> list[Pupil]:
        return [self.images] if self.texts is None else [self.images, self.texts]

    def _states(self) -> list[dict[str, Tensor]]:
        return [copy.deepcopy(pupil.head.state_dict()) for pupil in self._pupils()]

    def _steps(self) -> int:
        return max(FEWEST_STEPS, math.ceil(len(self.images.teacher) / self.training.batch))

    def _optimiser(
        self,
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        parameters = [each for pupil in self._pupils() for each in pupil.head.trained()]
        optimiser = torch.optim.AdamW(
            parameters, lr=self.training.learning_rate, weight_decay=self.training.weight_decay
        )
        total = max(1, self.training.epochs * self._steps())
        rise = max(1.0, 0.1 * total)

        def share(step: int) -> float:
            fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / total)))
            return min((step + 1) / rise, 1.0) * fall

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        return optimiser, schedule

    def _step_loss(self) -> Float[Tensor, ""]:
        sides = []
        for pupil in self._pupils():
            rows = torch.randperm(len(pupil.teacher))[: self.training.batch]
            sides.append(Side(pupil.made(rows), pupil.teacher[rows]))
        return self._loss(sides, self._caption_loss())

    def _caption_loss(self) -> Float[Tensor, ""]:
        """Captions and pictures of a random batch finding each other."""
        known = self.rows.captions
        picked = torch.randperm(len(known.images))[: self.training.batch].tolist()
        drawn = [
            [known.texts[number][place] for place in torch.randint(len(known.texts[number]), (2,))]
            for number in picked
        ]
        return self._contrast(
            [known.images[number] for number in picked], drawn, lambda pupil, rows: pupil.made(rows)
        )

    def _checked_caption_loss(self) -> Float[Tensor, ""]:
        """The same of validation pictures, by their first and last captions."""
        known = self.rows.validation_captions
        ends = [[rows[0], rows[-1]] for rows in known.texts[:MOST_CHECKED]]
        return self._contrast(
            known.images[:MOST_CHECKED],
            ends,
            lambda pupil, rows: pupil.head.unit(pupil.unseen[rows]),
        )

    def _contrast(
        self,
        images: list[int],
        texts: list[list[int]],
        vectors: Callable[[Pupil, Tensor], Tensor],
    ) -> Float[Tensor, ""]:
        """HARMONY's L_task: pictures and two captions of each, weighted; 0 without captions."""
        if self.texts is None or len(images) < 2 or not self.training.caption_weight:
            return torch.zeros(())
        image_unit = vectors(self.images, torch.tensor(images))
        text_unit = vectors(self.texts, torch.tensor(texts).flatten())
        loss = caption_contrast(
            image_unit,
            text_unit.reshape(len(images), 2, -1),
            torch.tensor(1.0 / self.temperature),
        )
        return self.training.caption_weight * loss

    def _loss(self, sides: list["Side"], task: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """HARMONY 5.3c without its terms of agreement, which the teacher's space has settled.

        5.1b on each side, as a share of the teacher's variance there. 5.1a with the likenesses
        within a batch for classes (relational: Tung and Mori, ICCV 2019): among the images, among
        the texts, and between both; their mean.
        """
        features = torch.zeros(())
        likenesses = []
        for pupil, (made, teacher) in zip(self._pupils(), sides, strict=True):
            distance = feature_distillation_loss(made, teacher, nn.Identity())
            features = features + distance / pupil.variance
            ours, theirs = (likeness_logits(unit, pupil.temperature) for unit in (made, teacher))
            likenesses.append(distillation_loss(ours, theirs))
        if len(sides) == 2:
            images, texts = sides
            ours = images.made @ texts.made.T / self.temperature
            theirs = images.teacher @ texts.teacher.T / self.temperature
            likenesses += [distillation_loss(ours, theirs), distillation_loss(ours.T, theirs.T)]
        nothing = torch.zeros(())
        return total_loss(
            task=task,
            distillation=torch.stack(likenesses).mean(),
            feature_distillation=features,
            harmony=nothing,
            disagreement=nothing,
            weights=self.weights,
        )

    @torch.no_grad()
    def _checked(self, epoch: int, training_loss: float | None) -> Epoch:
        sides = []
        for pupil in self._pupils():
            pupil.head.eval()
            sides.append(Side(pupil.head.unit(pupil.unseen), pupil.unseen_teacher))
        few = [Side(*(vectors[:MOST_CHECKED] for vectors in side)) for side in sides]
        loss = float(self._loss(few, self._checked_caption_loss()))
        cosine = float((sides[0].made * sides[0].teacher).sum(dim=1).mean())
        return Epoch(epoch, training_loss, loss, cosine)
