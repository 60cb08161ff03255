"""Which pictures are nearly the same: hashes, pairs without comparing all, no chains."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.difference_hash import (
    FEWEST_BITS,
    difference_hash,
    differing_bits,
    tells_something,
)
from indexer.near_duplicates import (
    MEMBERS,
    MOST_BITS,
    are_near,
    cosines_of,
    near_hash_pairs,
    stars,
)
from retrieval.ranking.folding import alike_by_hash, folded_rows
from tests.references import near_duplicates as reference

PLAIN = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
LIGHT = 0b1011_0010_1110_0101_1001_0110_1100_0011
"""A hash that tells something."""


def signed(bits: int) -> int:
    return bits - 2**64 if bits >= 2**63 else bits


def hashes_of(*numbers: int) -> np.ndarray:
    return np.array([signed(number % 2**64) for number in numbers], dtype=np.int64)


def test_worked_hashes() -> None:
    rising = np.tile(np.arange(9, dtype=np.uint8), (8, 1))
    assert difference_hash(rising) == 0
    assert difference_hash(rising[:, ::-1]) == -1
    assert difference_hash(np.full((8, 9), 7, dtype=np.uint8)) == 0
    one = np.zeros((8, 9), dtype=np.uint8)
    one[0, 0] = 1
    assert difference_hash(one) == 1
    one[:], one[7, 7] = 0, 1
    assert difference_hash(one) == -(2**63)


@PLAIN
@given(st.lists(st.lists(st.integers(0, 255), min_size=9, max_size=9), min_size=8, max_size=8))
def test_hash_is_the_loop(grey: list[list[int]]) -> None:
    made = difference_hash(np.array(grey, dtype=np.uint8))
    assert made == signed(reference.difference_hash(grey))


@PLAIN
@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_differing_bits_are_counted(first: int, second: int) -> None:
    assert differing_bits(hashes_of(first), hashes_of(second)).tolist() == [
        reference.differing_bits(first, second)
    ]


def test_plain_surfaces_tell_nothing() -> None:
    told = tells_something(hashes_of(0, -1, 0b111, 0b1111, ~0b111, ~0b1111, LIGHT))
    assert told.tolist() == [False, False, False, True, False, True, True]


@PLAIN
@given(
    st.lists(
        st.tuples(
            st.sampled_from([LIGHT, ~LIGHT, 0, 0x5555_5555_5555_5555]),
            st.sets(st.integers(0, 63), max_size=9),
        ),
        max_size=14,
    )
)
def test_pairs_are_those_of_the_loop(made: list[tuple[int, set[int]]]) -> None:
    hashes = [signed((base ^ sum(1 << bit for bit in bits)) % 2**64) for base, bits in made]
    found = near_hash_pairs(np.array(hashes, dtype=np.int64))
    assert len(found) == len({tuple(pair) for pair in found.tolist()})
    expected = reference.near_pairs(hashes, MOST_BITS, FEWEST_BITS)
    assert {tuple(pair) for pair in found.tolist()} == expected


def test_every_place_of_seven_bits_is_found() -> None:
    """The bands' argument: whichever bits differ, one band differs in one bit at most."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        bits = rng.choice(64, MOST_BITS, replace=False)
        other = LIGHT ^ sum(1 << int(bit) for bit in bits)
        assert near_hash_pairs(hashes_of(LIGHT, other)).tolist() == [[0, 1]]
        further = next(bit for bit in range(64) if bit not in bits)
        assert near_hash_pairs(hashes_of(LIGHT, other ^ (1 << further))).tolist() == []


def test_a_thousand_of_one_hash_have_few_pairs_and_are_one_group() -> None:
    hashes = hashes_of(*[LIGHT] * 1000, LIGHT ^ 1)
    pairs = near_hash_pairs(hashes)
    assert len(pairs) < 1001 * MEMBERS
    (group,) = stars(1001, pairs)
    assert (group[0], sorted(group)) == (0, list(range(1001)))


@pytest.mark.parametrize(
    ("bits", "cosine", "near"),
    [(0, 0.75, True), (0, 0.74, False), (4, 0.86, True), (4, 0.84, False), (8, 1.0, False)],
)
def test_both_witnesses_are_needed(bits: int, cosine: float, near: bool) -> None:
    found = are_near(np.array([bits], dtype=np.uint8), np.array([cosine]))
    assert found.tolist() == [near]


def test_cosines_of_vectors_of_any_length() -> None:
    first = np.array([[2, 0], [1, 1], [0, 0]], dtype=np.float32)
    second = np.array([[3, 0], [-5, 5], [1, 0]], dtype=np.float32)
    np.testing.assert_allclose(cosines_of(first, second), [1, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("n", "pairs", "groups"),
    [
        (0, [], []),
        (3, [], []),
        (3, [(0, 2)], [[0, 2]]),
        (3, [(0, 1), (1, 2)], [[1, 0, 2]]),
        (4, [(0, 1), (1, 2), (2, 3)], [[1, 0, 2]]),
        (5, [(0, 1), (1, 2), (2, 3), (3, 4)], [[1, 0, 2], [3, 4]]),
        (6, [(4, 5), (0, 1), (0, 2), (1, 2)], [[0, 1, 2], [4, 5]]),
    ],
)
def test_groups_are_stars(n: int, pairs: list[tuple[int, int]], groups: list[list[int]]) -> None:
    assert stars(n, np.array(pairs, dtype=np.int64).reshape(-1, 2)) == groups


@PLAIN
@given(st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda p: p[0] < p[1])))
def test_all_of_a_group_are_near_its_first(pairs: set[tuple[int, int]]) -> None:
    groups = stars(12, np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2))
    members = [member for group in groups for member in group]
    assert len(members) == len(set(members))
    for centre, *others in groups:
        assert others
        assert all((min(centre, i), max(centre, i)) in pairs for i in others)
    left = set(range(12)) - set(members)
    assert not any(first in left and second in left for first, second in pairs)


def test_whose_hash_is_like_anothers() -> None:
    """Only of those are vectors read; a hash that tells nothing is like none, its own included."""
    near = LIGHT ^ 0b1111111
    hashes = hashes_of(LIGHT, ~LIGHT, near, 0, 0)
    assert alike_by_hash(hashes).tolist() == [True, False, True, False, False]
    assert alike_by_hash(hashes_of(LIGHT, LIGHT ^ 0b11111111)).tolist() == [False, False]
    assert alike_by_hash(hashes[:0]).tolist() == []


def test_folding_keeps_the_first_and_does_not_chain() -> None:
    """0 and 1 are near, and 1 and 2; 2 stands alone, because it is not near 0."""
    angles = np.array([0.0, 0.6, 1.2, 0.0, 0.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    hashes = hashes_of(LIGHT, LIGHT, LIGHT, ~LIGHT, 0)
    assert folded_rows(vectors, hashes) == [[0, 1], [2], [3], [4]]
    assert folded_rows(vectors[[1, 0, 2]], hashes[:3]) == [[0, 1, 2]]
    assert folded_rows(vectors[:0], hashes[:0]) == []
    assert folded_rows(np.zeros((2, 3), dtype=np.float32), hashes[:2]) == [[0], [1]]
