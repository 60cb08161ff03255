"""What the examples are measured against: a plain network of the same size, trained as long."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from satipatthana.curriculum import TrainingHistory
from satipatthana.system import SatipatthanaSystem

N = TypeVar("N", bound=nn.Module)
BATCH_SIZE = 128


def system_size(system: SatipatthanaSystem) -> int:
    """Parameters that an answer and its scores take; the heads that only training uses apart."""
    parts = (system.samatha, system.vipassana, system.decoder, system.samatha_recon_head)
    return sum(map(size, parts))


def steps_taken(history: TrainingHistory, num_samples: int) -> int:
    """Optimiser steps of all four stages."""
    return sum(len(stage.epochs) for stage in history.stages) * -(-num_samples // BATCH_SIZE)


def size(network: nn.Module) -> int:
    """How many parameters a network has."""
    return sum(weight.numel() for weight in network.parameters())


def of_size(count: int, build: Callable[[int], N]) -> N:
    """The network `build(width)` of the least width that gives it `count` parameters or more."""
    width = bisect_left(range(4, 400, 4), count, key=lambda width: size(build(width)))
    torch.manual_seed(0)
    return build(4 * (width + 1))


def perceptron(input_dim: int, width: int, output_dim: int, dropout: float = 0.0) -> nn.Sequential:
    """A plain multi-layer perceptron of two hidden layers."""
    return nn.Sequential(
        *(nn.Linear(input_dim, width), nn.GELU(), nn.Dropout(dropout)),
        *(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout)),
        nn.Linear(width, output_dim),
    )


def autoencoder(input_dim: int, width: int, latent_dim: int) -> nn.Sequential:
    """A plain autoencoder, one hidden layer on each side."""
    return nn.Sequential(
        *(nn.Linear(input_dim, width), nn.GELU(), nn.Linear(width, latent_dim)),
        *(nn.Linear(latent_dim, width), nn.GELU(), nn.Linear(width, input_dim)),
    )


def train(
    network: N, x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor], steps: int
) -> N:
    """The network after so many steps of AdamW on random batches, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    network.train()
    for _ in range(steps):
        rows = torch.randint(len(x), (BATCH_SIZE,), generator=generator)
        optimiser.zero_grad()
        loss(network(x[rows]), y[rows]).backward()
        optimiser.step()
    return network.eval().requires_grad_(False)


def auroc(known: Tensor, unknown: Tensor) -> float:
    """How often, of a known and an unknown sample, the known one scores higher; 0.5 is chance."""
    labels = [1] * len(known) + [0] * len(unknown)
    return float(roc_auc_score(labels, torch.cat([known.flatten(), unknown.flatten()])))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a Markdown table; the first cell of a row says what its figures are."""
    for cells in (columns, ["---"] + ["---:"] * (len(columns) - 1), *rows):
        texts = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells)
        print("| " + " | ".join(texts) + " |")
