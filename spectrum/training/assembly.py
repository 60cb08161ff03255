"""The shipped towers, put together from what was trained and what is fitted in closed form."""

import numpy as np
import torch
from torch import nn

from spectrum.training.backbone import CLASSIFIER
from spectrum.training.heads import TextProjection
from spectrum.training.image_material import common_labels
from spectrum.training.image_stages import ImageStages
from spectrum.training.image_tower import ImageTower
from spectrum.training.material import Material
from spectrum.training.mobilenet import FEATURES
from spectrum.training.naming import (
    NamedClasses,
    ReducedClassifier,
    noun_block,
    noun_directions,
)
from spectrum.training.query_gate import QueryGate
from spectrum.training.recipe import EmbeddedTraining
from spectrum.training.student_measures import pooled
from spectrum.training.visual_vector import VisualVector


def reduced_classifier(training: EmbeddedTraining, images: ImageStages) -> ReducedClassifier:
    """The classifier's classes but the background, its matrix reduced."""
    whole = images.classifier
    reduced = ReducedClassifier(whole.in_features, training.student.classes, training.naming.rank)
    features = images.material.signals["train", "whole"][CLASSIFIER].astype(np.float32)
    reduced.fit(whole.weight[1:], whole.bias[1:], torch.from_numpy(features))
    return reduced


def chosen_labels(training: EmbeddedTraining, images: ImageStages) -> tuple[nn.Linear, list[int]]:
    """The student's map to the labels that have a name, and the labels' numbers."""
    student = training.student
    taught = common_labels(images.material, student.labels)
    meant = common_labels(images.material, training.naming.labels)
    rows = student.classes + torch.searchsorted(taught, meant)
    labels = nn.Linear(training.tokens, len(rows))
    with torch.no_grad():
        labels.weight.copy_(images.student.classes.weight[rows])
        labels.bias.copy_(images.student.classes.bias[rows])
    return labels, meant.tolist()


@torch.no_grad()
def visual_vector(
    training: EmbeddedTraining, images: ImageStages, classes: ReducedClassifier
) -> VisualVector:
    """The visual vector, centred on the captioned photographs and on those without captions."""
    student = images.student
    blocks = (*training.student.visual, training.naming.rank)
    vector = VisualVector(blocks, training.visual)
    sets = []
    for name in ("train", "others"):
        features = pooled(student, images.material.maps[name, "whole"])
        whitened = student.whitening.project(student.standardised(features))
        sets.append(torch.cat([whitened, classes.directions(features[:, -FEATURES:])], dim=1))
    vector.fit(sets, student.whitening.variances)
    return vector


def assembled(
    training: EmbeddedTraining, material: Material, images: ImageStages, gate: QueryGate
) -> tuple[ImageTower, TextProjection]:
    """The image tower and the texts' projection: what is trained, and the noun block's names."""
    student, naming, classes = images.student, training.naming, training.student.classes
    weight, bias = noun_directions(material.vectors["nouns"], naming.width)
    names = noun_block(material.class_names(), weight, bias)
    labels, meant = chosen_labels(training, images)
    named = NamedClasses(naming, classes, np.concatenate([names[:classes], names[classes:][meant]]))
    projection = TextProjection(weight.shape[1], training.student.head.width, naming.width, gate)
    with torch.no_grad():
        projection.captions.load_state_dict(student.projection.state_dict())
        projection.nouns.weight.copy_(torch.from_numpy(weight))
        projection.nouns.bias.copy_(torch.from_numpy(bias))
    reduced = reduced_classifier(training, images)
    visual = visual_vector(training, images, reduced)
    tower = ImageTower(images.stems, student, reduced, labels, named, visual)
    return tower.eval(), projection.eval()
