"""Plain loops for satipatthana.samatha, over Python floats, from sections 4.3, 4.4 and 5.1."""

import math
from collections.abc import Sequence

from tests.references.contrast import Vector, dot, softmax
from tests.references.harmony import squared_distance

Matrix = Sequence[Vector]


def state_update(state: Vector, refined: Vector, beta: float) -> list[float]:
    """5.1a for one sample."""
    return [(1 - beta) * s + beta * phi for s, phi in zip(state, refined, strict=True)]


def effective_lipschitz(beta: float, lipschitz: float) -> float:
    """5.1b."""
    return (1 - beta) + beta * lipschitz


def has_settled(state: Vector, state_tm1: Vector, threshold: float) -> bool:
    """5.1c for one sample: strictly less than the threshold."""
    return math.sqrt(squared_distance(state, state_tm1)) < threshold


def squared_distances(states: Matrix, probes: Matrix) -> list[list[float]]:
    """4.3a."""
    return [[squared_distance(state, probe) for probe in probes] for state in states]


def resonance(states: Matrix, probes: Matrix, temperatures: Vector) -> list[list[float]]:
    """4.3b, with a temperature for each sample."""
    rows = []
    for state, temperature in zip(states, temperatures, strict=True):
        width = len(state)
        rows.append(softmax([-squared_distance(state, p) / (width * temperature) for p in probes]))
    return rows


def product(matrix: Matrix, vector: Vector) -> list[float]:
    return [dot(row, vector) for row in matrix]


def initial_state(
    z: Vector, winner_probe: Vector, query_weight: Matrix, key_weight: Matrix
) -> list[float]:
    """4.3c for one sample."""
    query = product(query_weight, winner_probe)
    logits = [
        dot(query, product(key_weight, item)) / math.sqrt(len(z)) for item in (z, winner_probe)
    ]
    for_z, for_probe = softmax(logits)
    return [for_z * a + for_probe * b for a, b in zip(z, winner_probe, strict=True)]


def refined(
    state: Vector,
    z: Vector,
    mixture: Vector,
    weights: tuple[Matrix, Matrix, Matrix, Matrix],
    bias: Vector,
    lipschitz: float,
) -> list[float]:
    """Phi(S; z) for one sample; the weights are W_2, W_s, W_z and W_m."""
    output, from_state, from_z, from_mixture = weights
    hidden = []
    for unit, offset in enumerate(bias):
        total = dot(from_state[unit], state) + offset
        total += dot(from_z[unit], z) + dot(from_mixture[unit], mixture)
        hidden.append(math.tanh(total))
    return [a + lipschitz * dot(row, hidden) for a, row in zip(z, output, strict=True)]


def steps_until_settled(moves: Vector, threshold: float, min_steps: int, max_steps: int) -> int:
    """How many moves a sample makes whose moves have these lengths."""
    for step in range(max_steps):
        if moves[step] < threshold and step + 1 >= min_steps:
            return step + 1
    return max_steps
