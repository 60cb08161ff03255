"""Plain loops for satipatthana.vipassana, over Python floats, from the specification's 4.6, 5.2."""

import math
from collections.abc import Callable, Sequence

from tests.references.contrast import Vector, softmax

States = Sequence[Vector]
"""One sample's S_0 to S_n, and nothing behind it."""


def distance(first: Vector, second: Vector) -> float:
    total = 0.0
    for a, b in zip(first, second, strict=True):
        total += (a - b) * (a - b)
    return math.sqrt(total)


def velocity(states: States) -> float:
    """4.6a: log1p of the last move's length."""
    if len(states) == 1:
        return 0.0
    return math.log(1 + distance(states[-1], states[-2]))


def avg_energy(states: States) -> float:
    """4.6b: log1p of the mean squared length of a move."""
    if len(states) == 1:
        return 0.0
    total = 0.0
    for before, after in zip(states, states[1:], strict=False):
        total += distance(before, after) ** 2
    return math.log(1 + total / (len(states) - 1))


def convergence_steps(states: States, max_steps: int) -> float:
    """4.6c: moves over the most moves allowed."""
    return (len(states) - 1) / max_steps if max_steps else 0.0


def nearest(state: Vector, probes: Sequence[Vector]) -> float:
    """4.6d and 4.6f: log1p of the distance to the nearest probe."""
    return math.log(1 + min(distance(state, probe) for probe in probes))


def entropy(state: Vector, probes: Sequence[Vector], temperature: float) -> float:
    """4.6e: minus the sum of p log p; p falls with the squared distance per dimension."""
    width = len(state)
    shares = softmax([-(distance(state, probe) ** 2) / (width * temperature) for probe in probes])
    total = 0.0
    for share in shares:
        if share > 0:
            total -= share * math.log(share)
    return total


def drift_magnitude(s_star: Vector, s_0: Vector) -> float:
    """4.6g: log1p of the distance from start to end."""
    return math.log(1 + distance(s_star, s_0))


def recon_error(error: float) -> float:
    """4.6h."""
    return math.log(1 + error)


def context_vector(h_dynamic: Vector, h_static: Vector) -> list[float]:
    """5.2a."""
    return [*h_dynamic, *h_static]


def score(numbers: Vector, head: Callable[[Vector], float]) -> float:
    """5.2b, c, d: the logistic function of the head's number."""
    return 1 / (1 + math.exp(-head(numbers)))


def score_target(path: str, severity: float) -> float:
    """5.2e: the specification's list of targets."""
    targets = {"clean": 1.0, "augmented": 1.0 - severity}
    for zero in ("mismatch", "drunk", "void"):
        targets[zero] = 0.0
    return targets[path]


def h_static(
    metrics: Vector,
    middle: Vector,
    scale: Vector,
    sign: Vector,
    weights: Sequence[Vector],
    biases: Vector,
) -> list[float]:
    """The monotone projection: softplus of non-negative sums of metrics turned bad-way-up."""
    bad = [s * (m - c) / w for m, c, w, s in zip(metrics, middle, scale, sign, strict=True)]
    units = []
    for row, bias in zip(weights, biases, strict=True):
        total = bias
        for weight, number in zip(row, bad, strict=True):
            total += abs(weight) * number
        units.append(math.log(1 + math.exp(total)))
    return units


def share_higher(clean: Vector, void: Vector) -> float:
    """AUROC by its definition: pairs in which the void is higher, ties half."""
    wins = 0.0
    for known in clean:
        for unknown in void:
            wins += 1.0 if unknown > known else 0.5 if unknown == known else 0.0
    return wins / (len(clean) * len(void))


def gru(steps: Sequence[Vector], weights: dict[str, list[list[float]]]) -> list[float]:
    """A gated recurrent unit (Cho et al., arXiv:1406.1078, as torch arranges it), from zero.

    `weights`: input and hidden matrices (rows reset, update, candidate), and their biases.
    """
    width = len(weights["hidden"][0])
    state = [0.0] * width
    for step in steps:

        def row(kind: str, i: int, vector: Vector) -> float:
            total = weights[f"{kind}_bias"][0][i]
            for weight, number in zip(weights[kind][i], vector, strict=True):
                total += weight * number
            return total

        def sigmoid(number: float) -> float:
            return 1 / (1 + math.exp(-number))

        new = []
        for i in range(width):
            reset = sigmoid(row("input", i, step) + row("hidden", i, state))
            update = sigmoid(row("input", width + i, step) + row("hidden", width + i, state))
            candidate = math.tanh(
                row("input", 2 * width + i, step) + reset * row("hidden", 2 * width + i, state)
            )
            new.append((1 - update) * candidate + update * state[i])
        state = new
    return state
