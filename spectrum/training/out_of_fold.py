"""Semantic vectors of photographs by heads that have not seen them."""

import logging

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from spectrum.stack.levels import Standardised
from spectrum.stack.objectives import module_loss
from spectrum.training.ensemble_head import folds
from spectrum.training.heads import CaptionHead, HeadShape

logger = logging.getLogger(__name__)

FOLDS = 5
EPOCHS = 24
BATCH = 750
LEARNING_RATE = 1.5e-3
WEIGHT_DECAY = 0.05
TEMPERATURE = 0.05
HIDDEN = 256
DROPOUT = 0.6


def semantic_out_of_fold(
    views: Float32[np.ndarray, "V N P"], captions: Float32[np.ndarray, "N K S"], seed: int = 0
) -> Float32[np.ndarray, "N S"]:
    """Unit vectors of the photographs, each by a head that was trained on the other folds.

    The embedded encoder has learned from these very photographs, and finds their captions half as
    often again as those of new ones: what refines its vectors would learn to lean on that. These
    heads read the same features (`views`, the levels of an image side by side) and are about as
    good as the encoder is on new photographs.
    """
    torch.manual_seed(seed)
    fold = folds(len(captions), FOLDS, seed)
    said = torch.from_numpy(captions)
    made = torch.zeros(len(captions), captions.shape[2])
    standardised = Standardised(views.shape[2])
    standardised.fit(torch.from_numpy(views[0]))
    inputs = [standardised(torch.from_numpy(view)) for view in views]
    for part in range(FOLDS):
        head = _trained_head(inputs, said, torch.arange(len(said))[fold != part])
        unseen = torch.arange(len(said))[fold == part]
        with torch.no_grad():
            made[unseen] = head(inputs[0][unseen])
            loss = module_loss(made[unseen], said[unseen], TEMPERATURE)
        logger.info("fold %d: loss %.3f on %d unseen photographs", part, loss, len(unseen))
    return made.numpy()


def _trained_head(
    inputs: list[Float[Tensor, "N P"]], captions: Float[Tensor, "N K S"], rows: Tensor
) -> CaptionHead:
    shape = HeadShape(width=captions.shape[2], hidden=HIDDEN, dropout=DROPOUT)
    head = CaptionHead(inputs[0].shape[1], shape)
    described = functional.normalize(captions.mean(dim=1), dim=-1)
    optimiser = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps * EPOCHS, pct_start=0.1
    )
    for _ in range(EPOCHS):
        order = rows[torch.randperm(len(rows))]
        for picked in torch.tensor_split(order, steps):
            view = inputs[int(torch.randint(len(inputs), (1,)))]
            made = head(view[picked])
            nearness = 1 - (made * described[picked]).sum(dim=1).mean()
            loss = 2 * module_loss(made, captions[picked], TEMPERATURE) + 0.2 * nearness
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
    return head.eval()
