"""Teaches the small text tower what the sentence teacher knows."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from spectrum.training.text_noise import noised
from spectrum.training.text_tower import SentenceTower, TextShape

logger = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How the text tower is trained."""

    shape: TextShape = field(default_factory=TextShape)
    """Widths, and the layers that are copied."""
    pieces: int = 9_000
    """V, size of the tokenizer's vocabulary."""
    epochs: int = 4
    """Passes over the texts."""
    batch: int = 128
    """Texts per step."""
    learning_rate: float = 5e-4
    """Peak of the one-cycle schedule."""
    sentence_weight: float = 5.0
    """Scales 1 - cosine to the teacher's sentence vector."""
    temperature: float = 0.05
    """Of the likenesses among a batch."""
    noisy: bool = True
    """Whether each pass shows half of the texts with typos, as keywords and so on; the teacher's
    vector of the text as it was stays the target."""
    halved: bool = True
    """Whether products are computed in bfloat16."""
    seed: int = 0
    """Of the order of the texts, and of what is done to them."""


def likeness_loss(
    student_unit: Float[Tensor, "B S"], teacher_unit: Float[Tensor, "B S"], temperature: float
) -> Float[Tensor, ""]:
    r"""How differently student and teacher see which texts of a batch are alike.

        L = 1/B sum_b KL( softmax_c(t_b . t_c / tau) || softmax_c(s_b . s_c / tau) ),   c != b

        paper   here           shape
        s       student_unit   B S   unit length
        t       teacher_unit   B S   unit length, no gradient
        tau     temperature    > 0

    Relational distillation (Tung and Mori, ICCV 2019) with rows as distributions: what ranks the
    texts counts more than where they lie. Reference loop: tests/references/contrast.py
    """
    itself = torch.eye(len(student_unit), dtype=torch.bool)
    student = (student_unit @ student_unit.T / temperature).masked_fill(itself, -1e4)
    teacher = (teacher_unit @ teacher_unit.T / temperature).masked_fill(itself, -1e4)
    return nn.functional.kl_div(
        student.log_softmax(dim=-1),
        teacher.log_softmax(dim=-1),
        reduction="batchmean",
        log_target=True,
    )


def padded(
    rows: Sequence[Sequence[int]],
) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Token ids side by side, 0 where a text has ended, and the mask that is True before that."""
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    token_ids = torch.zeros(mask.shape, dtype=torch.int64)
    token_ids[mask] = torch.tensor([token for row in rows for token in row])
    return token_ids, mask


def batches(
    lengths: Int[np.ndarray, " N"], batch: int, random: np.random.Generator
) -> Iterator[Int[np.ndarray, " B"]]:
    """One pass over N texts in random batches of nearly one length, so little is padded."""
    order = random.permutation(len(lengths))
    pool = 50 * batch
    cut = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        cut += [part[first : first + batch] for first in range(0, len(part), batch)]
    for number in random.permutation(len(cut)):
        if len(cut[number]) > 1:
            yield cut[number]


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """What the tower learns from, and in which order."""

    tokenizer: Tokenizer
    """The tower's."""
    texts: Sequence[str]
    """The texts as they are."""
    nouns: frozenset[str]
    """Words whose number may be changed."""
    distillation: Distillation
    """How many at once, and whether noised."""

    def epoch(self, number: int) -> tuple[list[list[int]], list[Int[np.ndarray, " B"]]]:
        """Token ids of all texts as this pass shows them, and its batches.

        Both depend on the seed and the number alone, so a run that was stopped goes on with what
        it would have seen.
        """
        random = np.random.default_rng([self.distillation.seed, number])
        shown = list(self.texts)
        if self.distillation.noisy:
            shown = [noised(text, random, self.nouns) for text in shown]
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(shown)]
        lengths = np.array([len(row) for row in rows])
        return rows, list(batches(lengths, self.distillation.batch, random))


class Distiller:
    """A tower in training: its optimiser, its schedule, and how far it has come."""

    def __init__(self, tower: SentenceTower, distillation: Distillation, texts: int) -> None:
        self.tower = tower
        self.distillation = distillation
        self.epoch = 0
        self.step = 0
        self.parameters = list(tower.parameters())
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=distillation.learning_rate, weight_decay=0.01, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            distillation.learning_rate,
            # One more per pass than whole batches; a last batch of one text is left out.
            total_steps=distillation.epochs * (texts // distillation.batch + 1),
            pct_start=0.05,
        )

    def taught(self, token_ids: Tensor, mask: Tensor, target: Tensor) -> float:
        """One step; returns the mean cosine to the targets before it."""
        # Half-precision products double the speed and leave the weights in float32.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.distillation.halved):
            sentence = self.tower(token_ids, mask).float()
        cosine = (sentence * target).sum(dim=-1).mean()
        likeness = likeness_loss(sentence, target, self.distillation.temperature)
        loss = self.distillation.sentence_weight * (1 - cosine) + likeness
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        return float(cosine.detach())

    def save(self, path: Path, made_of: str) -> None:
        """Writes all that a later run needs to go on; an older file stays until it is written."""
        state: dict[str, Any] = {
            "made_of": made_of,
            "epoch": self.epoch,
            "step": self.step,
            "tower": self.tower.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        fresh = path.with_suffix(".writing")
        torch.save(state, fresh)
        os.replace(fresh, path)

    def resume(self, path: Path, made_of: str) -> None:
        """Goes on from the file, if it is there and of the same settings and texts."""
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["made_of"] != made_of:
            logger.info("%s: of other settings or texts, begun anew", path)
            return
        self.epoch, self.step = state["epoch"], state["step"]
        self.tower.load_state_dict(state["tower"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        logger.info("%s: goes on with epoch %d, step %d", path, self.epoch + 1, self.step)


def distil(
    tower: SentenceTower,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    teacher_unit: Float32[np.ndarray, "N S"],
    distillation: Distillation,
    *,
    nouns: frozenset[str] = frozenset(),
    checkpoint: Path | None = None,
) -> None:
    """Trains the tower on texts and the teacher's vectors of them.

    `nouns` are the words that may be shown in another number. With a `checkpoint`, the state is
    kept there once a minute, a run that was stopped goes on from it, and it is deleted at the end.
    """
    lessons = Lessons(tokenizer=tokenizer, texts=texts, nouns=nouns, distillation=distillation)
    running = Distiller(tower, distillation, len(texts))
    made_of = f"{distillation!r} {len(texts)} {tokenizer.get_vocab_size()}"
    if checkpoint is not None:
        running.resume(checkpoint, made_of)
    started = kept = time.monotonic()
    tower.train()
    while running.epoch < distillation.epochs:
        rows, order = lessons.epoch(running.epoch)
        cosines: list[float] = []
        for picked in order[running.step :]:
            target = torch.from_numpy(teacher_unit[picked])
            cosines.append(running.taught(*padded([rows[row] for row in picked]), target))
            if running.step % 100 == 0:
                recent, spent = np.mean(cosines[-100:]), time.monotonic() - started
                logger.info(
                    "text epoch %d step %d of %d: cosine %.4f, %.0f s",
                    running.epoch + 1, running.step, len(order), recent, spent,
                )  # fmt: skip
            if checkpoint is not None and time.monotonic() - kept > CHECKPOINT_SECONDS:
                running.save(checkpoint, made_of)
                kept = time.monotonic()
        running.epoch, running.step = running.epoch + 1, 0
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    tower.eval()


@torch.inference_mode()
def tower_vectors(
    tower: SentenceTower, tokenizer: Tokenizer, texts: Sequence[str]
) -> Float32[np.ndarray, "N S"]:
    """The tower's sentence vectors of texts."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    made = []
    for start in range(0, len(rows), 256):
        made.append(tower(*padded(rows[start : start + 256])))
    return np.asarray(torch.cat(made).numpy())
