"""How a student does on the dev photographs while it learns."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from spectrum.training.backbone import means
from spectrum.training.measures import caption_hits
from spectrum.training.stem_maps import Maps
from spectrum.training.student import Student

BATCH = 250


@torch.no_grad()
def pooled(student: Student, maps: Maps) -> Float32[Tensor, "N F"]:
    """Means of the local features of photographs whose stems' maps are known."""
    student.eval()
    made = []
    for start in range(0, len(maps.extractor), BATCH):
        entering = (
            torch.from_numpy(np.asarray(part[start : start + BATCH], dtype=np.float32))
            for part in maps
        )
        made.append(means(student.tails(*entering)))
    return torch.cat(made)


@torch.no_grad()
def caption_vectors(student: Student, maps: Maps) -> Float32[np.ndarray, "N D"]:
    """The caption block's vectors of the same photographs."""
    return np.asarray(student.captions(student.standardised(pooled(student, maps))).numpy())


@torch.no_grad()
def student_hits(
    student: Student, maps: Maps, captions: Float32[np.ndarray, "N K S"]
) -> dict[str, Any]:
    """Hit rates of the caption block with the sentence teacher's texts."""
    texts = student.texts(torch.from_numpy(captions)).flatten(0, 1).numpy()
    return caption_hits(caption_vectors(student, maps), texts, captions.shape[1])


@torch.no_grad()
def fitted(student: Student, maps: Maps) -> None:
    """Sets standardisation and whitening from training photographs, before the training."""
    features = pooled(student, maps)
    student.standardised.fit(features.numpy())
    student.whitening.fit(student.standardised(features), student.standardised.deviation)
