"""Words and their numbers."""

import pytest

from spectrum.captioners.vocabulary import Vocabulary, counted


def test_words_are_counted_and_the_rare_ones_left_out() -> None:
    vocabulary = counted(["A dog runs .", "a dog", "A cat 's dog"], 2)
    assert vocabulary.words == ("<end>", "<unknown>", "a", "dog")
    assert len(vocabulary) == 4
    assert vocabulary.ids("A dog RUNS.") == [2, 3, 1]


def test_a_sentence_is_plain() -> None:
    vocabulary = counted(["a man 's dog runs"], 1)
    assert vocabulary.sentence(vocabulary.ids("a dog")) == "A dog."
    for text in ("a man 's dog runs", "A man's dog, runs!"):
        assert vocabulary.sentence(vocabulary.ids(text)) == "A man's dog runs."
    assert vocabulary.sentence([]) == ""
    assert vocabulary.sentence([1, 0]) == ""


def test_a_vocabulary_without_its_special_words_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with <end> and <unknown>"):
        Vocabulary(("a", "dog"))
