"""Encoders of other quality over the same photographs, from signals that are kept already.

Each is a caption head on networks' pooled features; its texts are the sentence teacher's vectors,
through a map that is learned with the head, in place of the shipped text tower's. No photograph is
encoded for them: visual vectors and grids are the shipped tower's, or one network's part of them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.refinement.material import Captioned, Photographs
from retrieval.ranking.blocks import unit
from spectrum.encoders import Encoder, EncoderIdentity
from spectrum.stack.material import CaptionedImages, view_of
from spectrum.training.caption_material import CaptionMaterial, GridFeatures, gathered
from spectrum.training.embedded_stack import SIDE
from spectrum.training.ensemble import SIGNALS, cached_signals
from spectrum.training.ensemble_head import (
    EnsembleTeacher,
    EnsembleTrainer,
    EnsembleTraining,
    folds,
)
from spectrum.training.heads import HeadShape
from spectrum.training.image_stages import kept
from spectrum.training.material import all_captions
from spectrum.training.minilm import cached_sentences, sentence_vectors
from spectrum.training.photographs import Photograph, View, captioned
from spectrum.training.sentences import plain
from spectrum.training.student import StudentTraining

VIEWS: tuple[View, ...] = ("whole", "whole_flipped")
CAPTIONS = 5
EXTRACTOR_CHANNELS = StudentTraining().visual[0]
"""The first channels of the shipped visual vector and grid are MobileNetV1's, all others V2's."""


@dataclass(frozen=True, kw_only=True)
class OtherEncoder:
    """What an encoder is made of."""

    name: str
    """As the tables call it."""
    stem: str
    """How the files that are kept of it begin, in --work."""
    file: str
    """Of its heads, there too."""
    signals: tuple[str, ...]
    """The networks' features that its heads read."""
    heads: EnsembleTraining
    """How they are trained; as `EnsembleTeacher`, one on all photographs and one for each fold."""
    first_channel: int = 0
    """Of the shipped visual vector and grid: what lies before is left out."""
    pooled: bool = False
    """Whether a new photograph's vector is the mean of the folds' heads, of picture and mirror
    image, in place of the one head that was trained on all photographs."""


OVERFIT = HeadShape(width=384, hidden=256, dropout=0.3)
OTHERS = {
    "weaker": OtherEncoder(
        name="weaker: one MobileNetV2, overfit",
        stem="bases_weaker",
        file="bases_weaker_heads.pt",
        signals=("other_classifier",),
        heads=EnsembleTraining(shape=OVERFIT, epochs=20),
        first_channel=EXTRACTOR_CHANNELS,
    ),
    "trial": OtherEncoder(
        name="the trials' base: three MobileNets, overfit",
        stem="bases_trial",
        file="bases_trial_heads.pt",
        signals=("classifier", "other_classifier", "extractor"),
        heads=EnsembleTraining(shape=OVERFIT, epochs=20),
    ),
    "stronger": OtherEncoder(
        name="stronger: five networks, five heads, picture and mirror image",
        stem="bases_stronger",
        file="ensemble.pt",  # the very heads that the shipped encoder learned from
        signals=SIGNALS,
        heads=EnsembleTraining(),
        pooled=True,
    ),
}


class Seen(NamedTuple):
    """What an encoder makes of the photographs of Flickr8k."""

    identity: EncoderIdentity
    material: CaptionedImages
    """What a stack is trained on; semantic vectors by heads that have not seen the photograph."""
    train: Captioned
    """The same, as the lines without training read it."""
    dev: Captioned
    """Photographs that nothing was fitted to, as the encoder gives them."""
    encode_texts: Callable[[Sequence[str]], np.ndarray]
    """Semantic vectors of any texts."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all of them are made from."""

    encoder: Encoder
    """The shipped one, whose visual vectors and grids they have."""
    folder: Path
    """`../shared`."""
    work: Path
    """Where everything is kept."""
    grids: CaptionMaterial = field(repr=False)
    """Of the shipped encoder."""

    @classmethod
    def of(cls, encoder: Encoder, folder: Path, work: Path) -> "Shared":
        """Reads the grids; the shipped encoder makes them where they are not kept."""
        return cls(encoder=encoder, folder=folder, work=work, grids=gathered(encoder, folder, work))

    def photographs(self, name: str) -> list[Photograph]:
        """`train`, with the photographs that are in no split, or `dev`."""
        splits = ("train", "extra") if name == "train" else (name,)
        flickr = self.folder / "data/flickr8k"
        return [each for split in splits for each in captioned(flickr, split)]

    def texts(self, name: str) -> tuple[tuple[str, ...], ...]:
        """What the captions of each photograph say."""
        return tuple(each.captions[:CAPTIONS] for each in self.photographs(name))

    def signals(self, name: str, listened: tuple[str, ...]) -> np.ndarray:
        """(views, photographs, features): picture and mirror image."""
        photographs = self.photographs(name)
        views = []
        for view in VIEWS:
            path = self.work / f"signals_{name}_{view}.npz"
            said = cached_signals(self.folder / "models", photographs, view, path)
            views.append(np.concatenate([said[signal] for signal in listened], axis=1))
        return np.stack(views).astype(np.float32)

    def sentences(self, name: str) -> np.ndarray:
        """(photographs, captions, numbers): the sentence teacher's vectors."""
        texts = all_captions(self.photographs(name))
        vectors = cached_sentences(texts, self.work / f"sentences_{name}.npy")
        return vectors.reshape(-1, CAPTIONS, vectors.shape[1])


def trained_heads(other: OtherEncoder, shared: Shared) -> EnsembleTeacher:
    """The encoder's heads and its map of sentences; kept in the work folder."""
    signals, sentences = shared.signals("train", other.signals), shared.sentences("train")
    teacher = EnsembleTeacher(other.heads, signals.shape[2], sentences.shape[2])
    trainer = EnsembleTrainer(teacher, signals, sentences)
    kept(shared.work / other.file, other.heads, teacher, trainer.train)
    return teacher.eval()


@torch.no_grad()
def out_of_fold(teacher: EnsembleTeacher, views: np.ndarray, *, pooled: bool) -> np.ndarray:
    """Semantic vectors of the training photographs, by the heads of folds that lacked them.

    Of the picture, or, where `pooled`, the mean of picture and mirror image.
    """
    training = teacher.training_settings
    fold = folds(views.shape[1], training.folds, training.seed)
    counted = views if pooled else views[:1]
    return _mean([teacher.photographs(view, fold) for view in counted])


@torch.no_grad()
def new_photographs(teacher: EnsembleTeacher, views: np.ndarray, *, pooled: bool) -> np.ndarray:
    """Semantic vectors of photographs that no head has seen."""
    if pooled:
        return _mean([teacher.photographs(view) for view in views])
    made: Tensor = teacher.heads[0](teacher.standardised(torch.from_numpy(views[0])))
    return made.numpy()


def _mean(vectors: list[Tensor]) -> np.ndarray:
    made: np.ndarray = functional.normalize(torch.stack(vectors).mean(dim=0), dim=-1).numpy()
    return made


def seen_by(other: OtherEncoder, shared: Shared) -> Seen:
    """Everything that a stack for this encoder is trained on and measured with."""
    teacher, start = trained_heads(other, shared), other.first_channel
    learned, new = (shared.signals(name, other.signals) for name in ("train", "dev"))
    semantic = out_of_fold(teacher, learned, pooled=other.pooled)
    views = tuple(
        view_of(
            np.concatenate([semantic, visual_part(grid, start)], axis=1), token_part(grid, start)
        )
        for grid in shared.grids.views
    )
    visual, tokens = views[0].features[:, semantic.shape[1] :], tuple(views[0].tokens)
    grid, texts = shared.grids.dev, {name: shared.texts(name) for name in ("train", "dev")}
    asked = {name: texts_asked(teacher, shared.sentences(name)) for name in texts}
    found = Photographs(
        new_photographs(teacher, new, pooled=other.pooled),
        visual_part(grid, start),
        tuple(token_part(grid, start)),
    )
    every = {name: tuple(text for each in own for text in each) for name, own in texts.items()}
    return Seen(
        identity_of(other, shared, semantic.shape[1], visual.shape[1]),
        CaptionedImages(views=views, captions=asked["train"], texts=texts["train"]),
        Captioned(Photographs(semantic, visual, tokens), asked["train"], every["train"]),
        Captioned(found, asked["dev"], every["dev"]),
        lambda told: texts_asked(teacher, sentence_vectors([plain(text) for text in told])),
    )


@torch.no_grad()
def texts_asked(teacher: EnsembleTeacher, sentences: np.ndarray) -> np.ndarray:
    """Semantic vectors of sentences."""
    made: np.ndarray = teacher.texts(torch.from_numpy(sentences)).numpy()
    return made


def identity_of(other: OtherEncoder, shared: Shared, semantic: int, visual: int) -> EncoderIdentity:
    """What a stack for this encoder is known by: its heads, and whose visual vectors it has."""
    weights = (shared.work / other.file).read_bytes() + shared.encoder.identity.fingerprint.encode()
    return EncoderIdentity(
        name=other.stem,
        weights_hash=hashlib.blake2b(weights, digest_size=16).hexdigest(),
        preprocessing=f"signals of whole pictures, channels from {other.first_channel}",
        semantic_dimension=semantic,
        visual_dimension=visual,
        licence="research only, as the embedded encoder",
    )


def visual_part(grid: GridFeatures, start: int) -> np.ndarray:
    """The visual vectors without what lies before `start`, of unit length."""
    return unit(grid.visual[:, start:].astype(np.float32))


def token_part(grid: GridFeatures, start: int) -> np.ndarray:
    """The grids without the channels that lie before `start`."""
    tokens = grid.tokens.reshape(len(grid.tokens), SIDE, SIDE, -1)
    return np.ascontiguousarray(tokens[..., start:])
