"""Image queries: the same fifth every time, and none of them in the database."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.evaluation.blocks import block_of, held_out_queries
from retrieval.evaluation.directions import image_to_image


class TestHeldOutQueries:
    HASHES = [f"{number:032x}" for number in range(100)]

    def test_are_a_fifth(self) -> None:
        assert held_out_queries(self.HASHES).sum() == 20
        assert held_out_queries(self.HASHES[:6]).sum() == 2

    @pytest.mark.parametrize(("n", "n_held_out"), [(0, 0), (1, 0), (2, 1), (5, 1)])
    def test_of_few_leave_a_database(self, n: int, n_held_out: int) -> None:
        assert held_out_queries(self.HASHES[:n]).tolist().count(True) == n_held_out

    def test_copies_of_one_content_count_once(self) -> None:
        assert held_out_queries(["aa"] * 7).tolist() == [False] * 7
        assert held_out_queries(["aa", "bb", "aa", "aa"]).tolist() in (
            [True, False, True, True],
            [False, True, False, False],
        )

    def test_stay_the_same_in_another_version(self) -> None:
        # Figures of two runs compare only if this never changes.
        held_out = np.flatnonzero(held_out_queries(self.HASHES))
        assert held_out[:4].tolist() == [10, 14, 22, 23]

    def test_an_added_image_moves_at_most_one(self) -> None:
        before = held_out_queries(self.HASHES[:-1])
        after = held_out_queries(self.HASHES)[:-1]
        assert (before != after).sum() <= 1

    @given(st.lists(st.text("0123456789abcdef", min_size=1, max_size=3), max_size=40), st.randoms())
    def test_depend_on_the_set_of_contents_alone(
        self, hashes: list[str], generator: random.Random
    ) -> None:
        side = dict(zip(hashes, held_out_queries(hashes).tolist(), strict=True))
        shuffled = hashes + hashes[:3]
        generator.shuffle(shuffled)
        assert held_out_queries(shuffled).tolist() == [side[content] for content in shuffled]
        assert sum(side.values()) == (-(-len(side) // 5) if len(side) > 1 else 0)

    def test_never_find_themselves(self) -> None:
        # Nobody is near another, so only a leak could put the query's own label first.
        vectors = np.eye(20, dtype=np.float32)
        queries = held_out_queries(self.HASHES[:20])
        labels = np.arange(20)
        ranked = image_to_image(
            vectors[queries], vectors[~queries], labels[queries], labels[~queries]
        )
        assert block_of(ranked) == {"n_queries": 0, "n_without_answer": 4}
