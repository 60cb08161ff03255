"""Teaches the small text tower what the sentence teacher knows."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from tokenizers import Tokenizer
from torch import Tensor, nn

from spectrum.training.text_tower import SentenceTower, TextShape

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How the text tower is trained."""

    shape: TextShape = field(default_factory=TextShape)
    """Widths, and the layers that are copied."""
    pieces: int = 14_000
    """V, size of the tokenizer's vocabulary."""
    epochs: int = 7
    """Passes over the texts."""
    batch: int = 128
    """Texts per step."""
    learning_rate: float = 5e-4
    """Peak of the one-cycle schedule."""
    sentence_weight: float = 5.0
    """Scales 1 - cosine to the teacher's sentence vector."""
    temperature: float = 0.05
    """Of the likenesses among a batch."""
    halved: bool = True
    """Whether products are computed in bfloat16."""
    seed: int = 0
    """Of the order of the texts."""


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


def distil(
    tower: SentenceTower,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    teacher_unit: Float32[np.ndarray, "N S"],
    distillation: Distillation,
) -> None:
    """Trains the tower on texts and the teacher's vectors of them."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    lengths = np.array([len(row) for row in rows])
    random = np.random.default_rng(distillation.seed)
    parameters = list(tower.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=distillation.learning_rate, weight_decay=0.01)
    steps = sum(1 for _ in batches(lengths, distillation.batch, np.random.default_rng(0)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        distillation.learning_rate,
        total_steps=distillation.epochs * steps,
        pct_start=0.05,
    )
    started = time.monotonic()
    tower.train()
    for epoch in range(distillation.epochs):
        cosines = []
        for picked in batches(lengths, distillation.batch, random):
            token_ids, mask = padded([rows[number] for number in picked])
            target = torch.from_numpy(teacher_unit[picked])
            # Half-precision products double the speed and leave the weights in float32.
            with torch.autocast("cpu", torch.bfloat16, enabled=distillation.halved):
                sentence = tower(token_ids, mask).float()
            cosine = (sentence * target).sum(dim=-1).mean()
            likeness = likeness_loss(sentence, target, distillation.temperature)
            loss = distillation.sentence_weight * (1 - cosine) + likeness
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            cosines.append(cosine.item())
            if len(cosines) % 100 == 0:
                recent, spent = np.mean(cosines[-100:]), time.monotonic() - started
                logger.info(
                    "text epoch %d step %d: cosine %.4f, %.0f s",
                    epoch + 1, len(cosines), recent, spent,
                )  # fmt: skip
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
