"""Ways to rank: each against its loop, worked numbers, edges, and what all have in common."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.ranking import RANKINGS, fitted_ranking
from retrieval.ranking.blocks import block_lengths, image_queries, unit_blocks
from retrieval.ranking.centring import Centring, centre, centred
from retrieval.ranking.composition import image_query
from retrieval.ranking.database_augmentation import augmented
from retrieval.ranking.hubness import Hubness, folded, hubness, spared_queries
from retrieval.ranking.neighbours import nearest_rows, search_of
from retrieval.ranking.protocol import Found, Kind, Ranking, Reference
from retrieval.ranking.query_expansion import expanded_queries
from retrieval.ranking.superglobal import (
    SuperGlobal,
    refined_candidates,
    reranked_similarities,
)
from tests.references.ranking import (
    augmented_loop,
    centred_loop,
    expanded_query_loop,
    hubness_loop,
    reranked_loop,
)

SEMANTIC, VISUAL, OMEGA = 5, 3, 0.7


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def images(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([unit(rng, n, SEMANTIC), unit(rng, n, VISUAL)], axis=1)


def texts(seed: int, n: int) -> np.ndarray:
    return unit(np.random.default_rng(seed), n, SEMANTIC)


def text_queries(seed: int, n: int) -> np.ndarray:
    return np.pad(texts(seed, n), ((0, 0), (0, VISUAL)))


def reference(n_images: int = 23, n_texts: int = 13) -> Reference:
    return Reference(images=images(0, n_images), texts=texts(1, n_texts), visual_weight=OMEGA)


def kinds(seed: int, n: int) -> list[tuple[Kind, np.ndarray]]:
    return [
        ("text", text_queries(seed, n)),
        ("image", image_queries(images(seed, n), SEMANTIC, OMEGA)),
    ]


def unsearched(queries: np.ndarray, k: int) -> Found:
    raise AssertionError("this ranking asks nothing beforehand")


def stored(name: str, vectors: np.ndarray) -> np.ndarray:
    """What `database` is given: the refined ranking is given vectors with their hubness."""
    offsets = np.full((len(vectors), 2), 0.25, np.float32)
    return folded(vectors, offsets) if name == "spectrum" else vectors


class TestNeighbours:
    def test_equals_come_in_the_order_of_their_rows(self) -> None:
        rows = np.float32([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])
        found = nearest_rows(np.float32([[1, 0]]), rows, 4)
        assert found.ids.tolist() == [[0, 2, 4, 1]]
        assert found.similarities.tolist() == [[1, 1, 1, 0]]

    def test_a_row_is_no_neighbour_of_its_own(self) -> None:
        rows = images(2, 7)
        found = nearest_rows(rows, rows, 99, without_itself=True)
        assert [sorted([place, *ids]) for place, ids in enumerate(found.ids.tolist())] == [
            list(range(7))
        ] * 7

    @pytest.mark.parametrize(("n", "k"), [(0, 3), (4, 0), (1, 3)])
    def test_there_are_as_many_as_there_can_be(self, n: int, k: int) -> None:
        assert nearest_rows(images(0, 2), images(1, n), k).ids.shape == (2, min(n, k))
        few = nearest_rows(images(1, n), images(1, n), k, without_itself=True)
        assert few.ids.shape == (n, max(0, min(n - 1, k)))

    def test_blocks_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = images(3, 29)
        whole = nearest_rows(rows, rows, 5, without_itself=True)
        monkeypatch.setattr("retrieval.ranking.neighbours._SIMILARITIES_PER_BLOCK", 60)
        in_blocks = nearest_rows(rows, rows, 5, without_itself=True)
        np.testing.assert_array_equal(whole.ids, in_blocks.ids)


class TestQueryExpansion:
    @pytest.mark.parametrize("k", [0, 1, 4, 99])
    def test_against_the_loop(self, k: int) -> None:
        database = images(4, 11)
        for _, queries in kinds(5, 7):
            ours = expanded_queries(queries, search_of(database)(queries, k), semantic=SEMANTIC)
            for query, made in zip(queries, ours, strict=True):
                expected = expanded_query_loop(query.tolist(), database.tolist(), SEMANTIC, k, 3)
                np.testing.assert_allclose(made, expected, atol=1e-6)

    def test_by_hand(self) -> None:
        """Similarity .8 with alpha 1: (1, 0) + .8 (.8, .6) = (1.64, .48), of length 1.70880."""
        found = Found(np.float32([[[0.8, 0.6]]]), np.float32([[0.8]]))
        made = expanded_queries(np.float32([[1, 0]]), found, semantic=2, alpha=1.0)
        np.testing.assert_allclose(made, [[1.64 / 1.70880, 0.48 / 1.70880]], atol=1e-5)

    def test_what_is_opposite_takes_no_part(self) -> None:
        query = np.float32([[0.6, 0.8]])
        found = Found(-query[None], np.float32([[-1]]))
        np.testing.assert_allclose(expanded_queries(query, found, semantic=2), query, atol=1e-6)

    @given(st.integers(0, 30), st.integers(0, 12))
    def test_a_query_keeps_the_lengths_of_its_blocks(self, seed: int, k: int) -> None:
        for _, queries in kinds(seed, 3):
            made = expanded_queries(
                queries, search_of(images(seed + 1, 9))(queries, k), semantic=SEMANTIC
            )
            np.testing.assert_allclose(
                block_lengths(made, SEMANTIC), block_lengths(queries, SEMANTIC), atol=1e-5
            )


class TestDatabaseAugmentation:
    @pytest.mark.parametrize("k", [1, 4, 10, 99])
    def test_against_the_loop(self, k: int) -> None:
        database = images(6, 11)
        ours = augmented(database, semantic=SEMANTIC, visual_weight=OMEGA, neighbours=k)
        expected = augmented_loop(database.tolist(), SEMANTIC, OMEGA, k, 3)
        np.testing.assert_allclose(ours, expected, atol=1e-6)

    @pytest.mark.parametrize(("n", "k"), [(0, 3), (1, 3), (5, 0)])
    def test_without_neighbours_nothing_changes(self, n: int, k: int) -> None:
        database = images(7, n)
        made = augmented(database, semantic=SEMANTIC, visual_weight=OMEGA, neighbours=k)
        np.testing.assert_array_equal(made, database)

    def test_the_order_of_the_images_changes_nothing(self) -> None:
        database, order = images(8, 13), np.random.default_rng(0).permutation(13)
        augment = partial(augmented, semantic=SEMANTIC, visual_weight=OMEGA, neighbours=4)
        np.testing.assert_allclose(augment(database)[order], augment(database[order]), atol=1e-6)

    def test_equal_images_stay_equal(self) -> None:
        database = np.repeat(images(9, 1), 4, axis=0)
        made = augmented(database, semantic=SEMANTIC, visual_weight=OMEGA, neighbours=2)
        np.testing.assert_allclose(made, database, atol=1e-6)


class TestHubness:
    @pytest.mark.parametrize("k", [1, 5, 99])
    def test_against_the_loop(self, k: int) -> None:
        vectors, bank = texts(10, 7), texts(11, 13)
        expected = [hubness_loop(row, bank.tolist(), k, 0.5) for row in vectors.tolist()]
        np.testing.assert_allclose(hubness(vectors, bank, neighbours=k), expected, atol=1e-6)

    @pytest.mark.parametrize(("n_texts", "k"), [(0, 64), (5, 0)])
    def test_without_texts_there_is_none(self, n_texts: int, k: int) -> None:
        assert hubness(texts(0, 3), texts(1, n_texts), neighbours=k).tolist() == [0, 0, 0]

    def test_folded_it_is_taken_off_texts_and_not_off_images(self) -> None:
        vectors, bank = images(12, 9), texts(11, 13)
        ranking = Hubness(bank)
        rows, offsets = ranking.database(vectors), hubness(vectors[:, : bank.shape[1]], bank)
        for kind, queries in kinds(13, 4):
            expected = queries @ vectors.T - (offsets if kind == "text" else 0)
            asked = ranking.queries(queries, kind, unsearched)
            np.testing.assert_allclose(asked @ rows.T, expected, atol=1e-6)

    def test_several_are_weighed_by_the_query_and_images_know_none(self) -> None:
        vectors, offsets = images(12, 9), texts(14, 9)[:, :2]
        rows, queries = folded(vectors, offsets), images(13, 4)
        np.testing.assert_array_equal(
            spared_queries(queries, 2) @ rows.T, spared_queries(queries, 2)[:, :-2] @ vectors.T
        )
        asked = spared_queries(queries, 2)
        asked[:, -2:] = 0.75, 0.25
        expected = queries @ vectors.T - offsets @ np.float32([0.75, 0.25])
        np.testing.assert_allclose(asked @ rows.T, expected, atol=1e-6)

    def test_a_hub_falls_behind(self) -> None:
        """The hub is at .8 from every text, the other at 1 from its own alone."""
        bank = np.eye(3, dtype=np.float32)
        hub, own = np.float32([0.57735, 0.57735, 0.57735]), np.float32([1, 0, 0])
        query = np.float32([[0.8, 0.6, 0]])
        vectors = np.stack([hub, own])
        assert (query @ vectors.T).argmax() == 0
        ranking = Hubness(bank, neighbours=3, weight=1.0)
        asked = ranking.queries(query, "text", unsearched)
        assert (asked @ ranking.database(vectors).T).argmax() == 1


class TestCentring:
    def test_against_the_loop(self) -> None:
        vectors = texts(14, 7)
        mean = [sum(column) / 7 for column in zip(*vectors.tolist(), strict=True)]
        expected = centred_loop(vectors.tolist(), mean)
        np.testing.assert_allclose(centred(vectors, centre(vectors)), expected, atol=1e-5)

    def test_whitened_vectors_spread_alike_in_every_direction(self) -> None:
        rng = np.random.default_rng(15)
        vectors = (rng.normal(size=(4000, 4)) * [4, 2, 1, 0.5] + 3).astype(np.float32)
        about = centre(vectors, whiten=True)
        assert about.axes is not None
        evened = (vectors - about.mean) @ about.axes.T
        np.testing.assert_allclose(np.cov(evened.T), np.eye(4), atol=0.01)

    @pytest.mark.parametrize("n", [0, 1])
    def test_too_few_to_whiten(self, n: int) -> None:
        vectors = texts(16, 3)
        assert np.isfinite(centred(vectors, centre(vectors[:n], whiten=True))).all()

    def test_no_texts_leave_texts_as_they_are(self) -> None:
        ranking = Centring.fitted(reference(n_texts=0))
        queries = text_queries(17, 3)
        made = ranking.queries(queries, "text", search_of(images(0, 3)))
        np.testing.assert_allclose(made, queries, atol=1e-6)


class TestSuperGlobal:
    @pytest.mark.parametrize("k", [0, 1, 3, 99])
    def test_against_the_loop(self, k: int) -> None:
        query, candidates = texts(18, 1)[0], texts(19, 11)
        ours = reranked_similarities(query, candidates, neighbours=k)
        expected = reranked_loop(query.tolist(), candidates.tolist(), k, 0.15)
        np.testing.assert_allclose(ours, expected, atol=1e-5)

    def test_no_candidates(self) -> None:
        assert reranked_similarities(texts(0, 1)[0], texts(1, 0)).shape == (0,)

    def test_one_candidate_is_refined_by_none(self) -> None:
        only = texts(20, 1)
        np.testing.assert_array_equal(refined_candidates(only), only)

    def test_the_visual_block_says_nothing_to_a_text(self) -> None:
        queries, one, other = text_queries(21, 2), images(22, 9), images(23, 9)
        other[:, :SEMANTIC] = one[:, :SEMANTIC]
        ranking = SuperGlobal(SEMANTIC)
        made = [ranking.similarities(queries, search_of(rows)(queries, 9)) for rows in (one, other)]
        np.testing.assert_array_equal(*made)


def test_image_queries_are_those_of_a_search() -> None:
    vectors = images(24, 5)
    expected = [image_query(row[:SEMANTIC], row[SEMANTIC:], OMEGA) for row in vectors]
    np.testing.assert_allclose(image_queries(vectors, SEMANTIC, OMEGA), expected, atol=1e-6)


@pytest.mark.parametrize("name", RANKINGS)
class TestEveryRanking:
    def ranked(
        self, name: str, database: np.ndarray, kind: Kind, queries: np.ndarray
    ) -> np.ndarray:
        """Similarities after whatever the ranking does, in the order of the database."""
        ranking: Ranking = fitted_ranking(name, reference())
        rows = ranking.database(stored(name, database))
        if name == "spectrum" and kind == "text":
            queries = np.pad(queries, ((0, 0), (0, 2)))
        asked = ranking.queries(queries, kind, search_of(rows))
        assert asked.shape == (len(queries), rows.shape[1])
        similarities = asked @ rows.T
        if ranking.candidates:
            nearest = nearest_rows(asked, rows, ranking.candidates)
            again = ranking.similarities(asked, Found(rows[nearest.ids], nearest.similarities))
            np.put_along_axis(similarities, nearest.ids, again, axis=1)
        return similarities

    def test_is_a_ranking(self, name: str) -> None:
        assert isinstance(fitted_ranking(name, reference()), Ranking)

    @pytest.mark.parametrize("n", [0, 1, 2])
    def test_few_images(self, name: str, n: int) -> None:
        for kind, queries in kinds(25, 3):
            similarities = self.ranked(name, images(26, n), kind, queries)
            assert similarities.shape == (3, n)
            assert np.isfinite(similarities).all()

    def test_no_queries(self, name: str) -> None:
        for kind, queries in kinds(27, 0):
            assert self.ranked(name, images(28, 5), kind, queries).shape == (0, 5)

    def test_a_query_does_not_depend_on_its_companions(self, name: str) -> None:
        database = images(29, 17)
        for kind, queries in kinds(30, 5):
            alone = np.concatenate(
                [self.ranked(name, database, kind, queries[q : q + 1]) for q in range(5)]
            )
            together = self.ranked(name, database, kind, queries)
            np.testing.assert_allclose(alone, together, atol=1e-5)

    def test_the_order_of_the_images_changes_nothing(self, name: str) -> None:
        database, order = images(31, 17), np.random.default_rng(1).permutation(17)
        for kind, queries in kinds(32, 5):
            straight = self.ranked(name, database, kind, queries)[:, order]
            shuffled = self.ranked(name, database[order], kind, queries)
            np.testing.assert_allclose(straight, shuffled, atol=1e-5)

    def test_the_longer_query_ranks_the_same(self, name: str) -> None:
        """Only the offset of hubness has a length of its own, which is the text's."""
        database = images(33, 17)
        queries = image_queries(images(34, 5), SEMANTIC, OMEGA)
        order = [
            np.argsort(-self.ranked(name, database, "image", scale * queries), axis=1)
            for scale in (np.float32(1), np.float32(4))
        ]
        np.testing.assert_array_equal(*order)


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match="no way to rank is called 'magic': choose one of raw, "):
        fitted_ranking("magic", reference())


def test_unit_blocks_leave_nothing_as_nothing() -> None:
    made = unit_blocks(np.float32([[3, 4, 0]]), 2)
    np.testing.assert_allclose(made, [[0.6, 0.8, 0]], atol=1e-6)
