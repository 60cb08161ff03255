"""What the student is taught: labels, reduced signals, and vectors of heads without the row."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spectrum.training import image_material
from spectrum.training.backbone import CLASSIFIER
from spectrum.training.ensemble_head import EnsembleTeacher, EnsembleTraining, folds
from spectrum.training.heads import HeadShape
from spectrum.training.image_material import (
    ASKED,
    SHOWN,
    ImageMaterial,
    Reduction,
    common_labels,
    lessons,
)
from spectrum.training.photographs import Photograph
from spectrum.training.stem_maps import Maps
from spectrum.training.student import StudentTraining

COUNTS = {"train": 9, "others": 4}
WIDTHS = {CLASSIFIER: 6, "labeler_logits": 5, "extractor": 3}


@pytest.fixture
def material() -> ImageMaterial:
    """Nine photographs with captions and four without; three signals of them."""
    random = np.random.default_rng(0)
    signals, maps = {}, {}
    for name, count in COUNTS.items():
        for view in ASKED:
            signals[name, view] = {
                signal: random.normal(size=(count, width)).astype(np.float16)
                for signal, width in WIDTHS.items()
            }
        for view in SHOWN:
            maps[name, view] = Maps(
                random.normal(size=(count, 512, 1, 1)).astype(np.float16),
                random.normal(size=(count, 320, 1, 1)).astype(np.float16),
            )
    photograph = Photograph(path=Path("a.jpg"))
    return ImageMaterial(
        sets={name: [photograph] * count for name, count in COUNTS.items()},
        maps=maps,
        signals=signals,
        listened=("extractor", CLASSIFIER, "labeler_logits"),
    )


def test_signals_are_joined_in_the_order_of_listening(material: ImageMaterial) -> None:
    joined = material.joined("others", "whole")
    assert joined.shape == (4, 14)
    assert joined.dtype == np.float32
    said = material.signals["others", "whole"]
    np.testing.assert_array_equal(joined[:, :3], said["extractor"].astype(np.float32))
    np.testing.assert_array_equal(joined[:, 9:], said["labeler_logits"].astype(np.float32))


def test_common_labels_are_those_given_most(material: ImageMaterial) -> None:
    """By the mean of probabilities over both sets, which one sure photograph does not decide."""
    said = {
        "train": [[-9, 1, 30, -9, 1]] + [[-9, 1, -9, 0, 2]] * 8,
        "others": [[-9, 9, -9, 0, 2]] * 4,
    }
    for name, rows in said.items():
        material.signals[name, "whole"]["labeler_logits"] = np.array(rows, dtype=np.float16)
    assert common_labels(material, 2).tolist() == [1, 4]
    assert common_labels(material, 3).tolist() == [1, 3, 4]


def test_reduced_signals_are_of_unit_length_and_repeat() -> None:
    random = np.random.default_rng(0)
    signals = (random.normal(size=(50, 4)) @ random.normal(size=(4, 11))).astype(np.float32)
    first, again = Reduction(signals, 4, seed=0), Reduction(signals, 4, seed=0)
    made = first(torch.from_numpy(signals))
    torch.testing.assert_close(made.norm(dim=1), torch.ones(50))
    assert torch.equal(again(torch.from_numpy(signals)), made)
    assert made.shape == (50, 4)


def test_reduction_is_half_whitened() -> None:
    """Before it is brought to unit length: each direction's variance is its square root."""
    random = np.random.default_rng(0)
    signals = (random.normal(size=(300, 3)) @ random.normal(size=(3, 8))).astype(np.float32)
    reduction = Reduction(signals, 3, seed=0)
    standardised = reduction.standardised(torch.from_numpy(signals)) - reduction.mean
    before = torch.linalg.eigvalsh(standardised.T @ standardised / 300).flip(0)[:3]
    after = (standardised @ reduction.directions).square().mean(dim=0)
    torch.testing.assert_close(after.sort(descending=True).values, before.sqrt(), rtol=1e-3, atol=0)


def test_lessons_are_in_step(material: ImageMaterial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each view has its own maps; views that nobody was asked about have the whole one's signals;
    and each photograph's semantic vector is by the head of its fold."""
    monkeypatch.setattr(image_material, "REDUCED", 4)
    torch.manual_seed(0)
    settings = EnsembleTraining(shape=HeadShape(width=7, hidden=0, dropout=0.0), folds=3)
    teacher = EnsembleTeacher(settings, 14, 10).eval()
    classifier = nn.Linear(6, 4)
    training = StudentTraining(classes=3, labels=2)
    captions = np.random.default_rng(0).normal(size=(9, 2, 10)).astype(np.float32)
    taught = lessons(material, captions, teacher, classifier, training)
    assert len(taught.captioned) == len(SHOWN)
    assert len(taught.others) == len(ASKED)
    labels = common_labels(material, 2)
    fold = folds(9, 3, settings.seed)
    for view, lesson in zip(SHOWN, taught.captioned, strict=True):
        assert lesson.extractor is material.maps["train", view].extractor
        assert lesson.classifier is material.maps["train", view].classifier
        asked = view if view in ASKED else "whole"
        said = material.signals["train", asked]
        # The first of the classifier's classes is the background, which has no name.
        pooled = torch.from_numpy(said[CLASSIFIER].astype(np.float32))
        torch.testing.assert_close(lesson.logits[:, :3], classifier(pooled)[:, 1:].detach())
        labelled = torch.from_numpy(said["labeler_logits"].astype(np.float32))[:, labels]
        assert torch.equal(lesson.logits[:, 3:], labelled)
        wanted = teacher.photographs(material.joined("train", asked), fold)
        assert torch.equal(lesson.semantic, wanted)
    mean = teacher.photographs(material.joined("others", "whole"))
    assert torch.equal(taught.others[0].semantic, mean)
    torch.testing.assert_close(taught.texts.norm(dim=-1), torch.ones(9, 2))
    assert taught.scale == pytest.approx(np.exp(3.0))
    assert not taught.texts.requires_grad
