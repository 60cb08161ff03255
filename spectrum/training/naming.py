"""The noun block: photographs by the names that the image teacher would give them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.heads import Standardised, Whitening


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How the noun block is made. Chosen on Caltech names and on the dev photographs."""

    width: int = 64
    """Dimensions of the noun block."""
    temperature: float = 1.0
    """Divides the teacher's logits; above one, classes after the first count for more."""
    share: float = 0.15
    """The noun block's part in a similarity between a photograph and a text, in [0, 1]."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"share must lie in [0, 1], got {self.share}")
        if self.temperature <= 0.0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")


class NamedClasses(nn.Module):
    r"""Whitened features to the mean of the classes' names, weighted by their probabilities.

        s = unit( sum_c p_c n_c ),   p = softmax(logits / tau)

        paper    here     shape
        p(y|x)   probs    B C   from the classifier, refitted to the whitened features
        s(y)     names    C N   the names' text vectors, N dimensions of them

    ConSE: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR
    2014, eq. 3, with a temperature in place of the ten most probable classes. A noun that no class
    is called by is found through its likeness to names that are. Nothing here is trained.
    """

    names: Tensor

    def __init__(self, whitened: int, names: Float32[np.ndarray, "C N"]) -> None:
        super().__init__()
        self.classes = nn.Linear(whitened, len(names))
        self.register_buffer("names", torch.from_numpy(names))

    def forward(self, whitened: Float[Tensor, "B P"]) -> Float[Tensor, "B N"]:
        probs = self.classes(whitened).softmax(dim=-1)
        return functional.normalize(probs @ self.names, dim=-1)


@torch.no_grad()
def refitted_classifier(
    naming: Naming,
    classifier: nn.Linear,
    features: Float16[np.ndarray, "N F"],
    standardised: Standardised,
    whitening: Whitening,
    classes: nn.Linear,
) -> float:
    """Sets `classes` to the classifier's logits by temperature, as a linear map of the whitened.

    Ordinary least squares on the training photographs. Returns the share of the logits' variance
    that it explains.
    """
    pooled = torch.from_numpy(features.astype(np.float32))
    logits = classifier(pooled).double() / naming.temperature
    whitened = whitening.project(standardised(pooled)).double()
    design = torch.cat([whitened, torch.ones(len(whitened), 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.solve(design.T @ design, design.T @ logits)
    classes.weight.copy_(solution[:-1].T)
    classes.bias.copy_(solution[-1])
    residual = (design @ solution - logits).square().mean()
    return float(1.0 - residual / logits.var())


def noun_directions(
    sentence_unit: Float32[np.ndarray, "M S"], width: int
) -> tuple[Float32[np.ndarray, "N S"], Float32[np.ndarray, " N"]]:
    """Weight and bias of the map from sentence vectors to the noun block, by PCA of nouns' vectors.

    What all nouns have in common says nothing about which one is meant, and is subtracted.
    """
    wide = sentence_unit.astype(np.float64)
    mean = wide.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov(wide - mean, rowvar=False))
    weight = directions[:, np.argsort(-values)[:width]].T
    # eigh leaves each direction's sign open; fix it, so that a run repeats on any machine.
    weight *= np.sign(weight[np.arange(width), np.abs(weight).argmax(axis=1)])[:, None]
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)


def noun_block(
    sentence_unit: Float32[np.ndarray, "M S"],
    weight: Float32[np.ndarray, "N S"],
    bias: Float32[np.ndarray, " N"],
) -> Float32[np.ndarray, "M N"]:
    """Unit vectors of texts in the noun block."""
    made = sentence_unit @ weight.T + bias
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)
