"""The small text tower: a low-rank embedding table, layers of the teacher, the joint space."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.heads import TextProjection
from spectrum.training.tokenizer import LONGEST


@dataclass(frozen=True, kw_only=True)
class TextShape:
    """Widths of the text tower."""

    rank: int = 160
    """E, width of an embedding before it is widened to the layers' width."""
    copied_layers: tuple[int, ...] = (0, 4, 5)
    """Which of the teacher's six layers it starts from, counted from zero. The teacher itself,
    left with these, keeps a cosine of .75 to its vectors of dev captions; (0, 3, 5) .71, (0, 2, 5)
    .65, (0, 1, 5) .61, (0, 5) .49."""


class Layer(nn.Module):
    """A transformer layer that normalises after adding, as BERT's do.

    Vaswani et al., NeurIPS 2017, section 3; names and order of Devlin et al., NAACL 2019.
    """

    def __init__(self, width: int, inner: int, heads: int, epsilon: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.mix = (nn.Linear(width, width) for _ in range(4))
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm_1 = nn.LayerNorm(width, eps=epsilon)
        self.norm_2 = nn.LayerNorm(width, eps=epsilon)

    def split(self, states: Float[Tensor, "B T S"]) -> Float[Tensor, "B heads T part"]:
        batch, tokens, width = states.shape
        parts = states.reshape(batch, tokens, self.heads, width // self.heads)
        return parts.transpose(1, 2)

    def forward(
        self, states: Float[Tensor, "B T S"], bias: Float[Tensor, "B 1 1 T"] | None
    ) -> Float[Tensor, "B T S"]:
        query, key, value = (
            self.split(part(states)) for part in (self.query, self.key, self.value)
        )
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if bias is not None:
            logits = logits + bias
        mixed = (logits.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        states = self.norm_1(states + self.mix(mixed))
        made: Tensor = self.norm_2(states + self.narrow(functional.gelu(self.widen(states))))
        return made

    @torch.no_grad()
    def copy(self, layer: Any) -> None:
        """Takes over the weights of a transformers BertLayer."""
        attention = layer.attention
        pairs = (
            (self.query, attention.self.query),
            (self.key, attention.self.key),
            (self.value, attention.self.value),
            (self.mix, attention.output.dense),
            (self.norm_1, attention.output.LayerNorm),
            (self.widen, layer.intermediate.dense),
            (self.narrow, layer.output.dense),
            (self.norm_2, layer.output.LayerNorm),
        )
        for mine, theirs in pairs:
            mine.load_state_dict(theirs.state_dict())


class SentenceTower(nn.Module):
    """Token ids to unit sentence vectors: what is distilled from the sentence teacher."""

    def __init__(self, shape: TextShape, pieces: int, teacher: Any) -> None:
        super().__init__()
        config = teacher.config
        width = config.hidden_size
        self.table = nn.Embedding(pieces, shape.rank)
        self.widen = nn.Linear(shape.rank, width)
        self.positions = nn.Parameter(torch.zeros(LONGEST, width))
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        inner, heads = config.intermediate_size, config.num_attention_heads
        layers = [Layer(width, inner, heads, config.layer_norm_eps) for _ in shape.copied_layers]
        self.layers = nn.ModuleList(layers)
        embeddings = teacher.embeddings
        with torch.no_grad():
            self.positions.copy_(
                embeddings.position_embeddings.weight[:LONGEST]
                + embeddings.token_type_embeddings.weight[0]
            )
            self.norm.load_state_dict(embeddings.LayerNorm.state_dict())
            for layer, number in zip(layers, shape.copied_layers, strict=True):
                layer.copy(teacher.encoder.layer[number])

    @torch.no_grad()
    def start_table(self, embeddings: Float32[np.ndarray, "V S"]) -> float:
        """Factors full embeddings into table and widening; returns the share of variance kept.

        The best factors of a rank are the singular vectors' (Eckart and Young, 1936).
        """
        full = torch.from_numpy(embeddings).double()
        mean = full.mean(dim=0)
        left, values, right = torch.linalg.svd(full - mean, full_matrices=False)
        rank = self.table.embedding_dim
        root = values[:rank].sqrt()
        self.table.weight.copy_(left[:, :rank] * root)
        self.widen.weight.copy_((root[:, None] * right[:rank]).T)
        self.widen.bias.copy_(mean)
        return float(values[:rank].square().sum() / values.square().sum())

    def forward(
        self, token_ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B S"]:
        """Unit sentence vectors: the mean of the last states where the mask is True."""
        states = self.widen(self.table(token_ids)) + self.positions[: token_ids.shape[1]]
        states = self.norm(states)
        bias = None
        if mask is not None:
            bias = torch.zeros(mask.shape).masked_fill(~mask, -1e4)[:, None, None]
        for layer in self.layers:
            states = layer(states, bias)
        if mask is None:
            return functional.normalize(states.mean(dim=1), dim=-1)
        kept = mask[:, :, None].to(states.dtype)
        return functional.normalize((states * kept).sum(dim=1) / kept.sum(dim=1), dim=-1)


class TextTower(nn.Module):
    """The shipped text tower: token ids to semantic vectors, for texts of one length."""

    def __init__(self, sentences: SentenceTower, projection: TextProjection) -> None:
        super().__init__()
        self.sentences = sentences
        self.projection = projection

    def forward(self, token_ids: Tensor) -> Tensor:
        made: Tensor = self.projection(self.sentences(token_ids))
        return made
