"""Plain loops for `satipatthana/curriculum/losses.py`, written from section 5.3."""

import math

Rows = list[list[float]]


def mean_squared_error(guess: Rows, truth: Rows) -> float:
    total, count = 0.0, 0
    for guess_row, truth_row in zip(guess, truth, strict=True):
        for g, t in zip(guess_row, truth_row, strict=True):
            total += (g - t) ** 2
            count += 1
    return total / count


def cross_entropy(logits: Rows, classes: list[int]) -> float:
    total = 0.0
    for row, wanted in zip(logits, classes, strict=True):
        total -= math.log(math.exp(row[wanted]) / sum(math.exp(logit) for logit in row))
    return total / len(logits)


def samatha(
    state_t: Rows,
    state_tm1: Rows,
    guess: Rows,
    truth: Rows,
    guidance: float,
    recon_weight: float,
    guidance_weight: float,
) -> float:
    stability = 0.0
    for now, before in zip(state_t, state_tm1, strict=True):
        stability += sum((n - b) ** 2 for n, b in zip(now, before, strict=True))
    stability /= len(state_t)
    return stability + recon_weight * mean_squared_error(guess, truth) + guidance_weight * guidance


def binary_cross_entropy(scores: list[float], targets: list[float], weights: list[float]) -> float:
    total = 0.0
    for score, target, weight in zip(scores, targets, weights, strict=True):
        total -= weight * (target * math.log(score) + (1 - target) * math.log(1 - score))
    return total / sum(weights) if sum(weights) else 0.0


def vipassana(
    scores: tuple[list[float], list[float], list[float]], targets: list[float], weights: Rows
) -> list[float]:
    """The terms of trust, conformity and confidence; `weights` a row for each score."""
    return [
        binary_cross_entropy(each, targets, weight)
        for each, weight in zip(scores, weights, strict=True)
    ]
