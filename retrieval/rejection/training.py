"""The small networks of the gate, trained with torch; what they learned leaves as NumPy arrays.

Nothing here is imported by a search.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from retrieval.rejection.company import LONGEST, CompanyNetwork, Layer
from spectrum.one_thread import one_thread

HIDDEN, PRODUCT = 128, 32
COMPANY_BATCH = 256
PENALTY = 1.7
"""Of the squared weights of the multinomial regression, beside the sum over the queries."""
NOTHING = -30.0
"""Log odds where there is no word."""


class Examples(NamedTuple):
    """Sentences, some with a word swapped."""

    sentences: list[list[int]]
    """Rows of the word table, from 1."""
    counts: list[list[float]]
    """What each word's row says of how often it is held, its own sentence's image left out: a word
    that only this image's captions hold has to look as unheard of as it would be without them."""
    places: list[list[int]]
    """Of the words that were swapped in."""


class CompanyModule(nn.Module):
    """`CompanyNetwork`, in batches and with gradients. Row 0 of the table is no word."""

    def __init__(self, table: Float32[np.ndarray, "V C"], naming: Sequence[bool]) -> None:
        super().__init__()
        width = table.shape[1] + 1
        self.table = torch.from_numpy(table)
        self.naming = torch.tensor(list(naming))
        self.parts = nn.ModuleList(
            [
                nn.Linear(6 * width, HIDDEN),
                nn.Linear(HIDDEN, HIDDEN // 2),
                nn.Linear(HIDDEN // 2, 1),
                nn.Linear(width, PRODUCT),
                nn.Linear(width, PRODUCT),
                nn.Linear(2, 1),
            ]
        )
        self.dropout = nn.Dropout(0.1)

    def forward(self, rows: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Log odds of being swapped in (B T), and which places hold a word (B T)."""
        first, second, last, asking, answering, weighing = self.parts
        held = rows > 0
        naming = held & self.naming[rows]
        words = torch.cat([self.table[rows], counts[..., None]], dim=-1)
        words = words * held[..., None]
        named = naming[..., None].to(words.dtype)
        others = (named.sum(dim=1, keepdim=True) - named).clamp(min=1.0)
        context = ((words * named).sum(dim=1, keepdim=True) - words * named) / others
        beside = [shifted(words, step) for step in (-1, 1, -2, 2)]
        # Only where there is a word: half of the places are padding.
        seen = torch.cat([words, *beside, context], dim=-1)[held]
        hidden = self.dropout(torch.relu(first(seen)))
        hidden = torch.relu(second(hidden))
        matches = self._matches(asking(words), answering(words), naming)[held]
        logits = last(hidden)[..., 0] + weighing(matches)[..., 0]
        nothing = torch.full(held.shape, NOTHING)
        return nothing.masked_scatter(held, logits), held

    @staticmethod
    def _matches(asking: Tensor, answering: Tensor, naming: Tensor) -> Tensor:
        """Mean and highest product with the other naming words (B T 2), 0 where there is none."""
        products = asking @ answering.transpose(1, 2) / 6.0
        itself = torch.eye(products.shape[1], dtype=torch.bool)
        others = naming[:, None, :] & ~itself
        count = others.sum(dim=2)
        mean = (products * others).sum(dim=2) / count.clamp(min=1)
        highest = products.masked_fill(~others, -1e9).amax(dim=2)
        return torch.stack([mean, torch.where(count > 0, highest, 0.0)], dim=-1)


def shifted(words: Tensor, step: int) -> Tensor:
    """The words `step` places on (B T C), zeros where there is none."""
    if step < 0:
        return functional.pad(words[:, :step], (0, 0, -step, 0))
    return functional.pad(words[:, step:], (0, 0, 0, step))


def padded(sentences: Sequence[Sequence[int | float]], dtype: torch.dtype) -> Tensor:
    """A row for each sentence, 0 behind its last word (B T)."""
    rows = np.zeros((len(sentences), LONGEST))
    for row, sentence in zip(rows, sentences, strict=True):
        some = list(sentence)[:LONGEST]
        row[: len(some)] = some
    return torch.from_numpy(rows).to(dtype)


def company_network(
    table: Float32[np.ndarray, "V C"],
    naming: Sequence[bool],
    examples: Callable[[int], Examples],
    *,
    epochs: int,
    seed: int = 0,
) -> CompanyNetwork:
    """Trained on the sentences that `examples` makes anew for each epoch.

    The loss asks about each word and about each sentence (log sum exp of its words).
    """
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        module = CompanyModule(table, naming)
        optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=1e-3)
        drawn = examples(0)
        steps = epochs * -(-len(drawn.sentences) // COMPANY_BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps + 1)
        for epoch in range(epochs):
            drawn = examples(epoch)
            rows, counts = padded(drawn.sentences, torch.int64), padded(drawn.counts, torch.float32)
            swapped = torch.zeros(rows.shape)
            for number, some in enumerate(drawn.places):
                swapped[number, [place for place in some if place < LONGEST]] = 1.0
            for batch in torch.split(torch.randperm(len(rows)), COMPANY_BATCH):
                width = int((rows[batch] > 0).sum(dim=1).max())
                seen = (each[batch, :width] for each in (rows, counts, swapped))
                loss = company_loss(module, *seen)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
    return CompanyNetwork([layer_of(part) for part in module.parts])


def company_loss(module: CompanyModule, rows: Tensor, counts: Tensor, swapped: Tensor) -> Tensor:
    """Cross entropy of words, times 5 since few are swapped, and of whole sentences."""
    logits, held = module(rows, counts)
    of_words = functional.binary_cross_entropy_with_logits(logits[held], swapped[held])
    sentence = torch.logsumexp(logits, dim=1)
    of_sentences = functional.binary_cross_entropy_with_logits(sentence, swapped.amax(dim=1))
    return 5.0 * of_words + of_sentences


def layer_of(part: nn.Module) -> Layer:
    """A linear layer's arrays."""
    assert isinstance(part, nn.Linear)
    return Layer(part.weight.detach().numpy().copy(), part.bias.detach().numpy().copy())


def perceptron(
    known: Float32[np.ndarray, "K I"],
    void: Float32[np.ndarray, "V I"],
    *,
    hidden: int,
    monotone: bool = False,
    epochs: int = 20,
    seed: int = 0,
) -> list[Layer]:
    """Layers that tell known (positive) from void, both sides weighing the same.

    `hidden` = 0 is a logistic regression; `monotone` keeps its weights from falling below 0.
    """
    inputs = torch.from_numpy(np.concatenate([known, void]))
    target = torch.cat([torch.ones(len(known)), torch.zeros(len(void))])
    weight = torch.where(target > 0, 0.5 / len(known), 0.5 / len(void)) * len(target)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        width = inputs.shape[1]
        widths = [width, hidden, 1] if hidden else [width, 1]
        parts = [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        dropout = nn.Dropout(0.25 if hidden else 0.0)
        parameters = [each for part in parts for each in part.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=2e-3 if hidden else 2e-2, weight_decay=1e-2)
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(inputs)), 256):
                moved = inputs[rows]
                for part in parts[:-1]:
                    moved = dropout(torch.relu(part(moved)))
                loss = functional.binary_cross_entropy_with_logits(
                    parts[-1](moved)[:, 0], target[rows], weight[rows]
                )
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                if monotone:
                    with torch.no_grad():
                        parts[0].weight.clamp_(min=0.0)
    return [layer_of(part) for part in parts]


def multinomial(
    inputs: Float32[np.ndarray, "Q I"], classes: Int64[np.ndarray, "Q"], count: int
) -> Layer:
    """The logits' layer of a multinomial regression, with an L2 penalty."""
    seen, target = torch.from_numpy(inputs).double(), torch.from_numpy(classes)
    weight = torch.zeros(count, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = seen @ weight.T + bias
        penalty = PENALTY * (weight**2).sum() / len(seen)
        total: Tensor = functional.cross_entropy(logits, target) + penalty
        torch.autograd.backward(total)
        return total

    with one_thread():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    return Layer(
        weight.detach().numpy().astype(np.float32), bias.detach().numpy().astype(np.float32)
    )


def autoencoder(
    known: Float32[np.ndarray, "K I"], *, latent: int = 128, steps: int = 600, seed: int = 0
) -> list[Layer]:
    """Layers I, 256, latent, 256, I with ReLU around the hidden ones; denoising, deviation 0.3."""
    inputs = torch.from_numpy(known)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        widths = [inputs.shape[1], 256, latent, 256, inputs.shape[1]]
        parts = [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        parameters = [each for part in parts for each in part.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-4)
        for _ in range(steps):
            clean = inputs[torch.randint(len(inputs), (128,))]
            moved = clean + 0.3 * torch.randn(clean.shape)
            for number, part in enumerate(parts):
                moved = part(moved if number in (0, 2) else torch.relu(moved))
            loss = functional.mse_loss(moved, clean)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return [layer_of(part) for part in parts]
