"""Trains the captioner's network: cross entropy, epoch by epoch, the best one by CIDEr on dev."""

import copy
import hashlib
import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spectrum.captioners.vocabulary import counted
from spectrum.training.caption_lessons import Lesson, lessons, padded
from spectrum.training.caption_material import CaptionMaterial, GridFeatures
from spectrum.training.caption_measures import Cider
from spectrum.training.captioner import END, UNKNOWN, CaptionerShape, CaptionNetwork

logger = logging.getLogger(__name__)

LENGTH_GROUPS = 2
"""A batch's captions are computed in so many groups of nearly one length: little is padded."""
DEV_BATCH = 250


@dataclass(frozen=True, kw_only=True)
class CaptionTraining:
    """How the captioner is trained. Chosen on the dev photographs of Flickr8k."""

    shape: CaptionerShape = field(default_factory=CaptionerShape)
    """Widths and dropout."""
    fewest: int = 4
    """How often a word has to come in the training captions to be learnt."""
    epochs: int = 8
    """Passes over the photographs, one view of each per pass."""
    batch: int = 20
    """Photographs per step, each with all its captions."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.05
    """AdamW's."""
    smoothing: float = 0.1
    """Of the labels."""
    masked: float = 0.1
    """Share of the words read that are replaced by <unknown>."""
    averaged: float = 0.998
    """Share of the running mean of the weights that stays at each step; in [0, 1)."""
    halved: bool = True
    """Whether products are computed in bfloat16."""
    seed: int = 0
    """Of the initial weights, the order, the views and the dropout."""


def one_cycle(step: int, steps: int) -> float:
    """The share of the peak learning rate: linear up for a tenth of the steps, a cosine down."""
    rising = max(1, steps // 10)
    if step < rising:
        return (step + 1) / rising
    done = min(1.0, (step - rising) / max(1, steps - rising))
    return 0.5 * (1.0 + math.cos(math.pi * done))


def lesson_loss(
    network: CaptionNetwork, features: GridFeatures, lesson: Lesson, training: CaptionTraining
) -> Float[Tensor, ""]:
    """Cross entropy per word of one step's captions, with smoothed labels."""
    picked = lesson.rows.numpy()
    tokens = torch.from_numpy(features.tokens[picked].astype(np.float32))
    semantic = torch.from_numpy(features.semantic[picked].astype(np.float32))
    keys, values = network.image_caches(tokens, semantic)
    total, words = torch.zeros(()), 0
    size = -(-len(lesson.owners) // LENGTH_GROUPS)
    for start in range(0, len(lesson.owners), size):
        owners = lesson.owners[start : start + size]
        group = lesson.sentences[start : start + size]
        read, target, mask = padded(group, network.shape.longest)
        hidden = (torch.rand(read.shape) < training.masked) & (read != END)
        states = network.states(
            (keys[:, owners], values[:, owners]), read.masked_fill(hidden, UNKNOWN)
        )
        loss = functional.cross_entropy(
            network.logits(states[mask]).float(),
            target[mask],
            label_smoothing=training.smoothing,
            reduction="sum",
        )
        total, words = total + loss, words + int(mask.sum())
    return total / words


@torch.inference_mode()
def greedy(network: CaptionNetwork, features: GridFeatures) -> list[list[int]]:
    """The most probable next word, again and again, for each photograph."""
    network.eval()
    written = []
    for start in range(0, len(features.tokens), DEV_BATCH):
        part = slice(start, start + DEV_BATCH)
        tokens = torch.from_numpy(features.tokens[part].astype(np.float32))
        semantic = torch.from_numpy(features.semantic[part].astype(np.float32))
        image = network.image_caches(tokens, semantic)
        past = network.nothing_said(len(tokens))
        words = torch.full((len(tokens),), END)
        said = []
        for _ in range(network.shape.longest):
            log_probs, keys, values = network.step(image, past, words)
            past = keys, values
            log_probs[:, UNKNOWN] = -torch.inf
            # No word twice in a row and no empty sentence, as `captioners.decoding` has it.
            log_probs.scatter_(1, words[:, None], -torch.inf)
            words = log_probs.argmax(dim=-1)
            said.append(words)
        for sentence in torch.stack(said, dim=1).tolist():
            written.append(sentence[: sentence.index(END)] if END in sentence else sentence)
    return written


class CaptionTrainer:
    """Holds what is trained, and its state between epochs."""

    def __init__(self, training: CaptionTraining, material: CaptionMaterial, path: Path) -> None:
        torch.manual_seed(training.seed)
        self.training, self.material, self.path = training, material, path
        self.vocabulary = counted(
            (text for texts in material.captions for text in texts), training.fewest
        )
        self.sentences = [
            [self.vocabulary.ids(text) for text in texts] for texts in material.captions
        ]
        first = material.views[0]
        cells, channels = first.tokens.shape[1:]
        self.network = CaptionNetwork(
            training.shape, len(self.vocabulary), cells, channels, first.semantic.shape[1]
        )
        self.network.reader.fit(first.tokens)
        self.average = copy.deepcopy(self.network)
        self.cider = Cider(material.dev_captions)
        decayed = [part for part in self.network.parameters() if part.ndim > 1]
        others = [part for part in self.network.parameters() if part.ndim < 2]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": training.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=training.learning_rate,
            betas=(0.9, 0.98),
        )
        steps = -(-len(material.captions) // training.batch) * training.epochs
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: one_cycle(step, steps)
        )
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}

    def resume(self) -> None:
        """Takes up the state that was saved after an epoch with these settings, if there is one."""
        if not self.path.exists():
            return
        saved = torch.load(self.path, weights_only=True)
        if saved["settings"] != self._settings():
            return
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.schedule.load_state_dict(saved["schedule"])
        self.history, self.best = saved["history"], saved["best"]
        logger.info("%s: goes on after epoch %d", self.path, len(self.history))

    def _settings(self) -> str:
        """What has to be equal for a saved state to be continued."""
        tokens = np.ascontiguousarray(self.material.dev.tokens)
        seen = hashlib.blake2b(tokens.tobytes(), digest_size=16).hexdigest()
        return repr((self.training, self.vocabulary.words, len(self.material.views), seen))

    def _save(self) -> None:
        state = {
            "settings": self._settings(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "best": self.best,
        }
        unfinished = self.path.with_suffix(".partial")
        torch.save(state, unfinished)
        unfinished.replace(self.path)

    def train(self) -> None:
        """Runs the epochs that are still to be run, and leaves the best epoch's weights."""
        self.resume()
        for epoch in range(len(self.history), self.training.epochs):
            started = time.monotonic()
            loss = self._epoch(epoch)
            written = [
                self.vocabulary.sentence(ids) for ids in greedy(self.average, self.material.dev)
            ]
            cider = self.cider.mean(written)
            if cider > max((row["cider"] for row in self.history), default=-1.0):
                state = self.average.state_dict()
                self.best = {name: part.clone() for name, part in state.items()}
            self.history.append({"loss": loss, "cider": cider})
            self._save()
            spent = time.monotonic() - started
            logger.info(
                "captioner epoch %d: loss %.3f, dev CIDEr %.3f, %.0f s; %s",
                epoch + 1, loss, cider, spent, written[0],
            )  # fmt: skip
        self.network.load_state_dict(self.best)
        self.network.eval()

    def _epoch(self, epoch: int) -> float:
        """One pass over the photographs; its mean loss."""
        training = self.training
        # Drawn anew from the epoch's number, so that a run that was killed draws the same.
        torch.manual_seed(training.seed * 10_000 + epoch)
        random = np.random.default_rng([training.seed, epoch])
        self.network.train()
        losses = []
        for lesson in lessons(self.material, self.sentences, training.batch, random):
            features = self.material.views[lesson.view]
            with torch.autocast("cpu", torch.bfloat16, enabled=training.halved):
                loss = lesson_loss(self.network, features, lesson, training)
            self.optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimiser.step()
            self.schedule.step()
            self._average()
            losses.append(loss.item())
        return float(np.mean(losses))

    @torch.no_grad()
    def _average(self) -> None:
        """Moves the running mean of the weights on: it writes better than the last ones do.

        Polyak and Juditsky, 1992; the mean forgets faster at the start, where weights are poor.
        """
        step = self.schedule.last_epoch
        stays = min(self.training.averaged, (1 + step) / (10 + step))
        pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
        for mean, part in pairs:
            mean.lerp_(part, 1.0 - stays)
