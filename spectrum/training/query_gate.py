"""How much the noun block counts for a query: more for a bare name, less for a sentence."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

logger = logging.getLogger(__name__)
SHORTEST_PHRASE = 3
"""Words of the shortest piece of a caption that is taught as no name."""


@dataclass(frozen=True, kw_only=True)
class GateShape:
    """Range and width of a query gate."""

    caption_share: float = 0.01
    """The noun block's share for what is surely a sentence, in [0, 1]."""
    name_share: float = 0.97
    """Its share for what is surely a name, in [caption_share, 1]."""
    hidden: int = 32
    """Units between the sentence vector and the decision; 0 for a linear decision."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.caption_share <= self.name_share <= 1.0:
            raise ValueError(
                "shares must satisfy 0 <= caption_share <= name_share <= 1, got"
                f" {self.caption_share} and {self.name_share}"
            )
        if self.hidden < 0:
            raise ValueError(f"hidden must not be negative, got {self.hidden}")


@dataclass(frozen=True, kw_only=True)
class GateTraining:
    """How a query gate is trained."""

    shape: GateShape = field(default_factory=GateShape)
    """Range and width."""
    steps: int = 400
    """Steps of the optimiser."""
    batch: int = 512
    """Texts per step, half of them names."""
    learning_rate: float = 3e-3
    """Of Adam, falling to zero along a cosine."""
    weight_decay: float = 1e-3
    """Of AdamW."""
    noise: float = 0.02
    """Deviation of the noise on each dimension of a vector: the tower is not quite its teacher."""
    seed: int = 0
    """Of weights, of which texts come together, and of the noise."""


class QueryGate(nn.Module):
    r"""Sentence vectors to the noun block's share in a similarity.

        g = q_c + (q_n - q_c) sigma( z(t) )

        here           shape
        t   sentence_unit   B S   unit length
        z   decide          B     logit that t is a name: linear, or with one hidden layer
        q_c caption_share, q_n name_share

    An image's split between the blocks is fixed when it is indexed; a query's is not. A soft gate
    between two experts (Jacobs, Jordan, Nowlan and Hinton, Neural Computation 1991), trained as a
    classifier since names and sentences are known apart.
    """

    def __init__(self, sentence: int, shape: GateShape) -> None:
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = [nn.Linear(sentence, 1)]
        if shape.hidden:
            layers = [
                nn.Linear(sentence, shape.hidden),
                nn.GELU(),
                nn.Linear(shape.hidden, 1),
            ]
        self.decide = nn.Sequential(*layers)

    def name_logits(self, sentence_unit: Float[Tensor, "*B S"]) -> Float[Tensor, "*B"]:
        """Above zero where a text is likelier a name than a sentence."""
        made: Tensor = self.decide(sentence_unit).squeeze(-1)
        return made

    def forward(self, sentence_unit: Float[Tensor, "*B S"]) -> Float[Tensor, "*B"]:
        """The noun block's share for each text, in [caption_share, name_share]."""
        lowest, highest = self.shape.caption_share, self.shape.name_share
        return lowest + (highest - lowest) * self.name_logits(sentence_unit).sigmoid()


def gated(
    captions_unit: Float[Tensor, "*B D"],
    nouns_unit: Float[Tensor, "*B N"],
    share: Float[Tensor, "*B"],
) -> Float[Tensor, "*B D+N"]:
    r"""A text's semantic vector whose blocks are weighed for this text.

        t = [ sqrt(1 - g) c ; sqrt(g) n ],  so  t . j = sqrt((1-g)(1-q)) c.c' + sqrt(g q) n.n'

    with j an image of fixed share q (`heads.joined`). Unit length follows from that of the blocks.
    """
    share = share[..., None]
    return torch.cat([(1.0 - share).sqrt() * captions_unit, share.sqrt() * nouns_unit], dim=-1)


def gate_lessons(
    texts: Mapping[str, Sequence[str]], vectors: Mapping[str, Float32[np.ndarray, "_ S"]]
) -> tuple[Float32[np.ndarray, "N S"], Float32[np.ndarray, "M S"]]:
    """Names, and what is no name, among texts by kind: their vectors.

    Names are the `nouns`, bare and as "a photo of a NAME"; the others are captions (`train`,
    `coco`) and those of their pieces (`phrases`, `coco_phrases`) that have three words or more,
    since a shorter piece may well be a name.
    """
    sentences = [vectors["train"], vectors["coco"]]
    for kind in ("phrases", "coco_phrases"):
        long = np.array([len(text.split()) >= SHORTEST_PHRASE for text in texts[kind]], dtype=bool)
        sentences.append(vectors[kind][long])
    return vectors["nouns"], np.concatenate(sentences)


def trained_gate(
    names_unit: Float32[np.ndarray, "N S"],
    sentences_unit: Float32[np.ndarray, "M S"],
    training: GateTraining,
) -> QueryGate:
    """A gate taught to tell names from sentences by their vectors, in eval mode.

    Half of each batch are names, however many there are of each kind. The same for the same
    vectors and settings.
    """
    torch.manual_seed(training.seed)
    random = np.random.default_rng(training.seed)
    gate = QueryGate(names_unit.shape[1], training.shape)
    optimiser = torch.optim.AdamW(
        gate.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    half = math.ceil(training.batch / 2)
    wanted = torch.cat([torch.ones(half), torch.zeros(half)])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.steps)
    losses = []
    for _ in range(training.steps):
        rows = [
            vectors[random.integers(len(vectors), size=half)]
            for vectors in (names_unit, sentences_unit)
        ]
        entering = torch.from_numpy(np.concatenate(rows))
        entering = entering + training.noise * torch.randn_like(entering)
        logits = gate.name_logits(functional.normalize(entering, dim=-1))
        loss = functional.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    logger.info("query gate: loss %.4f over the last steps", float(np.mean(losses[-50:])))
    return gate.eval()


@torch.inference_mode()
def gate_accuracy(
    gate: QueryGate,
    names_unit: Float32[np.ndarray, "N S"],
    sentences_unit: Float32[np.ndarray, "M S"],
) -> tuple[float, float]:
    """The shares of names and of sentences that the gate takes for what they are."""
    names = gate.name_logits(torch.from_numpy(names_unit)) > 0
    sentences = gate.name_logits(torch.from_numpy(sentences_unit)) <= 0
    return float(names.double().mean()), float(sentences.double().mean())
