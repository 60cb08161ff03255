"""Words by their company: against counting by hand, and what is made of words that nobody said."""

import math

import numpy as np
import pytest

from retrieval.rejection import cooccurrence
from retrieval.rejection.cooccurrence import COMPANIONS, companions, guessed
from retrieval.rejection.words import SMALL, words_of
from tests.references.satipatthana_gate import positive_information

CAPTIONS = ["a dog on grass", "a dog and a cat", "the dog on the grass", "cat"]


def test_information_is_that_of_the_definition() -> None:
    spoken = [words_of(caption) for caption in CAPTIONS]
    words = ["a", "cat", "dog", "grass"]
    found = cooccurrence._positive_information(spoken, words, SMALL)
    said = {
        (words[a], words[b]): value
        for a, b, value in zip(found.rows, found.columns, found.values, strict=True)
    }
    expected = positive_information(spoken, words, SMALL, cooccurrence.SMOOTHING)
    assert said.keys() == expected.keys()
    for pair, value in said.items():
        assert value == pytest.approx(expected[pair], abs=1e-12)


def test_information_of_two_words_by_hand() -> None:
    """Of 6 pairs "dog" has 3, "grass" 2 and "cat" 1, which is beside nothing but a dog."""
    spoken = [words_of(caption) for caption in CAPTIONS]
    found = cooccurrence._positive_information(spoken, ["cat", "dog", "grass"], SMALL)
    context = 3**0.75 / (3**0.75 + 2**0.75 + 1)
    (of_cat,) = found.values[found.rows == 0]
    assert of_cat == pytest.approx(math.log(1 / context))


def _spoken(rng: np.random.Generator, count: int) -> list[list[str]]:
    """Two kinds of captions, each of 40 words of its own."""
    return [
        [f"{kind}{number}" for number in rng.integers(40, size=5)]
        for kind in rng.choice(["land", "sea"], size=count)
    ]


def test_words_of_one_kind_of_caption_are_alike() -> None:
    rng = np.random.default_rng(0)
    spoken = _spoken(rng, 900)
    words = sorted({word for caption in spoken for word in caption})
    holding = {word: sum(word in caption for caption in spoken) for word in words}
    meant = np.array([[1.0 if word.startswith("sea") else -1.0, 0.5] for word in words])
    found = companions(spoken, holding, meant.astype(np.float32), frozenset())
    assert found.vectors.shape == (80, COMPANIONS)
    unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    sea = np.array([word.startswith("sea") for word in words])
    assert likeness[np.ix_(sea, sea)].mean() > likeness[np.ix_(sea, ~sea)].mean() + 0.05
    again = companions(spoken, holding, meant.astype(np.float32), frozenset())
    np.testing.assert_array_equal(again.vectors, found.vectors)
    new = guessed(np.array([[1.0, 0.5]], np.float32), found.guess)
    new /= np.linalg.norm(new)
    assert (unit[sea] @ new[0]).mean() > (unit[~sea] @ new[0]).mean()


def test_few_words_have_no_companions() -> None:
    meant = np.ones((3, 2), np.float32)
    found = companions([["a", "b"]], {"a": 1, "b": 1, "c": 1}, meant, frozenset())
    assert found.vectors.shape == (3, 0)
    assert guessed(meant, found.guess).shape == (3, 0)
    none = companions([], {}, np.ones((0, 2), np.float32), frozenset())
    assert none.vectors.shape == (0, 0)
