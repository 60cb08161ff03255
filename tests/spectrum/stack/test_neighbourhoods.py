"""Neighbourhoods among vectors in memory."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrum.stack.neighbourhoods import Neighbourhoods, gathered, member_mask, nearest
from tests.references import stack as loops
from tests.spectrum.stack.stacks import normal


@settings(max_examples=40, deadline=None)
@given(
    anchors=st.integers(0, 5),
    bank=st.integers(0, 7),
    count=st.integers(0, 9),
    seed=st.integers(0, 2**31),
)
def test_the_nearest_equal_the_loop(anchors: int, bank: int, count: int, seed: int) -> None:
    """Whole numbers, so that there are ties; some anchors are rows of the bank."""
    vectors, rows = normal(anchors, 2, seed=seed).round(), normal(bank, 2, seed=seed + 1).round()
    own = torch.arange(anchors) - 2
    own[own >= bank] = -1
    own = own.clamp(min=-1)
    made = nearest(vectors, rows, count, own)
    looped = loops.nearest(vectors.tolist(), rows.tolist(), count, own.tolist())
    assert made.rows.shape == (anchors, count)
    for place, wanted in enumerate(looped):
        assert made.rows[place][made.mask[place]].tolist() == wanted
        assert made.mask[place].tolist() == [True] * len(wanted) + [False] * (count - len(wanted))
        assert not made.rows[place][len(wanted) :].any()


def test_only_the_anchor_itself_is_left_out() -> None:
    vectors = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    made = nearest(vectors, vectors, 2, torch.tensor([0, 1, -1]))
    assert made.rows.tolist() == [[1, 2], [0, 2], [2, 0]]
    one = nearest(vectors[:1], vectors[:1], 2, torch.tensor([-1]))
    assert one.mask.tolist() == [[True, False]]


def test_a_bank_of_the_anchor_alone_has_no_neighbour() -> None:
    vectors = torch.tensor([[1.0, 0]])
    made = nearest(vectors, vectors, 3, torch.tensor([0]))
    assert made.mask.tolist() == [[False] * 3]
    assert made.rows.tolist() == [[0] * 3]


def test_many_anchors_are_searched_in_parts() -> None:
    vectors = normal(1500, 3, seed=1)
    made = nearest(vectors, vectors, 2, torch.arange(1500))
    part = nearest(vectors[1000:1100], vectors, 2, torch.arange(1000, 1100))
    assert torch.equal(made.rows[1000:1100], part.rows)


def test_members_are_the_anchor_and_then_its_neighbours() -> None:
    anchors, bank = torch.tensor([[1.0], [2]]), torch.tensor([[10.0], [20], [30]])
    found = Neighbourhoods(
        torch.tensor([[2, 0], [1, 0]]), torch.tensor([[True, True], [True, False]])
    )
    assert gathered(anchors, bank, found)[..., 0].tolist() == [[1, 30, 10], [2, 20, 10]]
    assert member_mask(found).tolist() == [[True, True, True], [True, True, False]]
