"""Boxes without a detector: they find what stands out, and are the same every time."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spectrum.oracle.proposals import (
    ProposalConfig,
    affinities,
    bounding_boxes,
    cuts,
    largest_parts,
    proposals,
)
from tests.references.oracle import overlap
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.oracle.scenes import flags, tensor


def squares(*places: tuple[int, int, int, int], noise: float = 0.1) -> Tensor:
    """A 7 x 7 grid, one kind of token, with boxes of other kinds; in cells."""
    grid = 0.5 * noise * normal(1, 7, 7, 11, seed=1)
    grid[..., 0] += 1
    for kind, (left, top, right, bottom) in enumerate(places, start=1):
        grid[:, top:bottom, left:right, 0] -= 1
        grid[:, top:bottom, left:right, kind] += 1
    return grid


@pytest.mark.parametrize(
    "places",
    [[(1, 1, 4, 4)], [(3, 2, 7, 5)], [(0, 0, 3, 4), (4, 3, 7, 6)], [(1, 0, 3, 7), (4, 1, 7, 4)]],
)
def test_things_that_stand_out_are_found(places: list[tuple[int, int, int, int]]) -> None:
    made = proposals(squares(*places))
    for place in places:
        wanted = [side / 7 for side in place]
        best = max(overlap(wanted, box) for box in made.boxes[0][made.mask[0]].tolist())
        assert best > 0.5


def test_boxes_lie_in_the_frame_differ_and_are_few() -> None:
    made = proposals(normal(5, 7, 7, 11, seed=1), ProposalConfig(most=6))
    assert made.boxes.shape == (5, 6, 4)
    assert made.mask[:, 0].all().item()
    for boxes, mask in zip(made.boxes, made.mask, strict=True):
        real = boxes[mask].tolist()
        for number, box in enumerate(real):
            assert 0 <= box[0] < box[2] <= 1
            assert 0 <= box[1] < box[3] <= 1
            assert all(overlap(box, other) <= 0.5 + 1e-9 for other in real[:number])
        assert boxes[~mask].abs().sum().item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_image_does_not_see_another_and_nothing_is_drawn(dtype: torch.dtype) -> None:
    grid = normal(35, 7, 7, 11, seed=1).to(dtype)
    whole = proposals(grid)
    for number in (0, 31, 34):
        alone = proposals(grid[number : number + 1])
        assert torch.equal(alone.boxes[0], whole.boxes[number])
        assert torch.equal(alone.mask[0], whole.mask[number])


def test_the_scale_of_tokens_does_not_matter() -> None:
    grid = squares((1, 1, 4, 4))
    torch.testing.assert_close(proposals(grid).boxes, proposals(grid * 1000).boxes)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (2, 1), (3, 9)])
def test_any_grid_has_a_box(rows: int, columns: int) -> None:
    made = proposals(normal(2, rows, columns, 11, seed=1))
    assert made.mask[:, 0].all().item()
    assert made.boxes.isfinite().all().item()
    if rows * columns == 1:
        assert made.boxes[:, 0].tolist() == [[0, 0, 1, 1]] * 2
        assert made.mask.sum().item() == 2


def test_an_even_image_has_boxes_all_the_same() -> None:
    """Nothing stands out: where it is cut says nothing, but it is cut, and finite."""
    for value in (0.0, 1.0):
        made = proposals(torch.full((1, 7, 7, 11), value))
        assert made.mask[0, 0].item()
        assert made.boxes.isfinite().all().item()


def test_a_cut_parts_two_groups() -> None:
    """Two kinds of tokens, left and right: the first map has one sign on each side."""
    grid = squares((3, 0, 7, 7), noise=0.01)
    config = ProposalConfig()
    first = cuts(affinities(grid, config), 7, 7, 1)[0, 0]
    assert first[:, :3].sign().unique().tolist() == [-first[0, 6].sign().item()]
    assert first[:, 3:].sign().unique().tolist() == [first[0, 6].sign().item()]


def test_cuts_solve_the_normalised_problem() -> None:
    """(D - W) y = lambda D y, lambda rising, and none of them constant."""
    affinity = affinities(normal(1, 3, 5, 11, seed=1), ProposalConfig())
    found = cuts(affinity, 3, 5, 4).flatten(2)[0]
    degrees = affinity[0].sum(dim=-1)
    values = []
    for y in found:
        left, right = degrees * y - affinity[0] @ y, degrees * y
        values.append((left @ y / (right @ y)).item())
        torch.testing.assert_close(left, values[-1] * right, atol=1e-8, rtol=1e-6)
    assert values == sorted(values)
    assert values[0] > 0


def test_parts_hang_together_by_sides() -> None:
    """Three parts, the largest two kept; a diagonal does not hold."""
    mask = flags("11001", "10010", "00010", "11110")[None, None]
    first, second = largest_parts(mask)[0]
    assert first.tolist() == flags("00000", "00010", "00010", "11110").tolist()
    assert second.tolist() == flags("11000", "10000", "00000", "00000").tolist()
    assert not largest_parts(torch.zeros(1, 1, 3, 5, dtype=torch.bool)).any().item()


def looped_parts(mask: list[list[bool]]) -> list[set[tuple[int, int]]]:
    """By walking from place to place; the largest first, of equal ones that which starts later."""
    left = {(y, x) for y, row in enumerate(mask) for x, filled in enumerate(row) if filled}
    found = []
    while left:
        part, border = set(), [min(left)]
        while border:
            y, x = border.pop()
            if (y, x) in left:
                left.remove((y, x))
                part.add((y, x))
                border += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        found.append(part)
    return sorted(found, key=lambda part: (len(part), min(part)), reverse=True)


@settings(max_examples=60, deadline=None)
@given(
    masks=st.tuples(st.integers(1, 5), st.integers(1, 6)).flatmap(
        lambda side: st.lists(
            st.lists(
                st.lists(st.booleans(), min_size=side[1], max_size=side[1]),
                min_size=side[0],
                max_size=side[0],
            ),
            min_size=1,
            max_size=4,
        )
    ),
    count=st.integers(1, 4),
)
def test_parts_equal_those_found_by_walking(masks: list[list[list[bool]]], count: int) -> None:
    made = largest_parts(torch.tensor(masks)[None], count)[0].unflatten(0, (len(masks), count))
    for mask, parts in zip(masks, made, strict=True):
        looped = [*looped_parts(mask)[:count], *[set()] * count][:count]
        assert [{tuple(place) for place in part.nonzero().tolist()} for part in parts] == looped


def test_worked_bounding_boxes() -> None:
    parts = torch.stack(
        [flags("0000", "0110", "0100", "0000"), flags("0000", "0000", "0000", "0000")]
    )
    made = bounding_boxes(parts[None])
    torch.testing.assert_close(made, torch.tensor([[[0.25, 0.25, 0.75, 0.75], [0.0, 0, 0, 0]]]))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_is_no_grid_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^grid is empty, shape \(0, 7, 7, 11\): give at least one t"
    ):
        proposals(torch.zeros(0, 7, 7, 11))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"most": 0}, "^most must be at least 1, got 0$"),
        ({"eigenvectors": 0}, "^eigenvectors must be at least 1, got 0$"),
        ({"fineness": 0}, "^fineness must be at least 1, got 0$"),
        ({"temperature": 0.0}, "^temperature must be above 0, got 0.0$"),
        ({"reach": -1.0}, "^reach must be above 0, got -1.0$"),
        ({"most_overlap": 0.0}, "^most_overlap must be above 0, got 0.0$"),
        ({"levels": ()}, r"^levels must be some numbers of 0 or above, got \(\)$"),
        ({"levels": (-1.0,)}, r"^levels must be some numbers of 0 or above, got \(-1.0,\)$"),
        ({"least_area": 1.0}, "^least_area must be at least 0 and below 1, got 1.0$"),
    ],
)
@pytest.mark.usefixtures("without_shape_hook")
def test_configs_have_limits(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProposalConfig(**limits)


def test_tokens_alike_and_near_hang_together() -> None:
    affinity = affinities(squares((3, 0, 7, 7), noise=0.01), ProposalConfig())[0]
    torch.testing.assert_close(affinity, affinity.mT)
    torch.testing.assert_close(affinity.diagonal(), tensor([1.0] * 49))
    assert affinity[0, 1] > affinity[0, 2] > affinity[0, 3] > 0
