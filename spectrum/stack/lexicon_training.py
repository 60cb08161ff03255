"""Learns what words look like, from images and what is said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from spectrum.stack.lexicon import Lexicon, word_counts, words_of


@dataclass(frozen=True, kw_only=True)
class LexiconTraining:
    """Chosen on a part of the training photographs, with an eye on dev: see docs/refinement.md."""

    fewest: int = 5
    """Captions that a word has to occur in; rarer ones are left unknown."""
    rank: int = 96
    """R, width of a word's row."""
    epochs: int = 40
    """Passes over the images."""
    batch: int = 1_000
    """Images that are told from one another at once; fewer where there are fewer."""
    learning_rate: float = 3e-3
    """The highest of AdamW's, of a one-cycle schedule."""
    weight_decay: float = 0.05
    """Of rows and basis."""
    hidden_words: float = 0.15
    """Share of a caption's words that are left out at random."""
    hidden_features: float = 0.3
    """Dropout of the images' vectors."""
    seed: int = 0


SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Of words beside the sentence."""
CAPTIONS_AT_ONCE = 2
"""Of each image of a batch."""
START_LOG_SCALE = 3.0


class WordDirections(nn.Module):
    """U / |U| of bags of words (see `Lexicon`), as they are learned."""

    def __init__(self, counts: Float[Tensor, " W"], captions: int, rank: int, width: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(len(counts), rank)
        nn.init.normal_(self.rows.weight, std=0.02)
        self.importance = nn.Parameter(torch.ones(len(counts)))
        self.basis = nn.Parameter(torch.randn(rank, width) * width**-0.5)
        self.middle = nn.Parameter(torch.zeros(width))
        """Taken off the images: nothing is said of what all images share."""
        self.rarity = nn.Buffer(torch.log(captions / counts))

    def forward(
        self, bags: Int64[Tensor, "B L"], kept: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B D"]:
        """`bags` are places of words, -1 for none; `kept` is 0 for a word that is left out."""
        places = bags.clamp(min=0)
        weights = (self.rarity * self.importance)[places] * kept * (bags >= 0)
        summed = (self.rows(places) * weights[..., None]).sum(dim=-2)
        return functional.normalize(summed @ self.basis, dim=-1)

    @torch.no_grad()
    def weighted_rows(self) -> Float[Tensor, "W R"]:
        """r: what a word adds to the sum."""
        made: Tensor = self.rows.weight * (self.rarity * self.importance)[:, None]
        return made


def learned_lexicon(
    views: Sequence[Float32[np.ndarray, "N D"]],
    captions: Sequence[Sequence[str]],
    training: LexiconTraining,
) -> Lexicon | None:
    """A lexicon of what is said of N images, its share 1; None if no word is said often enough.

    `views` are the images' vectors [semantic; visual], seen in one or more ways; `captions` are as
    many of each image.
    Learned so that an image's words are nearer to it than other images are, and it nearer to them
    than to others' words: InfoNCE over a batch, both ways. Seeded.
    """
    torch.manual_seed(training.seed)
    words, counts = _vocabulary(captions, training.fewest)
    if not words:
        return None
    bags = _bags(captions, {word: place for place, word in enumerate(words)})
    seen = [torch.from_numpy(view) for view in views]
    said = sum(len(own) for own in captions)
    network = WordDirections(
        torch.tensor(counts, dtype=torch.float32), said, training.rank, seen[0].shape[1]
    )
    _fit(network, seen, bags, training)
    rows = network.weighted_rows().numpy()
    return Lexicon(tuple(words), rows, network.basis.detach().numpy(), 1.0)


def best_share(
    lexicon: Lexicon,
    images: Float32[np.ndarray, "N D"],
    captions: Sequence[Sequence[str]],
    sentences: Float32[np.ndarray, "N C S"],
) -> float:
    """Of `SHARES`, the one by which captions find their images best: the mean reciprocal rank.

    `images` are stored vectors that the lexicon did not learn from; `sentences` are the captions'
    unit vectors. Of equals the smallest: 0 where words do not help.
    """
    count, each, semantic = sentences.shape
    by_sentence = sentences.reshape(count * each, semantic) @ images[:, :semantic].T
    by_words = lexicon.readings([text for own in captions for text in own]) @ images.T
    own = np.repeat(np.arange(count), each)[:, None]

    def found(share: float) -> float:
        similarities = by_sentence + share * by_words
        right = np.take_along_axis(similarities, own, axis=1)
        return float((1.0 / (similarities >= right).sum(axis=1)).mean())

    return max(SHARES, key=found)


def _vocabulary(captions: Sequence[Sequence[str]], fewest: int) -> tuple[list[str], list[int]]:
    counted = word_counts(captions)
    kept = sorted(word for word, count in counted.items() if count >= fewest)
    return kept, [counted[word] for word in kept]


def _bags(captions: Sequence[Sequence[str]], places: dict[str, int]) -> Int64[Tensor, "N C L"]:
    told = [
        [[places[word] for word in words_of(text) if word in places] for text in own]
        for own in captions
    ]
    longest = max(1, max(len(bag) for own in told for bag in own))
    return torch.tensor([[bag + [-1] * (longest - len(bag)) for bag in own] for own in told])


def _fit(
    network: WordDirections,
    views: Sequence[Float[Tensor, "N D"]],
    bags: Int64[Tensor, "N C L"],
    training: LexiconTraining,
) -> None:
    images, captions, _ = bags.shape
    batch = min(training.batch, images)
    log_scale = nn.Parameter(torch.tensor(START_LOG_SCALE))
    decayed = [network.rows.weight, network.basis]
    free = [network.importance, network.middle, log_scale]
    optimiser = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": training.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ],
        lr=training.learning_rate,
    )
    steps = training.epochs * (images // batch)
    # The schedule divides by the steps after its first part.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.learning_rate, total_steps=max(steps, 6)
    )
    for _ in range(training.epochs):
        for rows in torch.split(torch.randperm(images)[: images // batch * batch], batch):
            shown = views[int(torch.randint(len(views), ()))][rows]
            picked = torch.randint(captions, (CAPTIONS_AT_ONCE, batch))
            said = bags[rows, picked].flatten(0, 1)
            kept = (torch.rand(said.shape) >= training.hidden_words).float()
            asked = functional.dropout(shown - network.middle, training.hidden_features)
            loss = both_ways(network(said, kept) @ asked.mT * log_scale.exp())
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()


def both_ways(logits: Float[Tensor, "T N"]) -> Float[Tensor, ""]:
    """InfoNCE of texts and images: row t belongs to image t mod N. Texts of an image are all right.

    mean_t -log softmax_n(logits)[t, t mod N]
        + mean_n -log sum_{t: t mod N = n} softmax_t(logits)[t, n]
    """
    texts, images = logits.shape
    own = torch.arange(texts) % images
    others = own[:, None] != torch.arange(images)
    right = torch.logsumexp(logits.masked_fill(others, -torch.inf), dim=0)
    found: Tensor = functional.cross_entropy(logits, own)
    told: Tensor = (torch.logsumexp(logits, dim=0) - right).mean()
    return found + told
