"""What captions say of words: against the definition, spelled alike, and read back from a file."""

import math

import numpy as np
import pytest

from retrieval.rejection.words import WordSupport, words_of
from spectrum.encoders.caption_words import CaptionWords
from tests.references.satipatthana_gate import log_probability, padded

CAPTIONS = [
    "A brown dog runs on the grass .",
    "A dog jumps over a log",
    "The dog and the cat sleep",
    "A girl throws a frisbee to a dog",
]


@pytest.fixture
def support() -> WordSupport:
    return WordSupport.counted(CAPTIONS)


def test_words_are_lower_case_and_keep_inner_marks() -> None:
    assert words_of("A man's T-shirt , wet!") == ["a", "man's", "t-shirt", "wet"]
    assert words_of("Ein Hündchen läuft") == ["ein", "hündchen", "läuft"]


@pytest.mark.parametrize("text", ["a dog runs", "the girl sleep", "walrus over a log", "dog"])
def test_fluency_is_absolute_discounting(support: WordSupport, text: str) -> None:
    captions = [words_of(caption) for caption in CAPTIONS]
    row = padded(words_of(text))
    each = [log_probability(captions, row[i], (row[i - 2], row[i - 1])) for i in range(2, len(row))]
    assert support.evidence(text).fluency == pytest.approx(sum(each) / len(each), abs=1e-12)


@pytest.mark.parametrize("text", ["a dog", "a walrus on the grass", "girl cat walrus qqq", "the"])
def test_the_likelihood_ratio_is_of_captions_here_and_at_large(text: str) -> None:
    elsewhere = ["a walrus", "a walrus and a cat", "the walrus", "a girl", "cats"]
    held = {"walrus": 3, "cat": 1, "girl": 1}
    support = WordSupport.counted(CAPTIONS, CaptionWords(held, len(elsewhere)))
    naming = {"a dog": ["dog"], "a walrus on the grass": ["walrus", "grass"], "the": ["the"]}
    total = 0.0
    words = naming.get(text, text.split())
    for word in words:
        here = sum(word in words_of(caption) for caption in CAPTIONS) / len(CAPTIONS)
        there = held.get(word, 0) / len(elsewhere)
        total += math.log((here + 1 / len(CAPTIONS)) / (there + 1 / len(CAPTIONS)))
    expected = total / len(words)
    assert support.evidence(text).likelihood_ratio == pytest.approx(expected, abs=1e-12)
    again = WordSupport.restored(support.arrays())
    assert again.evidence(text) == support.evidence(text)


def test_support_counts_captions_and_lends_to_misspellings(support: WordSupport) -> None:
    assert support.support("dog") == pytest.approx(math.log(5))
    assert 0 < support.support("frisbees") < support.support("frisbee") + 1e-9
    assert support.support("walrus") == 0.0
    assert support.least_supported("a dog with a walrus") == ("walrus", 0)
    assert support.least_supported("?!") is None


def test_a_text_without_words_is_as_unknown_as_can_be(support: WordSupport) -> None:
    nothing, known = support.evidence("..."), support.evidence("a dog")
    assert nothing.least_support == 0.0
    assert nothing.fluency < known.fluency


def test_what_is_read_back_says_the_same(support: WordSupport) -> None:
    again = WordSupport.restored(support.arrays())
    for text in (*CAPTIONS, "a walrus on the grass", "frisbees", ""):
        assert again.evidence(text) == support.evidence(text)
    assert again.n_captions == 4


def test_without_captions_nothing_is_known() -> None:
    empty = WordSupport.restored(WordSupport.counted([]).arrays())
    assert empty.evidence("a dog").least_support == 0.0
    assert np.isfinite(empty.evidence("a dog").fluency)
