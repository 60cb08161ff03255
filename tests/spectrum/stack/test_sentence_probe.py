"""The probe that tells sentences from words: against a loop, and where it stands."""

import numpy as np
import pytest

from spectrum.stack.lexicon import Lexicon, text_questions
from spectrum.stack.sentence_probe import RIDGE, SentenceProbe, fitted_probe
from tests.references import lexicon as loops

RNG = np.random.default_rng(5)


def texts(n: int, towards: int) -> np.ndarray:
    made = RNG.normal(size=(n, 7)) * 0.3
    made[:, towards] += 1
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


WORDS, SENTENCES = texts(11, 0), texts(23, 1)


def test_a_fit_solves_the_loops_equation() -> None:
    probe = fitted_probe(WORDS, SENTENCES)
    left, right = loops.probe_equation(WORDS.tolist(), SENTENCES.tolist(), RIDGE)
    np.testing.assert_allclose(np.array(left) @ probe.weights, right, atol=1e-5)
    middle = (WORDS.mean(axis=0) + SENTENCES.mean(axis=0)) / 2
    assert float(middle @ probe.weights) + probe.offset == pytest.approx(0.5, abs=1e-6)


def test_words_and_sentences_are_told_apart_and_half_of_each_is_between() -> None:
    probe = fitted_probe(WORDS, SENTENCES)
    words, sentences = (probe.shares(each)[:, 0] for each in (WORDS, SENTENCES))
    assert words.max() < 0.5 < sentences.min()
    between = probe.shares((WORDS[:1] + SENTENCES[:1]) / 2)[0, 0]
    assert words[0] < between < sentences[0]


def test_shares_are_of_one_and_stop_at_its_ends() -> None:
    probe = SentenceProbe(np.array([2, 0], dtype=np.float32), -0.5)
    vectors = np.array([[0, 1], [0.5, 0], [1, 0]], dtype=np.float32)
    assert probe.shares(vectors).tolist() == [[0, 1], [0.5, 0.5], [1, 0]]
    assert probe.shares(vectors[:0]).shape == (0, 2)


def test_as_many_of_one_kind_as_one_likes_do_not_move_the_middle() -> None:
    once, often = fitted_probe(WORDS, SENTENCES), fitted_probe(WORDS, np.tile(SENTENCES, (9, 1)))
    np.testing.assert_allclose(once.weights, often.weights, atol=1e-5)


@pytest.mark.parametrize("n", [0, 3])
def test_one_kind_alone_teaches_nothing(n: int) -> None:
    with pytest.raises(ValueError, match="there are none of a kind"):
        fitted_probe(WORDS[:n], SENTENCES[: 3 - n])


def test_what_texts_ask_with_says_how_much_of_a_sentence_they_are() -> None:
    nothing = np.zeros((0, 1), dtype=np.float32), np.zeros((1, 9), dtype=np.float32)
    probe = fitted_probe(WORDS, SENTENCES)
    asked = text_questions(Lexicon((), *nothing, 1.0, probe), ["dog", "dogs"], WORDS[:2], 9)
    np.testing.assert_allclose(asked[:, :7], WORDS[:2])
    assert asked[:, 7:9].tolist() == [[0, 0], [0, 0]]
    np.testing.assert_array_equal(asked[:, 9:], probe.shares(WORDS[:2]))
    assert text_questions(None, ["dog"], WORDS[:1], 9)[0, 9:].tolist() == [1, 0]
