"""Plain loops for the sizes of frames and the resampling of grids, over Python floats."""

import math
from collections.abc import Sequence


def at(values: Sequence[float], centre: float) -> float:
    """A row of values read between its places, whose centres are 0, 1, 2 and so on."""
    last = len(values) - 1
    if centre <= 0:
        return values[0]
    if centre >= last:
        return values[last]
    left = math.floor(centre)
    return values[left] + (centre - left) * (values[left + 1] - values[left])


def resampled(grid: Sequence[Sequence[float]], rows: int, columns: int) -> list[list[float]]:
    """A grid read at the centres of `rows` x `columns` equal parts."""
    height, width = len(grid), len(grid[0])
    made = []
    for row in range(rows):
        down = (row + 0.5) * height / rows - 0.5
        line = [
            at([grid[place][column] for place in range(height)], down) for column in range(width)
        ]
        made.append([at(line, (column + 0.5) * width / columns - 0.5) for column in range(columns)])
    return made
