"""Photographs for the image tower: where training starts, and what the ensemble says of them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float32
from torch import Tensor, nn
from torch.nn import functional

from spectrum.training.backbone import CLASSIFIER, Stems
from spectrum.training.ensemble import SIGNALS, cached_signals
from spectrum.training.ensemble_head import EnsembleTeacher, folds
from spectrum.training.heads import Standardised
from spectrum.training.photographs import Photograph, View, captioned, classified
from spectrum.training.stem_maps import Maps, cached_maps, write_stems
from spectrum.training.student import Lessons, StudentTraining
from spectrum.training.student import View as Lesson

logger = logging.getLogger(__name__)

ASKED: tuple[View, ...] = ("whole", "whole_flipped")
"""Views that the teachers are asked about; of other views they are taken to say the same."""
SHOWN: tuple[View, ...] = ("whole", "whole_flipped", "wide", "crop_1", "crop_2")
"""Views of the captioned photographs that the student sees."""
REDUCED = 256
"""T, dimensions that the ensemble's signals are reduced to."""


@dataclass(frozen=True, kw_only=True)
class ImageMaterial:
    """The student's photographs."""

    sets: dict[str, list[Photograph]]
    """By name: `train` (with captions), `dev`, `others` (without captions)."""
    maps: dict[tuple[str, View], Maps]
    """The stems' maps, by set and view."""
    signals: dict[tuple[str, View], dict[str, Float16[Any, "N F"]]]
    """The ensemble's signals, by set and view."""
    listened: tuple[str, ...] = SIGNALS
    """The signals that the student is taught; all but in ablations."""

    def joined(self, name: str, view: View) -> Float32[np.ndarray, "N F"]:
        """The signals of a set and view side by side."""
        said = self.signals[name, view]
        return np.concatenate([said[signal] for signal in self.listened], axis=1).astype(np.float32)


def gathered_images(models: Path, data: Path, stems: Stems, work: Path) -> ImageMaterial:
    """Reads the photographs, runs the stems and the teachers on them, unless that was done."""
    flickr = data / "flickr8k"
    sets = {
        "train": captioned(flickr, "train") + captioned(flickr, "extra"),
        "dev": captioned(flickr, "dev"),
        "others": classified(data / "clothing/train"),
    }
    path = work / "stems.onnx"
    write_stems(stems, sets["train"], path)
    maps, signals = {}, {}
    for name, photographs in sets.items():
        for view in SHOWN if name == "train" else ASKED:
            maps[name, view] = cached_maps(path, photographs, view, work / f"maps_{name}_{view}")
        for view in ASKED:
            stored = work / f"signals_{name}_{view}.npz"
            signals[name, view] = cached_signals(models, photographs, view, stored)
    return ImageMaterial(sets=sets, maps=maps, signals=signals)


class Reduction(nn.Module):
    """The ensemble's signals in fewer dimensions: PCA, half whitened, unit length.

    Whitened by the fourth root of the variance: wholly whitened likenesses say nothing but noise,
    and not whitened ones only what the strongest teacher says.
    """

    def __init__(self, signals: Float32[np.ndarray, "N F"], width: int, seed: int) -> None:
        super().__init__()
        self.standardised = Standardised(signals.shape[1])
        self.standardised.fit(signals)
        made = self.standardised(torch.from_numpy(signals))
        self.mean = made.mean(dim=0)
        torch.manual_seed(seed)
        _, values, directions = torch.svd_lowrank(made - self.mean, q=width, niter=4)
        self.directions = directions / (values.square() / len(made)) ** 0.25

    def forward(self, signals: Float32[Tensor, "N F"]) -> Float32[Tensor, "N T"]:
        return functional.normalize(
            (self.standardised(signals) - self.mean) @ self.directions, dim=-1
        )


def common_labels(material: ImageMaterial, count: int) -> Tensor:
    """The numbers of the `count` labels that the labeler gives to the training photographs most."""
    logits = np.concatenate(
        [material.signals[name, "whole"]["labeler_logits"] for name in ("train", "others")]
    )
    mean = torch.from_numpy(logits.astype(np.float32)).sigmoid().mean(dim=0)
    return mean.topk(count).indices.sort().values


def lessons(
    material: ImageMaterial,
    captions: Float32[np.ndarray, "N K S"],
    teacher: EnsembleTeacher,
    classifier: nn.Linear,
    training: StudentTraining,
    heard: Float32[np.ndarray, "N K S"] | None = None,
) -> Lessons:
    """What the student learns from: maps, signals, class logits and out-of-fold vectors.

    `captions` are the sentence teacher's vectors, `heard` the shipped text tower's of the same.
    """
    reduction = Reduction(material.joined("train", "whole"), REDUCED, training.seed)
    labels = common_labels(material, training.labels)
    count = len(material.sets["train"])
    fold = folds(count, teacher.training_settings.folds, teacher.training_settings.seed)

    def views(name: str, shown: Sequence[View], fold: Tensor | None) -> list[Lesson]:
        found = {}
        for view in ASKED:
            said = material.signals[name, view]
            pooled = torch.from_numpy(said[CLASSIFIER].astype(np.float32))
            labelled = torch.from_numpy(said["labeler_logits"].astype(np.float32))[:, labels]
            joined = material.joined(name, view)
            found[view] = (
                reduction(torch.from_numpy(joined)),
                torch.cat([classifier(pooled)[:, 1:], labelled], dim=1),
                teacher.photographs(joined, fold),
            )
        made = []
        for view in shown:
            signals, logits, semantic = found.get(view, found["whole"])
            maps = material.maps[name, view]
            made.append(
                Lesson(
                    extractor=maps.extractor,
                    classifier=maps.classifier,
                    signals=signals,
                    logits=logits,
                    semantic=semantic,
                )
            )
        return made

    with torch.no_grad():
        texts = teacher.texts(torch.from_numpy(captions))
        return Lessons(
            captioned=views("train", SHOWN, fold),
            captions=torch.from_numpy(captions),
            texts=texts,
            scale=float(teacher.log_scale.exp()),
            others=views("others", ASKED, None),
            heard=None if heard is None else torch.from_numpy(heard),
        )
