"""NEXUS 3.1: attention in windows along rows, columns and diagonals."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import lowest, require_shape

Direction = Literal["horizontal", "vertical", "diagonal"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

MATRIX_TOKENS = 100
"""Up to so many tokens of a grid, the matrix of all pairs is faster than places one by one."""


class Place(NamedTuple):
    """One place of a window, seen from the window's own token."""

    down: int
    """Rows below it, above where negative."""
    right: int
    """Columns right of it, left where negative."""
    distance: int
    """How far it lies along the window's direction; >= 0."""


@cache
def window_places(direction: Direction, widest: float, thickness: int) -> tuple[Place, ...]:
    """The places that a window of a direction may hold, from the top left.

    A place belongs where its distance along the direction is below widest / 2 and that across it
    below thickness / 2. Diagonal windows are both diagonals: along them |down| and |right| are
    equal, their larger is the distance and their difference lies across.
    """
    reach = math.ceil(max(widest, thickness) / 2) - 1
    found = []
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            vertical, horizontal = abs(down), abs(right)
            along, across = {
                "horizontal": (horizontal, vertical),
                "vertical": (vertical, horizontal),
                "diagonal": (max(vertical, horizontal), abs(vertical - horizontal)),
            }[direction]
            if along < widest / 2 and across < thickness / 2:
                found.append(Place(down, right, along))
    return tuple(found)


def views(
    grid: Shaped[Tensor, "B Y X D"], places: Sequence[Place]
) -> Iterator[Shaped[Tensor, "B Y X D"]]:
    """For each place the grid as every token sees it there, 0 beyond the border; nothing is copied.

    The grids of all places, stacked, are the windows; that of the token's own is the grid.
    """
    rows, columns = grid.shape[1:3]
    down, right = (max(abs(place[axis]) for place in places) for axis in (0, 1))
    padded = functional.pad(grid, (0, 0, right, right, down, down))
    for place in places:
        top, left = down + place.down, right + place.right
        yield padded[:, top : top + rows, left : left + columns]


@lru_cache(maxsize=64)
def inside(rows: int, columns: int, places: tuple[Place, ...]) -> Bool[Tensor, "Y X W"]:
    """Whether a token's place lies on the grid. Kept for the next call, not to be written to."""
    with torch.inference_mode(False):  # or training could not use what is kept
        ones = torch.ones(1, rows, columns, 1)
        return torch.stack([seen[0, ..., 0] > 0 for seen in views(ones, places)]).movedim(0, -1)


@lru_cache(maxsize=64)
def pair_numbers(rows: int, columns: int, places: tuple[Place, ...]) -> Int[Tensor, "W Y X"]:
    """Where a matrix of all pairs of tokens, row after row, holds a token and its place.

    Beyond the border it is the number after the matrix's last. Kept as `inside` is.
    """
    tokens = rows * columns
    with torch.inference_mode(False):
        numbers = torch.arange(tokens).reshape(1, rows, columns, 1)
        seen = torch.stack([view[0, ..., 0] for view in views(numbers, places)])
        pairs = numbers[0, ..., 0] * tokens + seen
        return pairs.where(inside(rows, columns, places).movedim(-1, 0), tokens**2)


def window_width(
    grid: Float[Tensor, "B Y X C"],
    network: Callable[[Tensor], Tensor],
    narrowest: float,
    widest: float,
) -> Float[Tensor, " B"]:
    r"""How long the windows of one direction are in each image, in places.

    NEXUS 3.1b:  w_h = clip( f_h(g_pool(X)), w_min, w_max )
    NEXUS 3.1c:  w_v = clip( f_v(g_pool(X)), w_min, w_max )
    NEXUS 3.1d:  w_d = clip( f_d(g_pool(X)), w_min, w_max )

        paper    here        shape
        X        grid        B Y X C
        g_pool               the mean over the tokens
        f        network     B C -> B 1, one for each direction
        w_min    narrowest   >= 1
        w_max    widest      >= w_min
        w        returned    B    real numbers

    ValueError where the network does not make one number an image.
    Departure: none. Outside its limits f gets no gradient.
    Reference loop: tests/references/nexus.py
    """
    said = network(grid.mean(dim=(1, 2)))
    require_shape(said, "network(g_pool(X))", (len(grid), 1))
    return said.squeeze(-1).clamp(narrowest, widest)


def band(
    widths: Float[Tensor, " B"], places: Sequence[Place], softness: float | None
) -> Float[Tensor, "B W"]:
    """How much of each place a window of real-valued width holds: in [0, 1], and 1 of its own.

    A place is in where its distance is below half the width: 1 or 0. With a softness the border is
    a sigmoid over that many places, so that widths get gradient.
    """
    distances = widths.new_tensor([place.distance for place in places])
    room = widths[:, None] / 2 - distances
    if softness is None:
        return (room > 0).to(widths.dtype)
    return torch.where(distances > 0, (room / softness).sigmoid(), torch.ones_like(room))


def window_products(
    queries: Float[Tensor, "B Y X D"], keys: Float[Tensor, "B Y X D"], places: Sequence[Place]
) -> Float[Tensor, "B Y X W"]:
    """q . k / sqrt(d) of each token and those of its window; anything beyond the grid's border."""
    _, rows, columns, width = queries.shape
    if rows * columns > MATRIX_TOKENS:
        seen = [torch.linalg.vecdot(queries, view) for view in views(keys, places)]
        products = torch.stack(seen, dim=1)
    else:
        pairs = (queries.flatten(1, 2) @ keys.flatten(1, 2).mT).flatten(1)
        numbers = pair_numbers(rows, columns, tuple(places)).clamp(max=pairs.shape[1] - 1)
        chosen = pairs.index_select(1, numbers.flatten().to(pairs.device))
        products = chosen.reshape(-1, len(places), rows, columns)
    return (products / math.sqrt(width)).movedim(1, -1)


def window_softmax(
    products: Float[Tensor, "B Y X W"], places: Sequence[Place], held: Float[Tensor, "B W"]
) -> Float[Tensor, "B Y X W"]:
    """Attention of `window_attention`, from its products."""
    require_shape(held, "held", (len(products), len(places)))
    share = held[:, :, None, None]
    logits = products.movedim(-1, 1) + share.clamp(min=torch.finfo(held.dtype).tiny).log()
    on_grid = inside(*products.shape[1:3], tuple(places)).movedim(-1, 0).to(products.device)
    seen_not = (share == 0) | ~on_grid
    # With the places before the grid, since a softmax over the last few numbers is slow.
    return logits.masked_fill(seen_not, lowest(logits.dtype)).softmax(dim=1).movedim(1, -1)


def window_attention(
    queries: Float[Tensor, "B Y X D"],
    keys: Float[Tensor, "B Y X D"],
    places: Sequence[Place],
    held: Float[Tensor, "B W"],
) -> Float[Tensor, "B Y X W"]:
    r"""How each token spreads its attention over the places of its window; rows sum to 1.

    A = softmax over the window of q . k / sqrt(d), each place times the share of it that is held
    (by `band`). A place that is not held, or beyond the grid's border, has weight 0.
    ValueError where there is not one share a place.
    """
    require_shape(held, "held", (len(queries), len(places)))
    return window_softmax(window_products(queries, keys, places), places, held)


def window_sums(
    attention: Float[Tensor, "B Y X W"], values: Float[Tensor, "B Y X D"], places: Sequence[Place]
) -> Float[Tensor, "B Y X D"]:
    """What each token gets from its window: the sum of A over the values there."""
    images, rows, columns, _ = values.shape
    tokens = rows * columns
    if tokens > MATRIX_TOKENS:
        made = torch.zeros_like(values)
        for weight, seen in zip(attention.unbind(dim=-1), views(values, places), strict=True):
            made = torch.addcmul(made, weight[..., None], seen)
        return made
    # One number past the matrix takes what lies beyond the border.
    numbers = pair_numbers(rows, columns, tuple(places)).flatten().to(values.device)
    pairs = attention.new_zeros(images, tokens**2 + 1)
    pairs = pairs.index_copy(1, numbers, attention.movedim(-1, 1).flatten(1))
    matrix = pairs[:, :-1].reshape(images, tokens, tokens)
    return (matrix @ values.flatten(1, 2)).reshape(values.shape)


def window_parts(
    attention: Float[Tensor, "B Y X W"], weights: Float[Tensor, "Y X"], places: Sequence[Place]
) -> Float[Tensor, "B Y X"]:
    """How much of each token there is in a weighted sum, over the grid, of `window_sums`."""
    backwards = [Place(-place.down, -place.right, place.distance) for place in places]
    seen = views(attention * weights[..., None], backwards)
    return torch.stack([view[..., number] for number, view in enumerate(seen)]).sum(dim=0)


def cross_windows(
    attentions: Sequence[Float[Tensor, "B Y X _"]],
    values: Float[Tensor, "B Y X D"],
    places: Sequence[Sequence[Place]],
) -> Float[Tensor, "B Y X 3*D"]:
    r"""What each token gets from its row, its column and its diagonals, side by side.

    NEXUS 3.1a:  CW(X) = [CW_h(X); CW_v(X); CW_d(X)],   CW_.(X)_n = sum_m A.sparse_nm V_m

        paper      here         shape
        X          values       B Y X D    what the tokens give
        A.sparse   attentions   B Y X W, one of each direction in the order of `DIRECTIONS`
                   places       W each, by `window_places`
        CW         returned     B Y X 3D

    ValueError where there are not three directions, or an attention has not one number a place.
    Departure: none. The paper does not say what a window operation is: read as attention among the
    places of the window.  Reference loop: tests/references/nexus.py
    """
    if not len(attentions) == len(places) == len(DIRECTIONS):
        raise ValueError(
            f"{len(attentions)} attentions and {len(places)} lists of places: give one of each for "
            f"each of {', '.join(DIRECTIONS)}"
        )
    for direction, attention, held in zip(DIRECTIONS, attentions, places, strict=True):
        require_shape(attention, f"{direction} attention", (*values.shape[:3], len(held)))
    made = [window_sums(*pair) for pair in zip(attentions, [values] * 3, places, strict=True)]
    return torch.cat(made, dim=-1)
