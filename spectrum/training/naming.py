"""The noun block: photographs by the names that the image teachers would give them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

RIDGE = 1e-3
"""Of the mean variance, added to every direction: those that no photograph shows count a little."""


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How the noun block is made. Chosen on Caltech and clothing names and on Flickr8k dev."""

    width: int = 128
    """N, dimensions of the noun block."""
    rank: int = 248
    """R, rank that the classifier's matrix is reduced to."""
    labels: int = 160
    """L, labels of the labeler that have a name: those it gives most."""
    temperature: float = 1.25
    """Divides the class logits; above one, classes after the first count for more."""
    label_weight: float = 0.3
    """What the labeler's labels count for beside the classifier's classes."""
    least: float = 0.1
    """A label less probable than this is not meant."""
    share: float = 0.35
    """The noun block's part in a similarity between two photographs, in [0, 1]."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"share must lie in [0, 1], got {self.share}")
        if self.temperature <= 0.0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")
        if not 0.0 <= self.least < 1.0:
            raise ValueError(f"least must lie in [0, 1), got {self.least}")


class ReducedClassifier(nn.Module):
    r"""A classifier's logits by two narrow matrices in place of a wide one.

        z = A B (x - m) + W m + b,   A B = U_R S_R V_R^T C^{-1/2}   of   W C^{1/2} = U S V^T

        here                shape
        x   features        B F
        B   narrow          R F
        A   widen           M R
        C   covariance      F F   of features of ordinary photographs, with some of the identity
        W,b classifier      M F   less the mean of the rows, which a softmax does not notice

    Reduced-rank regression of the logits (Izenman, Journal of Multivariate Analysis 1975): of all
    matrices of rank R the one whose logits differ least on such photographs. Fitted and not
    trained: a head that was taught the probabilities on 7,000 photographs knew the classes they
    show and lost the others.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, features: int, classes: int, rank: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(features, rank, bias=False)
        self.widen = nn.Linear(rank, classes)
        self.register_buffer("middle", torch.zeros(rank))
        self.register_buffer("spread", torch.ones(rank))

    @torch.no_grad()
    def fit(
        self, weight: Float[Tensor, "M F"], bias: Float[Tensor, " M"], features: Tensor
    ) -> None:
        """Takes the factors from a classifier and from features N F of training photographs."""
        wide = (weight - weight.mean(dim=0)).double()
        mean = features.double().mean(dim=0)
        centred = features.double() - mean
        covariance = centred.T @ centred / len(centred)
        covariance.diagonal().add_(RIDGE * covariance.diagonal().mean())
        values, directions = torch.linalg.eigh(covariance)
        root = (directions * values.sqrt()) @ directions.T
        inverse = (directions / values.sqrt()) @ directions.T
        left, scales, right = torch.linalg.svd(wide @ root, full_matrices=False)
        rank = self.narrow.out_features
        self.narrow.weight.copy_(right[:rank] @ inverse)
        self.widen.weight.copy_(left[:, :rank] * scales[:rank])
        reduced = self.widen.weight.double() @ (self.narrow.weight.double() @ mean)
        self.widen.bias.copy_(bias.double() + wide @ mean - reduced)
        between = self.narrow(features)
        self.middle.copy_(between.mean(dim=0))
        self.spread.copy_(between.std(dim=0, correction=0))

    def directions(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B R"]:
        """The features in the directions that tell classes apart, each of deviation 1."""
        made: Tensor = (self.narrow(features) - self.middle) / self.spread
        return made

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B M"]:
        made: Tensor = self.widen(self.narrow(features))
        return made


class NamedClasses(nn.Module):
    r"""Logits of classes and labels to the mean of their names, weighted by their probabilities.

        s = unit( sum_c p_c n_c + a sum_l q_l n_l / max(sum_l q_l, 1/2) )
        p = softmax(class logits / tau),   q = max(0, sigmoid(label logits) - b)

        paper    here       shape
        p(y|x)   probs      B C   one class of the classifier's is right
        q        labelled   B L   any number of the labeler's labels is
        s(y)     names      C+L N   the names' text vectors, N dimensions of them

    ConSE: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR
    2014, eq. 3, with a softmax in place of the ten most probable classes, and the labels of a
    second teacher beside them. A noun that no class is called by is found through its likeness to
    names that are.
    """

    names: Tensor

    def __init__(self, naming: Naming, classes: int, names: Float32[np.ndarray, "M N"]) -> None:
        super().__init__()
        self.naming, self.classes = naming, classes
        self.register_buffer("names", torch.from_numpy(names))

    def forward(self, logits: Float[Tensor, "B M"]) -> Float[Tensor, "B N"]:
        """Unit vectors in the noun block."""
        probs = (logits[:, : self.classes] / self.naming.temperature).softmax(dim=-1)
        labelled = (logits[:, self.classes :].sigmoid() - self.naming.least).clamp(min=0.0)
        labelled = labelled / labelled.sum(dim=-1, keepdim=True).clamp(min=0.5)
        weights = torch.cat([probs, self.naming.label_weight * labelled], dim=-1)
        return functional.normalize(weights @ self.names, dim=-1)


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
