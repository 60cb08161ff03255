"""The lexicon's reading of a text and its loss, as plain loops."""

import math
from collections.abc import Sequence


def reading(
    words: Sequence[str],
    rows: dict[str, list[float]],
    basis: list[list[float]],
    share: float,
) -> list[float]:
    """lambda c U / |U| of a text's different words."""
    width = len(basis[0])

    def direction(row: list[float]) -> list[float]:
        return [sum(row[i] * basis[i][j] for i in range(len(row))) for j in range(width)]

    def length(vector: list[float]) -> float:
        return math.sqrt(sum(x * x for x in vector))

    usual = sum(length(direction(row)) for row in rows.values()) / len(rows)
    total, told, all_told = [0.0] * width, 0.0, 0.0
    for word in words:
        if word not in rows:
            all_told += usual
            continue
        moved = direction(rows[word])
        total = [a + b for a, b in zip(total, moved, strict=True)]
        told += length(moved)
        all_told += length(moved)
    if length(total) == 0:
        return [0.0] * width
    return [share * told / all_told * x / length(total) for x in total]


def both_ways(logits: list[list[float]]) -> float:
    """InfoNCE of texts (rows) and images (columns); row t belongs to image t mod N."""
    texts, images = len(logits), len(logits[0])
    found = 0.0
    for t in range(texts):
        total = sum(math.exp(x) for x in logits[t])
        found -= math.log(math.exp(logits[t][t % images]) / total) / texts
    told = 0.0
    for n in range(images):
        total = sum(math.exp(logits[t][n]) for t in range(texts))
        right = sum(math.exp(logits[t][n]) for t in range(texts) if t % images == n)
        told -= math.log(right / total) / images
    return found + told


def probe_equation(
    words: list[list[float]], sentences: list[list[float]], ridge: float
) -> tuple[list[list[float]], list[float]]:
    """The matrix and the right side of the equation that a sentence probe's weights solve."""
    texts = [(row, 0.0, 0.5 / len(words)) for row in words]
    texts += [(row, 1.0, 0.5 / len(sentences)) for row in sentences]
    width = len(texts[0][0])
    mean = [sum(share * row[i] for row, _, share in texts) for i in range(width)]
    left = [[0.0] * width for _ in range(width)]
    right = [0.0] * width
    for row, label, share in texts:
        away = [row[i] - mean[i] for i in range(width)]
        for i in range(width):
            right[i] += share * away[i] * (label - 0.5)
            for j in range(width):
                left[i][j] += share * away[i] * away[j]
    variance = sum(left[i][i] for i in range(width)) / width
    for i in range(width):
        left[i][i] += ridge * variance
    return left, right
