"""NEXUS 3.1 against its loops, and what windows promise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spectrum.nexus import windows
from spectrum.nexus.windows import (
    DIRECTIONS,
    Direction,
    band,
    cross_windows,
    views,
    window_attention,
    window_parts,
    window_places,
    window_sums,
    window_width,
)
from tests.references import nexus as loops
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.nexus.grids import tensor


def crossed(
    queries: Tensor, keys: Tensor, values: Tensor, widths: list[Tensor], thickness: int = 1
) -> Tensor:
    """CW with hard windows, at most 9 places long."""
    places = [window_places(direction, 9.0, thickness) for direction in DIRECTIONS]
    attentions = [
        window_attention(queries, keys, held, band(width, held, None))
        for held, width in zip(places, widths, strict=True)
    ]
    return cross_windows(attentions, values, places)


def test_a_width_equals_the_loop_and_is_clipped() -> None:
    grid = normal(11, 3, 5, 7, seed=1)
    made = window_width(grid, lambda pooled: 2 + 3 * pooled.sum(dim=1, keepdim=True), 1.0, 3.0)
    looped = [
        loops.window_width(image, lambda pooled: 2 + 3 * sum(pooled), 1.0, 3.0)
        for image in grid.tolist()
    ]
    torch.testing.assert_close(made, tensor(looped))
    assert {1.0, 3.0} < set(made.tolist())


@pytest.mark.parametrize("matrix_tokens", [14, 15], ids=["place by place", "all pairs"])
@pytest.mark.parametrize("thickness", [1, 3])
def test_cross_windows_equal_the_loop(
    thickness: int, matrix_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image with windows of its own lengths, real-valued ones; a grid small and large."""
    monkeypatch.setattr(windows, "MATRIX_TOKENS", matrix_tokens)
    queries, keys, values = (normal(2, 3, 5, 7, seed=seed) for seed in (1, 2, 3))
    widths = [tensor([3.0, 1.0]), tensor([4.7, 6.1]), tensor([2.9, 8.0])]
    made = crossed(queries, keys, values, widths, thickness)
    for b in range(2):
        looped = loops.cross_windows(
            queries[b].tolist(),
            keys[b].tolist(),
            values[b].tolist(),
            [width[b].item() for width in widths],
            thickness,
        )
        torch.testing.assert_close(made[b], tensor(looped))


def test_full_windows_are_dense_attention() -> None:
    """As long and as thick as the grid allows: each direction then sees every token once."""
    queries, keys, values = (normal(2, 3, 5, 7, seed=seed) for seed in (1, 2, 3))
    for direction in DIRECTIONS:
        places = window_places(direction, 10.0, 10)
        held = band(tensor([10.0, 10.0]), places, None)
        made = window_sums(window_attention(queries, keys, places, held), values, places)
        for b in range(2):
            tokens = [each[b].flatten(0, 1).tolist() for each in (queries, keys, values)]
            looped = tensor(loops.dense_attention(*tokens))
            torch.testing.assert_close(made[b].flatten(0, 1), looped)


def test_full_windows_of_one_row_are_dense_attention() -> None:
    """Lines of thickness 1 are enough where the grid is a line."""
    queries, keys, values = (normal(1, 1, 5, 7, seed=seed) for seed in (1, 2, 3))
    places = window_places("horizontal", 9.0, 1)
    attention = window_attention(queries, keys, places, band(tensor([9.0]), places, None))
    tokens = [each[0, 0].tolist() for each in (queries, keys, values)]
    made = window_sums(attention, values, places)
    torch.testing.assert_close(made[0, 0], tensor(loops.dense_attention(*tokens)))


@pytest.mark.parametrize("softness", [None, 1e-3])
def test_a_token_in_a_window_of_one_is_attended_by_itself_only(softness: float | None) -> None:
    queries, keys, values = (normal(2, 3, 5, 7, seed=seed) for seed in (1, 2, 3))
    for direction in DIRECTIONS:
        places = window_places(direction, 7.0, 1)
        attention = window_attention(
            queries, keys, places, band(tensor([1.0, 1.0]), places, softness)
        )
        assert attention.sum(dim=-1).unique().tolist() == [1]
        assert torch.equal(window_sums(attention, values, places), values)
    alone = [tensor([1.0, 1.0])] * 3
    made = crossed(queries, keys, values, alone)
    assert torch.equal(made, torch.cat([values] * 3, dim=-1))


def test_to_split_and_to_merge_is_the_identity() -> None:
    """The token's own place of each window, put together, is the grid."""
    grid = normal(2, 3, 5, 7, seed=1)
    for direction in DIRECTIONS:
        places = window_places(direction, 5.0, 3)
        split = list(views(grid, places))
        (own,) = [number for number, place in enumerate(places) if place[:2] == (0, 0)]
        assert torch.equal(split[own], grid)
        for place, seen in zip(places, split, strict=True):
            there = 0 <= 1 + place.down < 3 and 0 <= 2 + place.right < 5
            expected = grid[:, 1 + place.down, 2 + place.right] if there else torch.zeros(2, 7)
            assert seen[:, 1, 2].tolist() == expected.tolist()


@pytest.mark.parametrize("matrix_tokens", [14, 15], ids=["place by place", "all pairs"])
def test_what_lies_beyond_the_border_gives_nothing(
    matrix_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where an attention has a weight there."""
    monkeypatch.setattr(windows, "MATRIX_TOKENS", matrix_tokens)
    places = window_places("diagonal", 3.0, 1)
    made = window_sums(torch.ones(1, 3, 5, 5).double(), torch.ones(1, 3, 5, 2).double(), places)
    assert made[0, ..., 0].tolist() == [[2, 3, 3, 3, 2], [3, 5, 5, 5, 3], [2, 3, 3, 3, 2]]


def test_a_weighted_sum_of_windows_is_one_of_their_tokens() -> None:
    attention, values = normal(2, 3, 5, 13, seed=1), normal(2, 3, 5, 7, seed=2)
    places, weights = window_places("diagonal", 7.0, 1), normal(3, 5, seed=3)
    parts = window_parts(attention, weights, places)
    made = torch.einsum("byx,byxd->bd", parts, values)
    sums = window_sums(attention, values, places)
    torch.testing.assert_close(made, torch.einsum("yx,byxd->bd", weights, sums))


def test_views_copy_the_grid_once() -> None:
    """All windows together hold no memory but one padded grid."""
    seen = list(views(normal(2, 3, 5, 7, seed=1), window_places("diagonal", 7.0, 1)))
    assert len(seen) == 13
    assert len({view.untyped_storage().data_ptr() for view in seen}) == 1


@pytest.mark.parametrize(
    ("direction", "widest", "thickness", "found"),
    [
        ("horizontal", 1.0, 1, {(0, 0)}),
        ("horizontal", 3.0, 1, {(0, -1), (0, 0), (0, 1)}),
        ("vertical", 2.0, 1, {(0, 0)}),
        ("vertical", 2.5, 1, {(-1, 0), (0, 0), (1, 0)}),
        ("diagonal", 3.0, 1, {(-1, -1), (-1, 1), (0, 0), (1, -1), (1, 1)}),
        ("horizontal", 1.0, 3, {(-1, 0), (0, 0), (1, 0)}),
    ],
)
def test_worked_windows(
    direction: Direction, widest: float, thickness: int, found: set[tuple[int, int]]
) -> None:
    assert {place[:2] for place in window_places(direction, widest, thickness)} == found


def test_a_worked_attention() -> None:
    """A row 0, log 3, 0 as keys and ones as queries; the border token has one neighbour only."""
    keys = torch.log(tensor([1.0, 3.0, 1.0])).reshape(1, 1, 3, 1)
    places = window_places("horizontal", 3.0, 1)
    made = window_attention(torch.ones_like(keys), keys, places, band(tensor([3.0]), places, None))
    expected = tensor([[[0, 0.25, 0.75], [0.2, 0.6, 0.2], [0.75, 0.25, 0]]])
    torch.testing.assert_close(made[0], expected)


def test_a_worked_band() -> None:
    places = window_places("horizontal", 5.0, 1)
    hard = band(tensor([1.0, 3.0, 4.0, 4.1]), places, None)
    assert hard.tolist() == [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    soft = band(tensor([2.0]), places, 0.25)[0]
    assert soft[[1, 2, 3]].tolist() == [0.5, 1, 0.5]
    assert soft[0].item() == pytest.approx(torch.tensor(-4.0).sigmoid().item())


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 5), width=st.floats(1, 9), seed=st.integers())
def test_rows_sum_to_one_and_only_tokens_of_the_window_count(
    rows: int, columns: int, width: float, seed: int
) -> None:
    queries, keys = (normal(1, rows, columns, 3, seed=seed % 2**31 + n) for n in (0, 1))
    for direction in DIRECTIONS:
        places = window_places(direction, 9.0, 1)
        made = window_attention(queries, keys, places, band(tensor([width]), places, None))[0]
        torch.testing.assert_close(made.sum(dim=-1), torch.ones(rows, columns).double())
        for y in range(rows):
            for x in range(columns):
                seen = {
                    (y + place.down, x + place.right)
                    for place, weight in zip(places, made[y, x].tolist(), strict=True)
                    if weight > 0
                }
                grid = [[[0.0]] * columns] * rows
                assert seen == set(loops.window(direction, (y, x), grid, width, 1))


def test_a_soft_window_tends_to_the_hard_one_and_teaches_its_width() -> None:
    queries, keys = normal(1, 3, 5, 7, seed=1), normal(1, 3, 5, 7, seed=2)
    places = window_places("horizontal", 7.0, 1)
    width = tensor([3.6]).requires_grad_()
    hard = window_attention(queries, keys, places, band(width, places, None))
    soft = window_attention(queries, keys, places, band(width, places, 1e-3))
    torch.testing.assert_close(soft, hard)
    soft = window_attention(queries, keys, places, band(width, places, 0.5))
    (gradient,) = torch.autograd.grad(soft[..., 1].sum(), width)
    assert gradient.item() > 0


def test_gradients_are_derivatives() -> None:
    inputs = [normal(1, 2, 3, 2, seed=seed).requires_grad_() for seed in (1, 2, 3)]
    places = [window_places(direction, 5.0, 1) for direction in DIRECTIONS]

    def crossed_softly(queries: Tensor, keys: Tensor, values: Tensor, width: Tensor) -> Tensor:
        attentions = [
            window_attention(queries, keys, held, band(width, held, 0.5)) for held in places
        ]
        return cross_windows(attentions, values, places)

    assert torch.autograd.gradcheck(crossed_softly, (*inputs, tensor([3.3]).requires_grad_()))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    grid = torch.zeros(2, 3, 5, 7)
    places = window_places("horizontal", 3.0, 1)
    with pytest.raises(
        ValueError, match=r"^network\(g_pool\(X\)\) has shape \(2, 7\), expected \(2, 1\)"
    ):
        window_width(grid, nn.Identity(), 1.0, 3.0)
    with pytest.raises(ValueError, match=r"^held has shape \(2, 2\), expected \(2, 3\)$"):
        window_attention(grid, grid, places, torch.ones(2, 2))
    with pytest.raises(
        ValueError, match="^2 attentions and 3 lists of places: give one of each fo"
    ):
        cross_windows([grid[..., :3]] * 2, grid, [places] * 3)
    with pytest.raises(
        ValueError, match=r"^vertical attention has shape \(2, 3, 5, 2\), expected "
    ):
        cross_windows([grid[..., :3], grid[..., :2], grid[..., :3]], grid, [places] * 3)
