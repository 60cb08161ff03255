"""Plain loops for spectrum.harmony, over Python floats, written from the paper's section 5."""

import math
from collections.abc import Callable, Sequence

from tests.references.contrast import Vector, divergence, dot, softmax

Matrix = Sequence[Vector]


def squared_distance(first: Vector, second: Vector) -> float:
    total = 0.0
    for a, b in zip(first, second, strict=True):
        total += (a - b) ** 2
    return total


def distillation(student_logits: Matrix, teacher_logits: Matrix, temperature: float) -> float:
    """5.1a: the mean of KL(teacher || student) over the batch, times the squared temperature."""
    total = 0.0
    for student, teacher in zip(student_logits, teacher_logits, strict=True):
        wanted = softmax([logit / temperature for logit in teacher])
        made = softmax([logit / temperature for logit in student])
        total += divergence(wanted, made)
    return temperature * temperature * total / len(student_logits)


def feature_distillation(
    student: Matrix, teacher: Matrix, mapping: Callable[[Vector], Vector]
) -> float:
    """5.1b: the mean of the squared distances between teacher and mapped student."""
    total = 0.0
    for small, large in zip(student, teacher, strict=True):
        total += squared_distance(large, mapping(small))
    return total / len(student)


def linear(vector: Vector, weights: Matrix, biases: Vector) -> list[float]:
    return [dot(row, vector) + bias for row, bias in zip(weights, biases, strict=True)]


def gelu(value: float) -> float:
    """x times the probability that a standard normal variable is below x."""
    return value * (1 + math.erf(value / math.sqrt(2))) / 2


def fused_level(
    visual: Matrix, textual: Matrix, network: Callable[[Vector], Vector]
) -> list[list[float]]:
    """5.2a: the network of each visual vector with its textual one behind it."""
    return [list(network([*image, *text])) for image, text in zip(visual, textual, strict=True)]


def weighted_levels(fused: Sequence[Matrix], weights: Vector) -> list[list[float]]:
    """5.2b: the sum of the levels, each times its weight."""
    total = [[0.0] * len(row) for row in fused[0]]
    for level, weight in zip(fused, weights, strict=True):
        for b, row in enumerate(level):
            for d, value in enumerate(row):
                total[b][d] += weight * value
    return total


def information_bound(visual: Matrix, textual: Matrix, temperature: float) -> float:
    """MI of 5.3a: log B, less the mean InfoNCE loss of the two directions."""
    count = len(visual)
    bound = 0.0
    for b in range(count):
        own = math.exp(dot(visual[b], textual[b]) / temperature)
        texts = sum(math.exp(dot(visual[b], textual[c]) / temperature) for c in range(count))
        images = sum(math.exp(dot(visual[c], textual[b]) / temperature) for c in range(count))
        # The mean over the other side, not the sum, is what takes log B in: Oord et al., eq. 5.
        bound += math.log(own / (texts / count)) / (2 * count)
        bound += math.log(own / (images / count)) / (2 * count)
    return bound


def harmony(visual: Matrix, textual: Matrix, information: float, alpha: float) -> float:
    """5.3a: minus the information, plus alpha times the mean squared distance."""
    distance = 0.0
    for image, text in zip(visual, textual, strict=True):
        distance += squared_distance(image, text) / len(visual)
    return -information + alpha * distance


def attention(vectors: Matrix, temperature: float) -> list[list[float]]:
    """A of 5.3b: each row the softmax of one item's likeness to all."""
    return [softmax([dot(vector, other) / temperature for other in vectors]) for vector in vectors]


def disagreement(first: Matrix, second: Matrix) -> float:
    """5.3b: the squared Frobenius norm of the difference of two maps."""
    return sum(squared_distance(a, b) for a, b in zip(first, second, strict=True))


def total(losses: Vector, weights: Vector) -> float:
    """5.3c: the task's loss, then the others times their weights, in the paper's order."""
    summed = losses[0]
    for loss, weight in zip(losses[1:], weights, strict=True):
        summed += weight * loss
    return summed
