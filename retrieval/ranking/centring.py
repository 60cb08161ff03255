"""Mean-centring: what all images share, and what all texts share, says nothing of any of them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from retrieval.ranking.blocks import block_lengths, scaled_blocks, unit
from retrieval.ranking.protocol import Kind, Reference, Search
from retrieval.ranking.raw import Raw

_LEAST_VARIANCE = 1e-4
"""Of a whitened direction, as a share of the largest: thinner ones hold rounding, not content."""


class Centre(NamedTuple):
    """How one kind of vectors lies: their mean, and the axes along which they are evened out."""

    mean: Float32[np.ndarray, "D"]
    axes: Float32[np.ndarray, "D D"] | None = None
    """Rows of the whitening matrix; None: the vectors are only centred."""


def centre(vectors: Float32[np.ndarray, "N D"], *, whiten: bool = False) -> Centre:
    r"""The mean mu of vectors and, to whiten, W = U diag(lambda)^(-1/2) U^T of their covariance.

        paper    here      shape
        x        vectors   N D
        mu       mean      D      0 where there are no vectors
        W        axes      D D    lambda at least 1e-4 of the largest

    Whitening: Jegou and Chum, ECCV 2012. It turns nothing (ZCA), so that texts, whitened by the
    images' W, stay comparable with images.  Reference loop: tests/references/ranking.py
    """
    if not len(vectors):
        mean = np.zeros(vectors.shape[1], dtype=np.float32)
        return Centre(mean, np.eye(len(mean), dtype=np.float32) if whiten else None)
    mean = vectors.mean(axis=0, dtype=np.float64)
    if not whiten:
        return Centre(mean.astype(np.float32))
    variances, axes = np.linalg.eigh((vectors - mean).T @ (vectors - mean) / len(vectors))
    least = max(float(variances.max(initial=0.0)) * _LEAST_VARIANCE, 1e-12)
    whitening = (axes / np.sqrt(np.maximum(variances, least))) @ axes.T
    return Centre(mean.astype(np.float32), whitening.astype(np.float32))


def centred(vectors: Float32[np.ndarray, "N D"], about: Centre) -> Float32[np.ndarray, "N D"]:
    """x' = W (x - mu) / |W (x - mu)|: what is left at length one.

    One mean for each modality: Zhang et al., Closing the modality gap for mixed modality search
    (GR-CLIP), 2025.
    """
    moved = vectors - about.mean
    return unit(moved if about.axes is None else moved @ about.axes.T)


@dataclass(frozen=True, eq=False)
class Centring(Raw):
    """Ranks by centred vectors; each block is centred by itself."""

    semantic: Centre
    visual: Centre
    texts: Centre
    """With the axes of the images' semantic blocks."""

    @classmethod
    def fitted(cls, reference: Reference, *, whiten: bool = False) -> "Centring":
        """Means of the images' blocks and of the bank of texts."""
        width = reference.semantic
        semantic = centre(reference.images[:, :width], whiten=whiten)
        visual = centre(reference.images[:, width:], whiten=whiten)
        return cls(semantic, visual, Centre(centre(reference.texts).mean, semantic.axes))

    def database(self, vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N _"]:
        """The vectors, centred."""
        return self._centred(vectors, self.semantic)

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q _"]:
        """The queries, centred, each block at the length that it had."""
        width = len(self.semantic.mean)
        lengths = block_lengths(queries, width)
        with_length = np.maximum(lengths, np.float32(1e-12))
        units = scaled_blocks(queries, 1 / with_length, width)
        moved = self._centred(units, self.texts if kind == "text" else self.semantic)
        return scaled_blocks(moved, lengths, width)

    def _centred(
        self, vectors: Float32[np.ndarray, "N D"], semantic: Centre
    ) -> Float32[np.ndarray, "N D"]:
        width = len(semantic.mean)
        blocks = centred(vectors[:, :width], semantic), centred(vectors[:, width:], self.visual)
        return np.concatenate(blocks, axis=1)


class Whitening(Centring):
    """Ranks by centred and whitened vectors."""

    @classmethod
    def fitted(cls, reference: Reference, *, whiten: bool = True) -> "Centring":
        """Also the images' covariances."""
        return super().fitted(reference, whiten=whiten)
