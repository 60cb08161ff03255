"""Plain loops for `retrieval/ranking/intent.py`, written from its formulas."""


def intended_query_loop(features: list[float], moved: list[float], strength: float) -> list[float]:
    made = []
    for own, other in zip(features, moved, strict=True):
        made.append(own + strength * other)
    return made


def value_contrast_loop(values: list[list[float]], chosen: int) -> list[float]:
    made = []
    for axis in range(len(values[0])):
        mean = sum(value[axis] for value in values) / len(values)
        made.append(values[chosen][axis] - mean)
    return made


def profile_similarity_loop(
    values: list[list[float]], one: list[float], other: list[float], mean: list[float]
) -> float:
    """How alike two images answer the values: the second one as it is stored."""
    total = 0.0
    for chosen in range(len(values)):
        contrast = value_contrast_loop(values, chosen)
        first = sum(c * (s - m) for c, s, m in zip(contrast, one, mean, strict=True))
        second = sum(c * s for c, s in zip(contrast, other, strict=True))
        total += first * second
    return total
