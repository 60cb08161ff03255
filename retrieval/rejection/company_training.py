"""Training of the networks that know which words keep company, side by side.

Nothing here is imported by a search.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional

from retrieval.rejection.company import LONGEST, CompanyNetwork
from retrieval.rejection.training import layer_of
from spectrum.one_thread import one_thread

HIDDEN, PRODUCT = 128, 32
DROPPED = 0.1
"""Share of the first layer's outputs that one step leaves out."""
COMPANY_BATCH = 256
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

    def forward(
        self, rows: Tensor, counts: Tensor, dice: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log odds of being swapped in (B T), and which places hold a word (B T).

        `dice` say which outputs of the first layer are left out; None, as when asked: none.
        """
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
        hidden = torch.relu(first(seen))
        if dice is not None:
            hidden = hidden * thinned(hidden, dice)
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


def thinned(values: Tensor, dice: torch.Generator) -> Tensor:
    """A factor for each value: 0 for DROPPED of them, and more than 1 for the others.

    torch's dropout, which throws the dice of the whole process: two trainings at once would get
    each other's.
    """
    kept = torch.empty_like(values).bernoulli_(1.0 - DROPPED, generator=dice)
    return kept.div_(1.0 - DROPPED)


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


def company_networks(
    table: Float32[np.ndarray, "V C"],
    naming: Sequence[bool],
    examples: Callable[[int, int], Examples],
    *,
    epochs: int,
    seeds: Sequence[int],
    at_once: int = 2,
) -> list[CompanyNetwork]:
    """A network for each seed, `at_once` trained at the same time; the same whatever that is.

    `examples` makes the sentences of a seed's epoch, anew each time.
    """
    with one_thread(), torch.random.fork_rng():
        # Beginnings come from the dice of the whole process, so they are made one after the other.
        begun = [_begun(table, naming, seed) for seed in seeds]
        with ThreadPoolExecutor(max(1, at_once)) as pool:
            trained = [
                pool.submit(_trained, module, partial(examples, seed), epochs, dice)
                for seed, (module, dice) in zip(seeds, begun, strict=True)
            ]
            return [one.result() for one in trained]


def load_optimiser() -> None:
    """Has torch import what its first optimiser of a process imports, most of torch's compiler."""
    torch.optim.AdamW([torch.zeros(1)])


def _begun(
    table: Float32[np.ndarray, "V C"], naming: Sequence[bool], seed: int
) -> tuple[CompanyModule, torch.Generator]:
    """An untrained module, and the dice that it is to be trained with."""
    torch.manual_seed(seed)
    module = CompanyModule(table, naming)
    dice = torch.Generator()
    dice.set_state(torch.get_rng_state())
    return module, dice


def _trained(
    module: CompanyModule, examples: Callable[[int], Examples], epochs: int, dice: torch.Generator
) -> CompanyNetwork:
    """The loss asks about each word and about each sentence (log sum exp of its words)."""
    optimiser = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = None
    for epoch in range(epochs):
        rows, counts, swapped = _tensors(examples(epoch))
        if schedule is None:
            steps = epochs * -(-len(rows) // COMPANY_BATCH)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps + 1)
        for batch in torch.split(torch.randperm(len(rows), generator=dice), COMPANY_BATCH):
            width = int((rows[batch] > 0).sum(dim=1).max())
            seen, levels, wanted = (each[batch, :width] for each in (rows, counts, swapped))
            loss = company_loss(module, seen, levels, wanted, dice)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
    return CompanyNetwork([layer_of(part) for part in module.parts])


def _tensors(drawn: Examples) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the table, levels of support, and 1 where a word was swapped in (B T)."""
    rows, counts = padded(drawn.sentences, torch.int64), padded(drawn.counts, torch.float32)
    swapped = torch.zeros(rows.shape)
    for number, some in enumerate(drawn.places):
        swapped[number, [place for place in some if place < LONGEST]] = 1.0
    return rows, counts, swapped


def company_loss(
    module: CompanyModule,
    rows: Tensor,
    counts: Tensor,
    swapped: Tensor,
    dice: torch.Generator | None = None,
) -> Tensor:
    """Cross entropy of words, times 5 since few are swapped, and of whole sentences."""
    logits, held = module(rows, counts, dice)
    of_words = functional.binary_cross_entropy_with_logits(logits[held], swapped[held])
    sentence = torch.logsumexp(logits, dim=1)
    of_sentences = functional.binary_cross_entropy_with_logits(sentence, swapped.amax(dim=1))
    return 5.0 * of_words + of_sentences
