"""Plain loops for `retrieval/ranking`, written from the papers' formulas."""

import math

Vector = list[float]


def dot(first: Vector, second: Vector) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


def unit(vector: Vector) -> Vector:
    length = math.sqrt(dot(vector, vector))
    return [value / length if length > 0 else 0.0 for value in vector]


def nearest(similarities: Vector, k: int) -> list[int]:
    """Places of the k largest, larger first, then lower place."""
    order = sorted(range(len(similarities)), key=lambda place: (-similarities[place], place))
    return order[:k]


def expanded_query_loop(
    query: Vector, database: list[Vector], semantic: int, k: int, alpha: float
) -> Vector:
    """Blockwise: what the query's block and its neighbours' blocks average to."""
    lengths = [math.sqrt(dot(block, block)) for block in (query[:semantic], query[semantic:])]
    similarities = [dot(query, stored) / sum(lengths) for stored in database]
    made: Vector = []
    for length, (start, stop) in zip(lengths, [(0, semantic), (semantic, len(query))], strict=True):
        block = unit(query[start:stop])
        for place in nearest(similarities, k):
            weight = max(0.0, similarities[place]) ** alpha
            for position in range(stop - start):
                block[position] += weight * database[place][start + position]
        made += [length * value for value in unit(block)]
    return made


def augmented_loop(
    database: list[Vector], semantic: int, omega: float, k: int, alpha: float
) -> list[Vector]:
    """Each image, averaged with the k others most like it."""
    a, b = math.sqrt(1 - omega), math.sqrt(omega)
    made = []
    for place, image in enumerate(database):
        asked = [
            value * (a if position < semantic else b) / (a + b)
            for position, value in enumerate(image)
        ]
        others = [other for other in range(len(database)) if other != place]
        similarities = [dot(asked, database[other]) for other in others]
        total = list(image)
        for chosen in nearest(similarities, k):
            weight = max(0.0, similarities[chosen]) ** alpha
            for position, value in enumerate(database[others[chosen]]):
                total[position] += weight * value
        made.append(unit(total[:semantic]) + unit(total[semantic:]))
    return made


def hubness_loop(image: Vector, texts: list[Vector], k: int, weight: float) -> float:
    largest = sorted((dot(image, text) for text in texts), reverse=True)[:k]
    return weight * sum(largest) / len(largest) if largest else 0.0


def reranked_loop(query: Vector, candidates: list[Vector], k: int, beta: float) -> Vector:
    """SuperGlobal: refined candidates, the query that pools the best, the mean of both products."""
    refined = []
    for place, candidate in enumerate(candidates):
        others = [other for other in range(len(candidates)) if other != place]
        similarities = [dot(candidate, candidates[other]) for other in others]
        total, weights = list(candidate), 1.0
        for chosen in nearest(similarities, k):
            weight = beta * similarities[chosen]
            weights += weight
            for position, value in enumerate(candidates[others[chosen]]):
                total[position] += weight * value
        refined.append([value / weights for value in total])
    first = [dot(query, each) for each in refined]
    pooled = [refined[place] for place in nearest(first, k + 1)]
    expanded = [max(values) for values in zip(*pooled, strict=True)]
    return [(one + dot(expanded, each)) / 2 for one, each in zip(first, refined, strict=True)]


def centred_loop(vectors: list[Vector], mean: Vector) -> list[Vector]:
    return [
        unit([value - middle for value, middle in zip(vector, mean, strict=True)])
        for vector in vectors
    ]
