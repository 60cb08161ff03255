"""Plain loops for spectrum.stack, over Python floats, written from the paper's section 6."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

from tests.references.contrast import Vector, dot, softmax
from tests.references.harmony import Matrix


def integrated_features(layers: Sequence[Matrix], weights: Matrix) -> list[list[float]]:
    """6.1a: each image's vectors, one a layer, times that image's weight of the layer, summed."""
    integrated = []
    for image in range(len(weights)):
        summed = [0.0] * len(layers[0][image])
        for layer, weight in zip(layers, weights[image], strict=True):
            for place, value in enumerate(layer[image]):
                summed[place] += weight * value
        integrated.append(summed)
    return integrated


def layer_weights(logits: Matrix, takes_part: Sequence[bool]) -> list[list[float]]:
    """6.2a: the softmax over the layers that take part; the others have none of the weight."""
    made = []
    for row in logits:
        shares = iter(softmax([logit for logit, real in zip(row, takes_part, strict=True) if real]))
        made.append([next(shares) if real else 0.0 for real in takes_part])
    return made


def best_within(
    accuracies: Mapping[frozenset[str], float], costs: Mapping[frozenset[str], float], most: float
) -> frozenset[str]:
    """6.2b: of the subsets that cost no more than that, one that no other beats."""
    affordable = [subset for subset, cost in costs.items() if cost <= most]
    for subset in affordable:
        if all(accuracies[subset] >= accuracies[other] for other in affordable):
            return subset
    raise ValueError("nothing is affordable")


def frontier(
    accuracies: Mapping[frozenset[str], float], costs: Mapping[frozenset[str], float]
) -> set[frozenset[str]]:
    """What no other subset beats in one of cost and accuracy without losing in the other."""
    kept = set()
    for subset in accuracies:
        beaten = False
        for other in accuracies:
            no_worse = accuracies[other] >= accuracies[subset] and costs[other] <= costs[subset]
            better = accuracies[other] > accuracies[subset] or costs[other] < costs[subset]
            beaten = beaten or (no_worse and better)
        if not beaten:
            kept.add(subset)
    return kept


def subsets(names: Sequence[str]) -> list[frozenset[str]]:
    """Every subset, the empty one and the whole among them."""
    found = []
    for size in range(len(names) + 1):
        for members in combinations(names, size):
            found.append(frozenset(members))
    return found


def weighted_losses(losses: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """6.3a: sum of lambda_i L_i."""
    total = 0.0
    for name, loss in losses.items():
        total += weights[name] * loss
    return total


def module_loss(made: Matrix, captions: Sequence[Matrix], temperature: float) -> float:
    """6.3b: what each caption pays to find its image, and each image to find its captions."""
    images, count = len(made), sum(len(own) for own in captions)
    to_image = to_caption = 0.0
    for owner, own in enumerate(captions):
        for caption in own:
            found = softmax([dot(vector, caption) / temperature for vector in made])
            to_image -= math.log(found[owner]) / count
    everything = [caption for own in captions for caption in own]
    for image, vector in enumerate(made):
        masses = [math.exp(dot(vector, caption) / temperature) for caption in everything]
        for caption in captions[image]:
            share = math.exp(dot(vector, caption) / temperature) / sum(masses)
            to_caption -= math.log(share) / len(captions[image]) / images
    return (to_image + to_caption) / 2


def coupling_loss(first: Matrix, second: Matrix) -> float:
    """6.3c: 1 less the cosine of what two modules make of an image, on average."""
    total = 0.0
    for one, other in zip(first, second, strict=True):
        total += 1 - dot(one, other) / math.sqrt(dot(one, one) * dot(other, other))
    return total / len(first)


def coupled(readings: Sequence[Matrix]) -> float:
    """The mean of 6.3c over the pairs."""
    losses = [coupling_loss(one, other) for one, other in combinations(readings, 2)]
    return sum(losses) / len(losses)


def fine_tuning_loss(task: float, regulariser: float, weight: float) -> float:
    """6.3d: L_task + lambda_reg L_reg."""
    return task + weight * regulariser


def multitask_loss(
    tasks: Mapping[str, float], importances: Mapping[str, float], sharing: float, strength: float
) -> float:
    """6.3e: sum of alpha_t L_t, and beta times what makes the tasks share."""
    total = strength * sharing
    for name, loss in tasks.items():
        total += importances[name] * loss
    return total


def gate_sharing(task_logits: Sequence[Matrix]) -> float:
    """Omega of 6.3e: how far each task's logits are from the mean of the tasks, squared."""
    tasks, images, layers = len(task_logits), len(task_logits[0]), len(task_logits[0][0])
    total = 0.0
    for image in range(images):
        for layer in range(layers):
            said = [task_logits[task][image][layer] for task in range(tasks)]
            middle = sum(said) / tasks
            total += sum((value - middle) ** 2 for value in said) / tasks
    return total / (images * layers)


def hubness(images: Matrix, texts: Matrix, count: int) -> list[float]:
    """Half the mean of each image's `count` largest similarities to the texts."""
    told = []
    for image in images:
        similarities = sorted((dot(image, text) for text in texts), reverse=True)[:count]
        told.append(0.5 * sum(similarities) / len(similarities))
    return told


def nearest(anchors: Matrix, bank: Matrix, count: int, own: Sequence[int]) -> list[list[int]]:
    """Each anchor's nearest rows of the bank by inner product, itself left out; ties by row."""
    found = []
    for anchor, mine in zip(anchors, own, strict=True):
        others = [row for row in range(len(bank)) if row != mine]
        others.sort(key=lambda row: (-dot(anchor, bank[row]), row))
        found.append(others[:count])
    return found


def remembered(
    image: Vector, keys: Matrix, values: Matrix, temperature: float, own: int
) -> list[float]:
    """The descriptions of remembered images, each for its likeness, itself left out; unit."""
    length = math.sqrt(dot(image, image))
    others = [row for row in range(len(keys)) if row != own]
    logits = []
    for row in others:
        cosine = dot(image, keys[row]) / length / math.sqrt(dot(keys[row], keys[row]))
        logits.append(cosine / temperature)
    told = [0.0] * len(values[0])
    for share, row in zip(softmax(logits), others, strict=True):
        for place, value in enumerate(values[row]):
            told[place] += share * value
    size = math.sqrt(dot(told, told))
    return [value / size for value in told]
