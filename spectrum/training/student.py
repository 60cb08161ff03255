"""Trains the image tower's tails and heads: HARMONY's loss, with the ensemble as the teacher."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from spectrum.harmony.balance import (
    attention_disagreement,
    harmony_loss,
    in_batch_attention,
    information_bound,
)
from spectrum.harmony.distillation import distillation_loss, feature_distillation_loss
from spectrum.training.backbone import EXTRACTOR_FEATURES, WIDTH, Tails, means
from spectrum.training.contrast import caption_contrast
from spectrum.training.heads import CaptionHead, HeadShape, Standardised, Whitening
from spectrum.training.mobilenet import FEATURES

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each term of the student's loss counts for; 0 leaves the term out."""

    contrast: float = 1.0
    """Captions find their photographs and photographs their captions: the task."""
    distillation: float = 4.0
    """HARMONY 5.1a: the ensemble's probabilities of a batch's captions."""
    feature_distillation: float = 1.0
    """HARMONY 5.1b: the ensemble's signals, by a linear map of the student's features."""
    relation: float = 1.0
    """HARMONY 5.1a on likenesses: which photographs of a batch are alike to the ensemble."""
    names: float = 0.3
    """HARMONY 5.1a on class names: the classifier's probabilities of its thousand classes."""
    labels: float = 3.0
    """The labeler's probabilities of its labels, as binary cross entropy."""
    harmony: float = 0.02
    """HARMONY 5.3a: a bound of the mutual information, and the distance of pairs."""
    disagreement: float = 0.003
    """HARMONY 5.3b: a batch's attention by photographs and by captions."""


@dataclass(frozen=True, kw_only=True)
class StudentTraining:
    """How the student is trained. Chosen on the dev photographs of Flickr8k."""

    head: HeadShape = field(default_factory=HeadShape)
    """The caption block."""
    visual: tuple[int, int] = (64, 192)
    """Whitened directions of the extractor's and of the classifier's features: a token's channels,
    and the first parts of the visual vector."""
    classes: int = 1000
    """C, classes of the classifier whose names the noun block is made of."""
    labels: int = 320
    """L, labels of the labeler whose names it is made of: those it gives most."""
    weights: LossWeights = field(default_factory=LossWeights)
    """What each term counts for."""
    epochs: int = 26
    """Passes over the captioned photographs, one view of each per pass."""
    batch: int = 1000
    """Captioned photographs per step."""
    others: int = 200
    """Photographs without captions per step, for what needs none."""
    head_rate: float = 1.5e-3
    """Peak of the one-cycle schedule for what starts from random weights."""
    tail_rate: float = 4e-4
    """The same for the extractor's late layers."""
    classifier_rate: float = 0.0
    """The same for the classifier's last layer; at 0 it stays the pretrained one."""
    weight_decay: float = 0.05
    """AdamW's."""
    relation_temperature: float = 0.1
    """Of the likenesses among a batch."""
    distance_weight: float = 0.1
    """HARMONY's alpha in 5.3a."""
    heard: float = 0.5
    """Share of captions shown as the text tower that ships says them, and not its teacher."""
    seed: int = 0
    """Of the initial weights, the order, the views and the dropout."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One view of the photographs: where the tails start, and what the ensemble says of it."""

    extractor: np.ndarray
    """Maps of the extractor's stem, N 512 h w, float16."""
    classifier: np.ndarray
    """Maps of the classifier's stem, N 320 h w, float16."""
    signals: Float32[Tensor, "N T"]
    """The ensemble's signals, reduced and of unit length."""
    logits: Float32[Tensor, "N M"]
    """The classifier's logits of its classes, then the labeler's of its labels."""
    semantic: Float32[Tensor, "N E"]
    """The ensemble's semantic vectors, each by a head that never saw its row."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """All that the student learns from."""

    captioned: list[View]
    """Views of the captioned photographs."""
    captions: Float32[Tensor, "N K S"]
    """The captions' vectors by the sentence teacher."""
    texts: Float32[Tensor, "N K E"]
    """The same captions in the ensemble's space."""
    scale: float
    """The ensemble's inverse temperature."""
    others: list[View]
    """Views of photographs without captions; may be empty."""
    heard: Float32[Tensor, "N K S"] | None = None
    """The captions' vectors by the text tower that ships; None where there is none yet."""

    def sentences(self, rows: Tensor, heard: float) -> Float32[Tensor, "B K S"]:
        """The captions of some photographs, a random share of them by the text tower that ships."""
        captions = self.captions[rows]
        if self.heard is None or not heard:
            return captions
        chosen = torch.rand(*captions.shape[:2], 1) < heard
        return torch.where(chosen, self.heard[rows], captions)


class Student(nn.Module):
    """Tails and heads, from the stems' maps to all that the tower says."""

    def __init__(self, training: StudentTraining, tails: Tails, sentence: int) -> None:
        super().__init__()
        self.tails = tails
        self.standardised = Standardised(WIDTH)
        self.captions = CaptionHead(WIDTH, training.head)
        self.whitening = Whitening((EXTRACTOR_FEATURES, FEATURES), training.visual)
        self.classes = nn.Linear(sum(training.visual), training.classes + training.labels)
        self.projection = nn.Linear(sentence, training.head.width)
        self.log_scale = nn.Parameter(torch.tensor(3.0))

    def features(
        self, extractor: Float[Tensor, "B 512 h w"], classifier: Float[Tensor, "B 320 h w"]
    ) -> Float[Tensor, "B F"]:
        """Standardised means of the local features."""
        standardised: Tensor = self.standardised(means(self.tails(extractor, classifier)))
        return standardised

    def texts(self, sentence_unit: Float[Tensor, "*B S"]) -> Float[Tensor, "*B D"]:
        """Unit vectors of texts in the caption block."""
        return functional.normalize(self.projection(sentence_unit), dim=-1)


class StudentTrainer:
    """Trains a student on its lessons."""

    def __init__(self, training: StudentTraining, student: Student, lessons: Lessons) -> None:
        self.training, self.student, self.lessons = training, student, lessons
        torch.manual_seed(training.seed)
        self.adapter = nn.Linear(WIDTH, lessons.captioned[0].signals.shape[1])

    def train(self, watch: Callable[[Student], str] | None = None) -> list[dict[str, float]]:
        """Runs all epochs; returns each epoch's mean of every term, unweighted."""
        training, student = self.training, self.student
        torch.manual_seed(training.seed)
        tails = list(student.tails.extractor.parameters())
        last = list(student.tails.classifier.parameters())
        fixed = {id(part) for part in [*tails, *last, *student.whitening.parameters()]}
        fresh = [part for part in student.parameters() if id(part) not in fixed]
        rates = [training.head_rate, training.tail_rate]
        groups = [
            {"params": [*fresh, *self.adapter.parameters()], "lr": training.head_rate},
            {"params": tails, "lr": training.tail_rate},
        ]
        if training.classifier_rate:
            rates.append(training.classifier_rate)
            groups.append({"params": last, "lr": training.classifier_rate})
            tails = [*tails, *last]
        else:
            student.tails.classifier.requires_grad_(False)
        optimiser = torch.optim.AdamW(groups, weight_decay=training.weight_decay)
        count = len(self.lessons.captions)
        steps = max(1, count // training.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rates, total_steps=steps * training.epochs, pct_start=0.1
        )
        curves = []
        for epoch in range(training.epochs):
            student.train()
            started = time.monotonic()
            order = torch.randperm(count)
            sums: dict[str, float] = {}
            for step in range(steps):
                rows = order[step * training.batch : (step + 1) * training.batch]
                terms = self.terms(rows)
                weights = training.weights
                loss = torch.stack(
                    [getattr(weights, name) * term for name, term in terms.items()]
                ).sum()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_([*fresh, *tails], 5.0)
                optimiser.step()
                schedule.step()
                for name, term in terms.items():
                    sums[name] = sums.get(name, 0.0) + term.item() / steps
            curves.append(sums)
            said = ", ".join(f"{name} {value:.3f}" for name, value in sums.items())
            student.eval()
            seen = watch(student) if watch is not None else ""
            spent = time.monotonic() - started
            logger.info("student epoch %d: %s; %s %.0f s", epoch + 1, said, seen, spent)
        return curves

    def entering(self, view: View, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The stems' maps of some rows of a view."""
        picked = rows.numpy()
        maps = (view.extractor[picked], view.classifier[picked])
        first, second = (torch.from_numpy(part.astype(np.float32)) for part in maps)
        form = torch.channels_last
        return first.contiguous(memory_format=form), second.contiguous(memory_format=form)

    def terms(self, rows: Tensor) -> dict[str, Tensor]:
        """The unweighted terms of the loss for captioned photographs and some others."""
        training, lessons, student = self.training, self.lessons, self.student
        view = lessons.captioned[int(torch.randint(len(lessons.captioned), ()))]
        parts = [(view, rows)]
        if lessons.others and training.others:
            other = lessons.others[int(torch.randint(len(lessons.others), ()))]
            parts.append((other, torch.randperm(len(other.signals))[: training.others]))
        # Half-precision products double the speed and leave the weights in float32.
        with torch.autocast("cpu", torch.bfloat16):
            features = torch.cat(
                [student.features(*self.entering(view, picked)) for view, picked in parts]
            ).float()
            images = student.captions(features[: len(rows)]).float()
            texts = student.texts(lessons.sentences(rows, training.heard)).float()
            visual = student.whitening(features).float()
            adapted = functional.normalize(self.adapter(features).float(), dim=-1)
            named = student.classes(student.whitening.project(features)).float()
        signals = torch.cat([view.signals[picked] for view, picked in parts])
        logits = torch.cat([view.logits[picked] for view, picked in parts])
        classes = training.classes
        return {
            **self.caption_terms(images, texts, view.semantic[rows], lessons.texts[rows]),
            "feature_distillation": feature_distillation_loss(adapted, signals, nn.Identity()),
            "relation": relation(visual, signals, training.relation_temperature),
            "names": distillation_loss(named[:, :classes], logits[:, :classes], 1.0),
            "labels": functional.binary_cross_entropy_with_logits(
                named[:, classes:], logits[:, classes:].sigmoid()
            ),
        }

    def caption_terms(
        self,
        images: Float[Tensor, "B D"],
        texts: Float[Tensor, "B K D"],
        teacher_images: Float[Tensor, "B E"],
        teacher_texts: Float[Tensor, "B K E"],
    ) -> dict[str, Tensor]:
        """The terms that need captions: task, 5.1a, 5.3a and 5.3b. One caption of each for 5.3."""
        weights = self.training.weights
        scale = self.student.log_scale.exp()
        terms = {"contrast": caption_contrast(images, texts, scale)}
        one = torch.randint(texts.shape[1], ())
        text = texts[:, one]
        if weights.distillation:
            said = scale * images @ text.T
            taught = self.lessons.scale * teacher_images @ teacher_texts[:, one].T
            terms["distillation"] = (
                distillation_loss(said, taught, 1.0) + distillation_loss(said.T, taught.T, 1.0)
            ) / 2
        if weights.harmony:
            bound = information_bound(images, text, 1.0 / scale)
            terms["harmony"] = harmony_loss(images, text, bound.nats, self.training.distance_weight)
        if weights.disagreement:
            temperature = self.training.relation_temperature
            terms["disagreement"] = attention_disagreement(
                in_batch_attention(images, temperature), in_batch_attention(text, temperature)
            )
        return terms


def relation(
    student_unit: Float[Tensor, "B P"], teacher_unit: Float[Tensor, "B T"], temperature: float
) -> Float[Tensor, ""]:
    """HARMONY 5.1a on the likenesses of a batch's photographs, each but itself."""
    itself = torch.eye(len(student_unit), dtype=torch.bool)
    student, teacher = (
        (unit @ unit.T / temperature).masked_fill(itself, -1e4)
        for unit in (student_unit, teacher_unit)
    )
    return distillation_loss(student, teacher, 1.0)


TERMS = tuple(entry.name for entry in fields(LossWeights))
"""Names of the loss's terms, each of which the ablations leave out in turn."""
