"""Rankings that a search may choose: what they change, what they leave, and what is no name."""

from pathlib import Path

import numpy as np
import pytest

from retrieval import Library, Query, QueryError, TextPart
from retrieval.ranking.neighbours import search_of
from retrieval.ranking.query_expansion import expanded_queries
from retrieval.ranking.superglobal import SuperGlobal
from retrieval.ranking.table import SEARCHABLE, ranked_again, search_ranking
from tests.stand_ins import ColourEncoder


@pytest.fixture
def filled(library: Library, pictures: Path) -> Library:
    library.index(pictures)
    return library


def unit(seed: int, n: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("name", SEARCHABLE)
class TestEverySearch:
    def test_an_image_finds_itself(self, filled: Library, pictures: Path, name: str) -> None:
        hits = filled.search(image=pictures / "blue.png", ranking=name).hits
        assert Path(hits[0].path).name == "blue.png"

    def test_similarities_fall_with_rank(self, filled: Library, name: str) -> None:
        parts = TextPart(text="yellow"), TextPart(text="green", weight=-1.0)
        for query in (Query(parts=parts), Query(parts=parts[1:])):
            hits = filled.search(query, ranking=name).hits
            similarities = [hit.similarity for hit in hits]
            assert similarities == sorted(similarities, reverse=True)
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))

    def test_fewer_hits_are_the_first_of_more(self, filled: Library, name: str) -> None:
        many = filled.search("red", top=4, ranking=name).hits
        assert filled.search("red", top=2, ranking=name).hits == many[:2]


def test_a_ranking_that_no_search_has(filled: Library) -> None:
    message = "'alpha-dba' is no ranking of a search: choose spectrum, raw, alpha-qe, superglobal"
    with pytest.raises(QueryError, match=message):
        filled.search("red", ranking="alpha-dba")


def test_expansion_asks_for_what_it_found(filled: Library, encoder: ColourEncoder) -> None:
    ids = np.array(sorted(hit.image_id for hit in filled.search("red").hits))
    stored = filled.catalogue.vectors(ids, filled.space)
    query = np.pad(encoder.encode_texts(["yellow"]), ((0, 0), (0, 12)))
    expanded = expanded_queries(query, search_of(stored)(query, 10), semantic=4)
    expected = dict(zip(ids.tolist(), (expanded @ stored.T)[0].tolist(), strict=True))
    hits = filled.search("yellow", ranking="alpha-qe").hits
    assert {hit.image_id: hit.similarity for hit in hits} == pytest.approx(expected, abs=1e-5)


def test_unrefined_the_default_is_raw(filled: Library) -> None:
    assert filled.search("red").hits == filled.search("red", ranking="raw").hits


def test_the_default_is_no_ranking() -> None:
    assert search_ranking("spectrum", semantic=4, dimension=7, visual_weight=0.5) is None


class TestRankedAgain:
    def test_candidates_are_scored_by_the_ranking(self) -> None:
        query, stored = unit(0, 1)[0], unit(1, 9)
        ranking = SuperGlobal(4, candidates=5)
        similarities = (stored @ query).astype(np.float64)
        order = np.argsort(-similarities)
        made = ranked_again(ranking, query, stored, similarities, order)
        alone = ranked_again(
            ranking, query, stored[order[:5]], similarities[order[:5]], np.arange(5)
        )
        np.testing.assert_allclose(made[order[:5]], alone)
        assert (made[order[5:]] <= made[order[:5]].min()).all()
        distances = np.diff(made[order[5:]])
        np.testing.assert_allclose(distances, np.diff(similarities[order[5:]]))

    def test_none_found(self) -> None:
        nothing = np.empty(0)
        made = ranked_again(
            SuperGlobal(4), unit(0, 1)[0], unit(1, 0), nothing, nothing.astype(np.int64)
        )
        assert made.shape == (0,)
