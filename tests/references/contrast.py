"""Plain loops for the losses of spectrum.training, over Python floats."""

import math
from collections.abc import Sequence

Vector = Sequence[float]


def dot(first: Vector, second: Vector) -> float:
    total = 0.0
    for a, b in zip(first, second, strict=True):
        total += a * b
    return total


def caption_contrast(
    images: Sequence[Vector], texts: Sequence[Sequence[Vector]], scale: float
) -> float:
    """Multi-positive InfoNCE, both directions, from its definition."""
    to_text = 0.0
    for b, image in enumerate(images):
        own, everything = 0.0, 0.0
        for c, captions in enumerate(texts):
            for caption in captions:
                mass = math.exp(scale * dot(image, caption))
                everything += mass
                if c == b:
                    own += mass
        to_text -= math.log(own / everything) / len(images)
    to_image = 0.0
    count = sum(len(captions) for captions in texts)
    for b, captions in enumerate(texts):
        for caption in captions:
            own = math.exp(scale * dot(images[b], caption))
            everything = sum(math.exp(scale * dot(image, caption)) for image in images)
            to_image -= math.log(own / everything) / count
    return (to_text + to_image) / 2


def softmax(logits: Vector) -> list[float]:
    masses = [math.exp(logit) for logit in logits]
    return [mass / sum(masses) for mass in masses]


def divergence(first: Vector, second: Vector) -> float:
    """KL(first || second); what has no probability in the first counts nothing."""
    total = 0.0
    for p, q in zip(first, second, strict=True):
        if p > 0:
            total += p * math.log(p / q)
    return total


def named_mean(
    whitened: Vector, weights: Sequence[Vector], biases: Vector, names: Sequence[Vector]
) -> list[float]:
    """The unit mean of names, weighted by the softmax of linear logits (ConSE, eq. 3)."""
    logits = [dot(whitened, row) + bias for row, bias in zip(weights, biases, strict=True)]
    mean = [0.0] * len(names[0])
    for prob, name in zip(softmax(logits), names, strict=True):
        for place, value in enumerate(name):
            mean[place] += prob * value
    length = math.sqrt(dot(mean, mean))
    return [value / length for value in mean]


def likeness_loss(
    student: Sequence[Vector], teacher: Sequence[Vector], temperature: float
) -> float:
    """Mean divergence of two batches' likenesses, each to all others."""
    total = 0.0
    for b in range(len(student)):
        others = [c for c in range(len(student)) if c != b]
        wanted = softmax([dot(teacher[b], teacher[c]) / temperature for c in others])
        made = softmax([dot(student[b], student[c]) / temperature for c in others])
        total += divergence(wanted, made)
    return total / len(student)
