"""Plain loops for spectrum.nexus: one image, a grid as rows of columns of vectors, section 3."""

import math
from collections.abc import Callable, Sequence

from tests.references.contrast import Vector, dot, softmax
from tests.references.harmony import Matrix

Grid = Sequence[Sequence[Vector]]
Spot = tuple[int, int]


def pooled(grid: Grid) -> list[float]:
    """g_pool: the mean over the tokens."""
    tokens = [token for row in grid for token in row]
    return [sum(column) / len(tokens) for column in zip(*tokens, strict=True)]


def window_width(grid: Grid, network: Callable[[Vector], float], low: float, high: float) -> float:
    """3.1b-d: what the network says of the pooled grid, clipped."""
    said = network(pooled(grid))
    if said < low:
        return low
    return high if said > high else said


def window(direction: str, token: Spot, grid: Grid, width: float, thickness: int) -> list[Spot]:
    """The tokens in the hard window of a token: near along its direction, and in the line."""
    found = []
    for y in range(len(grid)):
        for x in range(len(grid[0])):
            down, right = abs(y - token[0]), abs(x - token[1])
            along, across = right, down
            if direction == "vertical":
                along, across = down, right
            if direction == "diagonal":
                along, across = max(down, right), abs(down - right)
            if 2 * along < width and 2 * across < thickness:
                found.append((y, x))
    return found


def window_attention(queries: Grid, keys: Grid, token: Spot, places: Sequence[Spot]) -> list[float]:
    """The softmax of q . k / sqrt(d) over the tokens of one window."""
    query = queries[token[0]][token[1]]
    return softmax([dot(query, keys[y][x]) / math.sqrt(len(query)) for y, x in places])


def cross_windows(
    queries: Grid, keys: Grid, values: Grid, widths: Vector, thickness: int
) -> list[list[list[float]]]:
    """3.1a: for each token what its row, its column and its diagonals give it, in a row."""
    made = []
    for y in range(len(values)):
        row = []
        for x in range(len(values[0])):
            joined: list[float] = []
            for direction, width in zip(
                ("horizontal", "vertical", "diagonal"), widths, strict=True
            ):
                places = window(direction, (y, x), values, width, thickness)
                attention = window_attention(queries, keys, (y, x), places)
                output = [0.0] * len(values[0][0])
                for weight, (down, right) in zip(attention, places, strict=True):
                    for d, component in enumerate(values[down][right]):
                        output[d] += weight * component
                joined += output
            row.append(joined)
        made.append(row)
    return made


def dense_attention(queries: Matrix, keys: Matrix, values: Matrix) -> list[list[float]]:
    """Every token looks at every token."""
    made = []
    for query in queries:
        attention = softmax([dot(query, key) / math.sqrt(len(query)) for key in keys])
        made.append([dot(attention, column) for column in zip(*values, strict=True)])
    return made


def sparse_mask(
    attention: Matrix, threshold: float, relative: bool, keep_largest: bool
) -> list[list[float]]:
    """3.2a: 1 where an entry, or its share of the row's largest, is above the threshold."""
    mask = []
    for row in attention:
        kept = []
        for entry in row:
            compared = entry / max(row) if relative else entry
            above = compared > threshold or (keep_largest and entry == max(row))
            kept.append(1.0 if above else 0.0)
        mask.append(kept)
    return mask


def sparsity_threshold(attention: Matrix, network: Callable[[Vector], float]) -> float:
    """3.2b: the sigmoid of what the network says of the mean row, each over its largest."""
    profile = [0.0] * len(attention[0])
    for row in attention:
        for place, entry in enumerate(row):
            profile[place] += entry / max(row) / len(attention)
    return 1 / (1 + math.exp(-network(profile)))


def sparse_attention(attention: Matrix, mask: Matrix, renormalise: bool) -> list[list[float]]:
    """3.2c: entry times mask, and over the row's sum where asked."""
    made = []
    for row, kept in zip(attention, mask, strict=True):
        left = [entry * flag for entry, flag in zip(row, kept, strict=True)]
        if renormalise and sum(left) > 0:
            left = [entry / sum(left) for entry in left]
        made.append(left)
    return made


def coarser(grid: Grid, times: int) -> list[list[list[float]]]:
    """Means over the rows and columns that each part of the shorter side touches."""
    rows, columns = (math.ceil(side / times) for side in (len(grid), len(grid[0])))
    made = []
    for y in range(rows):
        tops = range(y * len(grid) // rows, math.ceil((y + 1) * len(grid) / rows))
        row = []
        for x in range(columns):
            width = len(grid[0])
            lefts = range(x * width // columns, math.ceil((x + 1) * width / columns))
            row.append(pooled([[grid[top][left] for left in lefts] for top in tops]))
        made.append(row)
    return made


def resized(grid: Grid, rows: int, columns: int) -> list[list[list[float]]]:
    """Resize of 3.3b: linear between the centres of equal parts, in both directions."""

    def parts(entering: int, leaving: int, at: int) -> list[tuple[int, float]]:
        centre = (at + 0.5) * entering / leaving - 0.5
        centre = min(max(centre, 0.0), entering - 1.0)
        below = math.floor(centre)
        above = min(below + 1, entering - 1)
        return [(below, 1 - (centre - below)), (above, centre - below)]

    made = []
    for y in range(rows):
        row = []
        for x in range(columns):
            token = [0.0] * len(grid[0][0])
            for down, weight in parts(len(grid), rows, y):
                for right, share in parts(len(grid[0]), columns, x):
                    for d, component in enumerate(grid[down][right]):
                        token[d] += weight * share * component
            row.append(token)
        made.append(row)
    return made


def fused_scales(
    finer: Grid, coarse: Grid, network: Callable[[Vector], Vector]
) -> list[list[list[float]]]:
    """3.3b: the network of each token with the coarser scale's token behind it."""
    fitted = resized(coarse, len(finer), len(finer[0]))
    made = []
    for own_row, other_row in zip(finer, fitted, strict=True):
        made.append(
            [list(network([*own, *other])) for own, other in zip(own_row, other_row, strict=True)]
        )
    return made


def hierarchical_windows(
    scales: Sequence[Grid],
    alphas: Vector,
    betas: Vector,
    networks: Sequence[Callable[[Vector], Vector]],
) -> list[list[list[float]]]:
    """3.3a: the scales times alpha, each two neighbours fused times beta, at the finest size."""
    rows, columns = len(scales[0]), len(scales[0][0])
    total = [[[0.0] * len(scales[0][0][0]) for _ in range(columns)] for _ in range(rows)]

    def add(grid: Grid, weight: float) -> None:
        fitted = resized(grid, rows, columns)
        for y in range(rows):
            for x in range(columns):
                for d, component in enumerate(fitted[y][x]):
                    total[y][x][d] += weight * component

    for scale, alpha in zip(scales, alphas, strict=True):
        add(scale, alpha)
    for s, (beta, network) in enumerate(zip(betas, networks, strict=True)):
        add(fused_scales(scales[s], scales[s + 1], network), beta)
    return total
