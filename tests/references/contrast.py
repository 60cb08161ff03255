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
    class_logits: Vector,
    label_logits: Vector,
    names: Sequence[Vector],
    temperature: float,
    label_weight: float,
    least: float,
) -> list[float]:
    """The unit mean of names: classes by their softmax (ConSE, eq. 3), labels by what they exceed.

    The labels' parts sum to `label_weight`, or to less where all of them together exceed `least`
    by less than a half.
    """
    over = [max(0.0, 1.0 / (1.0 + math.exp(-logit)) - least) for logit in label_logits]
    parts = softmax([logit / temperature for logit in class_logits])
    for value in over:
        parts.append(label_weight * value / max(sum(over), 0.5))
    mean = [0.0] * len(names[0])
    for part, name in zip(parts, names, strict=True):
        for place, value in enumerate(name):
            mean[place] += part * value
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
