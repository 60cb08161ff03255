"""What the captioner learns from: an encoder's grids of photographs, and captions."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float16, Float32

from spectrum.encoders import EncodedImages, Encoder
from spectrum.training.photographs import Photograph, View, captioned, seen

logger = logging.getLogger(__name__)

BATCH = 64
MOST_CHANNELS = 512
"""Grids of more channels are reduced before they are kept: a cache of 1,280 is 2 GB."""
REDUCED_CHANNELS = 384
BASIS_PHOTOGRAPHS = 400
"""Enough for the principal components: 49 tokens each."""
TRAIN_VIEWS: tuple[View, ...] = ("whole", "whole_flipped", "wide")


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """A linear map of an encoder's channels to fewer: principal components, not whitened."""

    mean: Float32[np.ndarray, " C"]
    """Of a channel over tokens."""
    basis: Float32[np.ndarray, "C R"]
    """Orthonormal columns."""
    retained: float
    """Share of the variance that is kept."""

    def __call__(self, tokens: Float[np.ndarray, "*B C"]) -> Float32[np.ndarray, "*B R"]:
        return np.asarray((tokens - self.mean) @ self.basis, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class GridFeatures:
    """One view of each photograph of a split, as the encoder sees it."""

    tokens: Float16[np.ndarray, "N G C"]
    """Local features, G cells in rows from the top."""
    semantic: Float16[np.ndarray, "N D"]
    """Unit length; shared with texts."""
    visual: Float16[np.ndarray, "N V"]
    """Unit length; only the baseline of the nearest photograph reads it."""
    mirrored: bool = False
    """Whether left and right are exchanged."""


@dataclass(frozen=True, kw_only=True)
class CaptionMaterial:
    """What the captioner learns from and is judged by."""

    views: tuple[GridFeatures, ...]
    """The training photographs, in the same order in every view; the first is not mirrored."""
    captions: Sequence[Sequence[str]]
    """The training photographs' captions, as people wrote them."""
    dev: GridFeatures
    """The photographs that choices are made on."""
    dev_captions: Sequence[Sequence[str]]
    """Their captions."""
    reduction: Reduction | None = None
    """What was done to the encoder's tokens; None if they are as they were."""


def principal_components(tokens: Float[np.ndarray, "N C"], count: int) -> Reduction:
    """The `count` directions of greatest variance."""
    mean = tokens.mean(axis=0, dtype=np.float64)
    centred = tokens - mean.astype(np.float32)
    covariance = (centred.T @ centred).astype(np.float64) / len(tokens)
    variances, directions = np.linalg.eigh(covariance)
    return Reduction(
        mean=mean.astype(np.float32),
        basis=np.ascontiguousarray(directions[:, ::-1][:, :count], dtype=np.float32),
        retained=float(variances[::-1][:count].sum() / variances.sum()),
    )


def encoded_batches(
    encoder: Encoder, photographs: Sequence[Photograph], view: View
) -> Iterator[EncodedImages]:
    """The encoder's vectors and tokens of one view of each photograph, batch by batch."""
    for start in range(0, len(photographs), BATCH):
        batch = photographs[start : start + BATCH]
        prepared = [encoder.prepare(seen(photograph.path, view)) for photograph in batch]
        yield encoder.encode_images(prepared, tokens=True)


def grid_rows(encoded: EncodedImages) -> Float[np.ndarray, "B G C"]:
    """The grid with its cells in one row. Raises ValueError where an encoder gives no grid."""
    if encoded.tokens is None:
        raise ValueError("the encoder gives no grid of tokens, which a captioner needs")
    batch, _, _, channels = encoded.tokens.shape
    return encoded.tokens.reshape(batch, -1, channels)


def fitted_reduction(
    encoder: Encoder, photographs: Sequence[Photograph], path: Path
) -> Reduction | None:
    """The reduction of the encoder's tokens, kept at `path`; None if they are narrow enough."""
    if path.exists():
        with np.load(path) as kept:
            return Reduction(
                mean=kept["mean"], basis=kept["basis"], retained=float(kept["retained"])
            )
    (first,) = encoded_batches(encoder, photographs[:1], "whole")
    if grid_rows(first).shape[-1] <= MOST_CHANNELS:
        return None
    sample = photographs[:: max(1, len(photographs) // BASIS_PHOTOGRAPHS)]
    grids = [grid_rows(batch) for batch in encoded_batches(encoder, sample, "whole")]
    tokens = np.concatenate(grids).reshape(-1, grids[0].shape[-1])
    made = principal_components(tokens.astype(np.float32), REDUCED_CHANNELS)
    np.savez(path, mean=made.mean, basis=made.basis, retained=made.retained)
    logger.info("%d channels -> %d keep %.4f", *made.basis.shape, made.retained)
    return made


def cached_grids(
    encoder: Encoder,
    photographs: Sequence[Photograph],
    view: View,
    reduction: Reduction | None,
    stem: Path,
) -> GridFeatures:
    """The grid features of one view, kept beside each other as `stem`_PART.npy."""
    paths = {
        part: stem.with_name(f"{stem.name}_{part}.npy") for part in ("semantic", "visual", "tokens")
    }
    if not paths["tokens"].exists():
        parts: dict[str, list[Float16[np.ndarray, "..."]]] = {part: [] for part in paths}
        for encoded in encoded_batches(encoder, photographs, view):
            tokens = grid_rows(encoded)
            reduced = tokens if reduction is None else reduction(tokens)
            parts["tokens"].append(reduced.astype(np.float16))
            parts["semantic"].append(encoded.semantic.astype(np.float16))
            parts["visual"].append(encoded.visual.astype(np.float16))
        for part, path in paths.items():
            # The tokens come last, by a rename: where they are, everything is.
            unfinished = path.with_suffix(".partial.npy")
            np.save(unfinished, np.concatenate(parts[part]))
            unfinished.rename(path)
        logger.info("grids of %d photographs, view %s -> %s", len(photographs), view, stem)
    return GridFeatures(
        tokens=np.load(paths["tokens"]),
        semantic=np.load(paths["semantic"]),
        visual=np.load(paths["visual"]),
        mirrored=view.endswith("flipped"),
    )


def gathered(encoder: Encoder, shared: Path, work: Path) -> CaptionMaterial:
    """The captioned photographs of `shared` through the encoder; kept in `work` by its hash."""
    folder = shared / "data/flickr8k"
    train = [photo for split in ("train", "extra") for photo in captioned(folder, split)]
    dev = captioned(folder, "dev")
    stem = work / f"grids_{encoder.identity.fingerprint[:12]}"
    reduction = fitted_reduction(encoder, train, stem.with_name(f"{stem.name}_basis.npz"))

    def cached(photographs: list[Photograph], split: str, view: View) -> GridFeatures:
        name = f"{stem.name}_{split}_{view}"
        return cached_grids(encoder, photographs, view, reduction, stem.with_name(name))

    return CaptionMaterial(
        views=tuple(cached(train, "train", view) for view in TRAIN_VIEWS),
        captions=[photo.captions for photo in train],
        dev=cached(dev, "dev", "whole"),
        dev_captions=[photo.captions for photo in dev],
        reduction=reduction,
    )
