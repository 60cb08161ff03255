"""The metrics: numbers that a pencil can check, then loops on random scores with many ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Int64

from retrieval.evaluation.metrics import (
    average_precision,
    hit,
    ndcg,
    positive_ranks,
    precision,
    recall,
    reciprocal_rank,
)
from tests.references import metrics as loops


def ranks_in(scores: list[float], relevant: list[int]) -> list[int]:
    """The ranks of one query's relevant items."""
    flags = np.array([[bool(flag) for flag in relevant]])
    return positive_ranks(np.array([scores], np.float32), flags)[0].tolist()


def at(*ranks: int) -> Int64[np.ndarray, "R"]:
    return np.array(ranks, np.int64)


class TestPositiveRanks:
    def test_of_a_ranking_with_two_relevant_items(self) -> None:
        assert ranks_in([0.1, 0.9, 0.5, 0.7], [0, 1, 1, 0]) == [1, 3]

    def test_do_not_depend_on_the_sign_of_the_scores(self) -> None:
        positive = ranks_in([0.9, 0.8, 0.7], [1, 0, 1])
        negative = ranks_in([-0.1, -0.2, -0.3], [1, 0, 1])
        assert positive == negative == [1, 3]
        assert average_precision(at(*negative), 2) == pytest.approx(0.8333, abs=5e-5)

    @pytest.mark.parametrize(("relevant", "rank"), [([1, 0, 0], 1), ([0, 1, 0], 2), ([0, 0, 1], 3)])
    def test_break_ties_by_item_index(self, relevant: list[int], rank: int) -> None:
        assert ranks_in([0.5, 0.5, 0.5], relevant) == [rank]

    def test_take_the_two_zeros_for_equal(self) -> None:
        assert ranks_in([-0.0, 0.0, -0.0], [0, 1, 0]) == [2]

    def test_of_queries_without_relevant_items_are_empty_and_keep_their_place(self) -> None:
        scores = np.array([[3, 2, 1]] * 4, np.float32)
        relevant = np.array([[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 1]], np.bool_)
        assert [r.tolist() for r in positive_ranks(scores, relevant)] == [[], [1, 3], [], [3]]

    @pytest.mark.parametrize(("n_queries", "n_items"), [(0, 3), (2, 0), (0, 0)])
    def test_of_an_empty_matrix(self, n_queries: int, n_items: int) -> None:
        shape = (n_queries, n_items)
        ranks = positive_ranks(np.zeros(shape, np.float32), np.zeros(shape, np.bool_))
        assert [r.tolist() for r in ranks] == [[]] * n_queries

    def test_leave_the_scores_as_they_were(self) -> None:
        scores = np.array([[0.1, 0.3, 0.2]], np.float32)
        positive_ranks(scores, np.array([[True, False, True]]))
        assert scores.tolist() == np.array([[0.1, 0.3, 0.2]], np.float32).tolist()

    def test_refuse_scores_without_an_order(self) -> None:
        scores = np.array([[0.5, 0.5], [0.5, np.nan]], np.float32)
        with pytest.raises(ValueError, match=r"^a score is NaN: leave out the vectors that"):
            positive_ranks(scores, np.ones((2, 2), np.bool_))


class TestWorkedNumbers:
    def test_hit_is_any_and_recall_is_the_fraction(self) -> None:
        ranks = at(2, 4, 11)
        assert [hit(ranks, k) for k in (1, 2, 5, 10)] == [0, 1, 1, 1]
        assert [recall(ranks, 4, k) for k in (1, 2, 5, 10, 11)] == [0, 0.25, 0.5, 0.5, 0.75]

    def test_recall_cannot_exceed_k_of_n(self) -> None:
        assert recall(at(*range(1, 41)), 40, 10) == 0.25

    def test_precision_divides_by_k_even_where_fewer_are_relevant(self) -> None:
        assert precision(at(1, 3, 7), 5) == pytest.approx(0.4)
        assert precision(at(1), 5) == pytest.approx(0.2)

    def test_reciprocal_rank_is_of_the_first(self) -> None:
        assert reciprocal_rank(at(4, 5)) == 0.25
        assert reciprocal_rank(at()) == 0.0

    def test_average_precision_is_rectangles_not_trapezoids(self) -> None:
        assert average_precision(at(1, 3), 2) == pytest.approx((1 / 1 + 2 / 3) / 2)
        assert average_precision(at(1, 3), 2) == pytest.approx(0.8333, abs=5e-5)
        trapezoid = loops.trapezoid_average_precision([True, False, True], 2)
        assert trapezoid == pytest.approx(0.7917, abs=5e-5)

    def test_an_item_that_was_never_ranked_counts_as_not_found(self) -> None:
        assert average_precision(at(1), 2) == 0.5
        assert recall(at(1), 2, 10) == 0.5
        assert average_precision(at(), 1) == 0.0
        assert hit(at(), 10) == 0.0

    def test_ndcg(self) -> None:
        assert ndcg(at(1, 3), 2, 10) == pytest.approx((1 + 1 / 2) / (1 + 0.63093), abs=1e-5)
        assert ndcg(at(1, 2), 2, 10) == 1.0
        assert ndcg(at(3), 1, 2) == 0.0

    def test_ndcg_is_1_where_the_top_k_is_full(self) -> None:
        assert ndcg(at(*range(1, 21)), 30, 10) == pytest.approx(1.0)


class TestEmptyQueries:
    def test_have_no_fraction(self) -> None:
        message = r"^n_relevant must be at least 1 and cover all 0 ranks; got 0$"
        with pytest.raises(ValueError, match=message):
            recall(at(), 0, 10)
        with pytest.raises(ValueError, match=message):
            average_precision(at(), 0)
        with pytest.raises(ValueError, match=message):
            ndcg(at(), 0, 10)

    def test_more_ranks_than_relevant_items_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"cover all 2 ranks; got 1$"):
            average_precision(at(1, 2), 1)


# Few different scores make ties the rule; all of them exact in float32.
_tied_scores = st.sampled_from([-1.0, -0.5, -0.25, 0.0, 0.5, 0.75])
_judged_items = st.lists(st.tuples(_tied_scores, st.booleans()), min_size=1, max_size=20)


@settings(deadline=None)
@given(_judged_items, st.integers(0, 3), st.integers(1, 12))
def test_metrics_equal_the_loops(items: list[tuple[float, bool]], n_unranked: int, k: int) -> None:
    scores = [score for score, _ in items]
    relevant = [is_relevant for _, is_relevant in items]
    ranking = loops.relevance_down_the_ranking(scores, relevant)
    ranks = positive_ranks(np.array([scores], np.float32), np.array([relevant]))[0]
    assert ranks.tolist() == loops.ranks_of(ranking)
    assert hit(ranks, k) == loops.hit(ranking, k)
    assert precision(ranks, k) == loops.precision(ranking, k)
    assert reciprocal_rank(ranks) == loops.reciprocal_rank(ranking)
    n_relevant = len(ranks) + n_unranked
    if n_relevant:
        assert recall(ranks, n_relevant, k) == loops.recall(ranking, n_relevant, k)
        ap = average_precision(ranks, n_relevant)
        assert ap == pytest.approx(loops.average_precision(ranking, n_relevant))
        assert ap == pytest.approx(loops.area_under_precision_recall(ranking, n_relevant))
        assert ndcg(ranks, n_relevant, k) == pytest.approx(loops.ndcg(ranking, n_relevant, k))


@settings(deadline=None)
@given(st.lists(_judged_items, min_size=1, max_size=5))
def test_a_query_is_ranked_independently_of_its_companions(
    queries: list[list[tuple[float, bool]]],
) -> None:
    width = min(len(items) for items in queries)
    scores = np.array([[s for s, _ in items[:width]] for items in queries], np.float32)
    relevant = np.array([[r for _, r in items[:width]] for items in queries])
    together = [r.tolist() for r in positive_ranks(scores, relevant)]
    alone = [
        positive_ranks(scores[q : q + 1], relevant[q : q + 1])[0].tolist()
        for q in range(len(queries))
    ]
    assert together == alone


@settings(deadline=None)
@given(_judged_items.filter(lambda items: any(r for _, r in items)), st.integers(1, 12))
def test_metrics_lie_in_0_to_1_and_a_perfect_ranking_has_all_ones(
    items: list[tuple[float, bool]], k: int
) -> None:
    relevant = np.array([[r for _, r in items]])
    n_relevant = int(relevant.sum())
    ranks = positive_ranks(np.array([[s for s, _ in items]], np.float32), relevant)[0]
    for value in (
        hit(ranks, k),
        recall(ranks, n_relevant, k),
        precision(ranks, k),
        reciprocal_rank(ranks),
        average_precision(ranks, n_relevant),
        ndcg(ranks, n_relevant, k),
    ):
        assert 0.0 <= value <= 1.0 + 1e-12
    best = positive_ranks(relevant.astype(np.float32), relevant)[0]
    assert best.tolist() == list(range(1, n_relevant + 1))
    assert average_precision(best, n_relevant) == ndcg(best, n_relevant, k) == 1.0
    assert hit(best, 1) == reciprocal_rank(best) == recall(best, n_relevant, n_relevant) == 1.0
