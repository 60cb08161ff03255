"""Plain loops for spectrum.oracle: one image, real objects only, from the paper's section 4."""

import math
from collections.abc import Callable, Sequence

from tests.references.contrast import Vector, dot, softmax
from tests.references.harmony import Matrix
from tests.references.nexus import Grid

SAMPLES = 60
"""Points along each side of a box, of the mean under it taken point by point."""


def box_mean(grid: Grid, box: Vector) -> list[float]:
    """The mean of the tokens that many points of a box fall on."""
    total = [0.0] * len(grid[0][0])
    left, top, right, bottom = box
    for i in range(SAMPLES):
        y = int((top + (bottom - top) * (i + 0.5) / SAMPLES) * len(grid))
        for j in range(SAMPLES):
            x = int((left + (right - left) * (j + 0.5) / SAMPLES) * len(grid[0]))
            for c, component in enumerate(grid[y][x]):
                total[c] += component / SAMPLES**2
    return total


def object_features(
    grid: Grid, boxes: Matrix, network: Callable[[Vector], Vector]
) -> list[list[float]]:
    """4.1a: the network of what is under each box."""
    return [list(network(box_mean(grid, box))) for box in boxes]


def object_attention(queries: Matrix, keys: Matrix) -> list[list[float]]:
    """4.1b: the softmax over l of Q_k . K_l / sqrt(d)."""
    return [softmax([dot(query, key) / math.sqrt(len(query)) for key in keys]) for query in queries]


def hierarchical_features(
    image: Vector, objects: Matrix, weights: Vector, alpha: float
) -> list[float]:
    """4.1c: alpha times the image, and the rest of its objects by their importance."""
    if not objects:
        return list(image)
    made = []
    for d, component in enumerate(image):
        within = sum(weight * thing[d] for weight, thing in zip(weights, objects, strict=True))
        made.append(alpha * component + (1 - alpha) * within)
    return made


def cosine(first: Vector, second: Vector) -> float:
    return dot(first, second) / math.sqrt(dot(first, first) * dot(second, second))


def overlap(first: Vector, second: Vector) -> float:
    """Intersection over union."""
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return width * height / (sum(areas) - width * height)


def pair_relations(objects: Matrix, boxes: Matrix) -> list[list[list[float]]]:
    """R_kl: likeness, where l lies from k, how much larger it is, overlap, and whether it is k."""
    made = []
    for k, (own, box) in enumerate(zip(objects, boxes, strict=True)):
        row = []
        for j, (other, there) in enumerate(zip(objects, boxes, strict=True)):
            places, sizes = [], []
            for low, high in ((0, 2), (1, 3)):
                side, theirs = box[high] - box[low], there[high] - there[low]
                away = ((there[low] + there[high]) / 2 - (box[low] + box[high]) / 2) / side
                places.append(math.copysign(math.log(1 + abs(away)), away) if away else 0.0)
                sizes.append(math.log(theirs / side))
            same = 1.0 if j == k else 0.0
            row.append([cosine(own, other), *places, *sizes, overlap(box, there), same])
        made.append(row)
    return made


def object_branch(
    objects: Matrix, attention: Matrix, network: Callable[[Vector], Vector]
) -> list[list[float]]:
    """4.2a: the network of the objects, summed by each object's attention."""
    made = []
    for row in attention:
        made.append(list(network([dot(row, column) for column in zip(*objects, strict=True)])))
    return made


def relation_branch(
    relations: Sequence[Matrix], network: Callable[[Vector], Vector]
) -> list[list[float]]:
    """4.2b: the mean of what the network says of each relation of an object."""
    made = []
    for row in relations:
        said = [network(relation) for relation in row]
        made.append([sum(column) / len(said) for column in zip(*said, strict=True)])
    return made


def exchanged_branches(
    things: Matrix,
    relations: Matrix,
    gammas: Vector,
    networks: Sequence[Callable[[Vector], Vector]],
) -> tuple[list[list[float]], list[list[float]]]:
    """4.2c and 4.2d: each branch plus gamma times the network of both, itself in front."""
    new_things, new_relations = [], []
    for thing, relation in zip(things, relations, strict=True):
        told = networks[0]([*thing, *relation])
        new_things.append([a + gammas[0] * b for a, b in zip(thing, told, strict=True)])
        told = networks[1]([*relation, *thing])
        new_relations.append([a + gammas[1] * b for a, b in zip(relation, told, strict=True)])
    return new_things, new_relations


def context_weights(
    scores: Matrix, neighbours: Sequence[Sequence[int]], tau: float
) -> list[list[float]]:
    """4.3b: e^{s_kl / tau} over the sum of those of N(k); 0 for the others."""
    made = []
    for row, near in zip(scores, neighbours, strict=True):
        total = sum(math.exp(row[j] / tau) for j in near)
        made.append(
            [math.exp(score / tau) / total if j in near else 0.0 for j, score in enumerate(row)]
        )
    return made


def context_features(weights: Matrix, objects: Matrix) -> list[list[float]]:
    """4.3a: the sum of the objects by each row's weights."""
    return [[dot(row, column) for column in zip(*objects, strict=True)] for row in weights]


def balanced_context(local: Matrix, wide: Matrix, beta: float) -> list[list[float]]:
    """4.3c: beta times the one and 1 - beta times the other."""
    mixed = []
    for first, second in zip(local, wide, strict=True):
        mixed.append([beta * a + (1 - beta) * b for a, b in zip(first, second, strict=True)])
    return mixed
