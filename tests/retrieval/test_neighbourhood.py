"""Queries among refined vectors: what words look like, and images among what they find."""

import numpy as np

from retrieval.query import ImagePart, Query, TextPart
from retrieval.ranking.neighbourhood import among, asked_parts, neighbourhood_parts
from retrieval.ranking.protocol import Found
from retrieval.ranking.query_expansion import expanded_queries
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.sentence_probe import SentenceProbe

ROWS = np.array([[1, 0, 0, 1, -0.3, -0.2], [0, 1, 1, 0, -0.1, -0.4]], dtype=np.float32)
"""[F; -h]: blocks of two numbers, and two kinds of hubness."""


def found(queries: np.ndarray, k: int) -> Found:
    similarities = queries @ ROWS.T
    return Found(np.repeat(ROWS[None], len(queries), axis=0), similarities)


def test_an_image_is_expanded_and_words_stay_as_they_are() -> None:
    query = Query(parts=(TextPart(text="a dog"), ImagePart(image="a.jpg")))
    parts = np.array([[0.6, 0.8, 0, 0, 1, 0], [0.3, 0, 0.6, 0.1, 0, 0]], dtype=np.float32)
    moved = neighbourhood_parts(query, parts, found, semantic=2)
    assert moved[0].tolist() == parts[0].tolist()
    assert moved[1, -2:].tolist() == [0, 0]
    plain = Found(ROWS[None, :, :-2], parts[1:, :-2] @ ROWS[:, :-2].T)
    wanted = expanded_queries(parts[1:, :-2], plain, semantic=2)
    np.testing.assert_allclose(moved[1, :-2], wanted[0], atol=1e-6)
    assert float(np.abs(moved[1] - parts[1]).max()) > 0.01
    assert parts[1, 0] == np.float32(0.3), "the parts that were given were changed"


def test_words_ask_with_what_they_look_like_and_images_do_not() -> None:
    query = Query(parts=(TextPart(text="a red dog"), ImagePart(image="a.jpg")))
    parts = np.array([[0.6, 0.8, 0, 0], [0.3, 0, 0.6, 0.1]], dtype=np.float32)
    direction = np.array([[0, 0, 0.6, 0.8]], dtype=np.float32)
    lexicon = Lexicon(("a", "dog", "red"), np.ones((3, 1), dtype=np.float32), direction, 0.5)
    asked = asked_parts(query, parts, lexicon, semantic=2)
    np.testing.assert_allclose(asked[0], [0.6, 0.8, 0.3, 0.4, 1, 0], atol=1e-6)
    np.testing.assert_array_equal(asked[1], [*parts[1], 0, 0])
    np.testing.assert_array_equal(asked_parts(query, parts, None, semantic=2)[0], [*parts[0], 1, 0])


def test_what_is_no_sentence_is_spared_the_hubness_among_sentences() -> None:
    query = Query(parts=(TextPart(text="dog"),))
    probe = SentenceProbe(np.array([0.5, 0], dtype=np.float32), -0.05)
    none = np.zeros((0, 1), dtype=np.float32), np.zeros((1, 4), dtype=np.float32)
    parts = np.array([[0.6, 0.8, 0, 0]], dtype=np.float32)
    asked = asked_parts(query, parts, Lexicon((), *none, 0.5, probe), semantic=2)
    np.testing.assert_allclose(asked[0], [*parts[0], 0.25, 0.75], atol=1e-6)


def test_an_empty_library_leaves_the_query_as_it_is() -> None:
    query = np.array([[0.6, 0.8, 0, 1]], dtype=np.float32)
    nothing = Found(np.zeros((1, 0, 6), dtype=np.float32), np.zeros((1, 0), dtype=np.float32))
    np.testing.assert_array_equal(among(query, nothing, 2), query)
