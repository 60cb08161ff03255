"""The captioner's network: a small transformer that reads an image's grid and writes a sentence."""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Float16, Int
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.caption_material import Reduction

START = END = 0
"""A sentence begins after the word that ends the one before."""
UNKNOWN = 1
SPECIAL_WORDS = ("<end>", "<unknown>")

Cache = tuple[Tensor, Tensor]
"""Keys and values of all layers: L N H T e each."""


@dataclass(frozen=True, kw_only=True)
class CaptionerShape:
    """Widths of the captioner."""

    width: int = 256
    """D, of a state."""
    heads: int = 4
    """H, of every attention."""
    layers: int = 2
    """L, of the decoder."""
    inner: int = 1024
    """Width inside the feed-forward parts."""
    longest: int = 20
    """Words of a caption at most; 1.5 % of people's are longer."""
    dropout: float = 0.2
    """On embeddings, on what each part adds, and on the image's tokens; in [0, 1)."""


class Dropout(nn.Module):
    """Zeroes elements at random and scales up the others; rates are rounded to 1/256.

    Eight elements are decided by one 64-bit draw: torch's own draws one for each, which takes a
    seventh of the training's time on a CPU. Srivastava et al., JMLR 2014.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.below = round(rate * 256)

    def forward(self, states: Tensor) -> Tensor:
        if not self.training or not self.below:
            return states
        count = states.numel()
        draws = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.uint8)[:count].view(states.shape) >= self.below
        return states * kept.to(states.dtype) * (256 / (256 - self.below))


class GridReader(nn.Module):
    """An image's local features and semantic vector as the rows that the decoder attends to."""

    def __init__(self, shape: CaptionerShape, cells: int, channels: int, semantic: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.cells = nn.Linear(channels, shape.width)
        self.semantic = nn.Linear(semantic, shape.width)
        self.places = nn.Parameter(torch.randn(cells + 1, shape.width) * 0.02)
        self.norm = nn.LayerNorm(shape.width)
        self.dropout = Dropout(shape.dropout)

    @torch.no_grad()
    def fit(self, tokens: Float16[np.ndarray, "N G C"]) -> None:
        """Takes the channels' means and scales from some of the training photographs.

        Variances are lifted by a tenth of their mean, or principal components that hold little but
        noise would count as much as the first.
        """
        sample = torch.from_numpy(tokens[:: max(1, len(tokens) // 500)].astype(np.float32))
        variance, mean = torch.var_mean(sample.flatten(0, 1), dim=0)
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("scale").copy_((variance + 0.1 * variance.mean()).rsqrt())

    @torch.no_grad()
    def unfold(self, reduction: Reduction) -> None:
        """Lets it read tokens as they were before `reduction`; the result is the same.

        W s ((x - c) B - m) = W s B^T (x - c - B m), since B's columns are orthonormal.
        """
        basis, centre = torch.from_numpy(reduction.basis), torch.from_numpy(reduction.mean)
        whole = nn.Linear(len(basis), self.cells.out_features)
        whole.weight.copy_((self.cells.weight * self.get_buffer("scale")) @ basis.T)
        whole.bias.copy_(self.cells.bias)
        self.register_buffer("mean", centre + basis @ self.get_buffer("mean"))
        self.register_buffer("scale", torch.ones(len(basis)))
        self.cells = whole

    def forward(
        self, tokens: Float[Tensor, "B G C"], semantic: Float[Tensor, "B S"]
    ) -> Float[Tensor, "B M D"]:
        standard = (tokens - self.get_buffer("mean")) * self.get_buffer("scale")
        # A unit vector's elements are small; as large as the others they learn as fast.
        wide = self.semantic(semantic * math.sqrt(semantic.shape[-1]))
        rows = torch.cat([self.cells(self.dropout(standard)), wide[:, None]], dim=1)
        made: Tensor = self.dropout(self.norm(rows + self.places))
        return made


class DecoderLayer(nn.Module):
    """Attention to the words before, attention to the image, feed-forward; normalised before.

    Vaswani et al., NeurIPS 2017, section 3; order of Xiong et al., ICML 2020.
    """

    def __init__(self, shape: CaptionerShape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.own = nn.Linear(width, 3 * width)
        self.own_mix = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.image = nn.Linear(width, 2 * width)
        self.image_mix = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, shape.inner), nn.Linear(shape.inner, width)
        self.norm_1, self.norm_2, self.norm_3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = Dropout(shape.dropout)

    def split(self, states: Float[Tensor, "N T D"]) -> Float[Tensor, "N H T e"]:
        count, length, width = states.shape
        parts = states.reshape(count, length, self.heads, width // self.heads)
        return parts.transpose(1, 2)

    def attended(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None
    ) -> Float[Tensor, "N T D"]:
        """softmax(Q K^T / sqrt(e) + bias) V, its heads side by side."""
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if bias is not None:
            logits = logits + bias
        return (logits.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)

    def image_cache(self, memory: Float[Tensor, "B M D"]) -> Cache:
        """Keys and values of an image's rows: the same for every word."""
        key, value = self.image(memory).chunk(2, dim=-1)
        return self.split(key), self.split(value)

    def forward(
        self, states: Float[Tensor, "N T D"], image: Cache, past: Cache | None, bias: Tensor | None
    ) -> tuple[Float[Tensor, "N T D"], Cache]:
        """The next states, and the keys and values of all words so far."""
        query, key, value = (
            self.split(part) for part in self.own(self.norm_1(states)).chunk(3, dim=-1)
        )
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        own = self.attended(query, key, value, bias)
        states = states + self.dropout(self.own_mix(own))
        seen = self.attended(self.split(self.query(self.norm_2(states))), *image)
        states = states + self.dropout(self.image_mix(seen))
        inner = functional.gelu(self.widen(self.norm_3(states)))
        return states + self.dropout(self.narrow(inner)), (key, value)


class CaptionNetwork(nn.Module):
    """Grid and semantic vector to the words of a sentence, one after the other."""

    def __init__(
        self, shape: CaptionerShape, words: int, cells: int, channels: int, semantic: int
    ) -> None:
        super().__init__()
        self.shape = shape
        self.reader = GridReader(shape, cells, channels, semantic)
        self.table = nn.Embedding(words, shape.width)
        nn.init.normal_(self.table.weight, std=shape.width**-0.5)
        self.positions = nn.Parameter(torch.randn(shape.longest + 1, shape.width) * 0.02)
        self.layers = nn.ModuleList([DecoderLayer(shape) for _ in range(shape.layers)])
        self.norm = nn.LayerNorm(shape.width)
        self.offsets = nn.Parameter(torch.zeros(words))
        self.dropout = Dropout(shape.dropout)

    def image_caches(self, tokens: Tensor, semantic: Tensor) -> Cache:
        """Keys and values of images, of all layers: L B H M e each."""
        memory = self.reader(tokens, semantic)
        caches = [cast(DecoderLayer, layer).image_cache(memory) for layer in self.layers]
        return torch.stack([key for key, _ in caches]), torch.stack([value for _, value in caches])

    def embedded(self, words: Int[Tensor, "N T"], first: int) -> Float[Tensor, "N T D"]:
        """What the layers see of words, the first of them at position `first`."""
        states = self.table(words) * math.sqrt(self.shape.width)
        made: Tensor = self.dropout(states + self.positions[first : first + words.shape[1]])
        return made

    def logits(self, states: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Of the next word; the embeddings are read a second time (Press and Wolf, 2017)."""
        return functional.linear(self.norm(states), self.table.weight, self.offsets)

    def states(self, image: Cache, words: Int[Tensor, "N T"]) -> Float[Tensor, "N T D"]:
        """Last states at every position of whole sentences, one image's cache for each."""
        length = words.shape[1]
        ahead = torch.full((length, length), -1e4).triu(diagonal=1)
        states = self.embedded(words, 0)
        for number, layer in enumerate(self.layers):
            states, _ = layer(states, (image[0][number], image[1][number]), None, ahead)
        return states

    def step(
        self, image: Cache, past: Cache, words: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N V"], Tensor, Tensor]:
        """Log-probabilities of the word after `words`, and keys and values that include them."""
        states = self.embedded(words[:, None], past[0].shape[3])
        keys, values = [], []
        for number, layer in enumerate(self.layers):
            images = image[0][number], image[1][number]
            states, (key, value) = layer(states, images, (past[0][number], past[1][number]), None)
            keys.append(key)
            values.append(value)
        log_probs = self.logits(states[:, 0]).float().log_softmax(dim=-1)
        return log_probs, torch.stack(keys), torch.stack(values)

    def nothing_said(self, count: int) -> Cache:
        """The keys and values of no words."""
        part = self.shape.width // self.shape.heads
        empty = torch.zeros(self.shape.layers, count, self.shape.heads, 0, part)
        return empty, empty
