"""What words look like: readings against a loop, and what is learned from captioned images."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectrum.stack.lexicon import Lexicon, words_of
from spectrum.stack.lexicon_training import LexiconTraining, best_share, both_ways, learned_lexicon
from tests.references import lexicon as loops

WORDS = ("dog", "grass", "red")
RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(3, 5)).astype(np.float32)
BASIS = RNG.normal(size=(5, 7)).astype(np.float32)
LEXICON = Lexicon(WORDS, ROWS, BASIS, 0.4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog, a DOG!", ["a", "dog"]),
        ("", []),
        ("snow_ball 2nd café", ["snow", "ball", "2nd", "café"]),
        ("\uff24\uff4f\uff47", ["dog"]),
        ("...", []),
        ("A photo of a dog", ["a", "dog"]),
        ("  the Pictures of dogs", ["dogs"]),
        ("a man takes a photo of a dog", ["a", "man", "takes", "photo", "of", "dog"]),
        ("photo of", ["photo", "of"]),
        ("photographer of dogs", ["photographer", "of", "dogs"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("text", ["dog", "a red dog on grass", "dog unknown things", "Grass grass"])
def test_a_reading_is_the_loops(text: str) -> None:
    rows = {word: row.tolist() for word, row in zip(WORDS, ROWS, strict=True)}
    expected = loops.reading(words_of(text), rows, BASIS.tolist(), 0.4)
    np.testing.assert_allclose(LEXICON.readings([text])[0], expected, rtol=1e-5, atol=1e-7)


def test_a_text_of_known_words_is_as_long_as_the_share_and_others_are_shorter() -> None:
    known, half, none = np.linalg.norm(
        LEXICON.readings(["red dog", "red zebra", "zebra crossing"]), axis=1
    )
    assert known == pytest.approx(0.4)
    assert 0 < half < 0.4
    assert none == 0


@given(st.permutations(["red", "dog", "on", "grass"]))
def test_the_order_of_words_says_nothing(words: list[str]) -> None:
    np.testing.assert_allclose(
        LEXICON.readings([" ".join(words)]), LEXICON.readings(["red dog on grass"]), atol=1e-6
    )


def test_no_texts() -> None:
    assert LEXICON.readings([]).shape == (0, 7)


def test_the_loss_is_the_loops() -> None:
    logits = torch.from_numpy(np.random.default_rng(3).normal(size=(10, 5)))
    assert both_ways(logits.float()).item() == pytest.approx(
        loops.both_ways(logits.tolist()), rel=1e-5
    )


def test_the_share_is_what_held_out_images_like() -> None:
    images = np.array([[1, 0, 1, 0], [1, 0, 0, 1]], dtype=np.float32)
    sentences = np.array([[[1, 0]], [[1, 0]]], dtype=np.float32)
    rows, basis = np.eye(2, dtype=np.float32), np.eye(4, dtype=np.float32)[2:]
    knows = Lexicon(("left", "right"), rows, basis, 1.0)
    assert best_share(knows, images, [["left"], ["right"]], sentences) == 0.1
    assert best_share(knows, images, [["right"], ["left"]], sentences) == 0
    assert best_share(knows, images, [["else"], ["where"]], sentences) == 0


COLOURS = ("red", "green", "blue", "white", "black")
THINGS = ("dog", "cat", "boat", "tree", "ball")


def _collection(
    images: int,
) -> tuple[np.ndarray, list[list[str]]]:
    """Images of one thing of one colour; their vectors are sums of the two's, and noise."""
    rng = np.random.default_rng(11)
    colours, things = rng.normal(size=(2, 5, 24))
    picked = rng.integers(5, size=(2, images))
    made = colours[picked[0]] + things[picked[1]] + 0.3 * rng.normal(size=(images, 24))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    said = [
        [f"a {COLOURS[c]} {THINGS[t]}", f"the {THINGS[t]} is {COLOURS[c]}"]
        for c, t in picked.T.tolist()
    ]
    return made.astype(np.float32), said


TRAINING = LexiconTraining(rank=16, epochs=20, batch=50)


def test_words_find_what_they_were_said_of_in_pairs_that_were_never_seen() -> None:
    visual, said = _collection(400)
    unseen = [row for row, texts in enumerate(said) if texts[0] == "a blue boat"]
    others = [row for row in range(400) if row not in unseen]
    lexicon = learned_lexicon([visual[others]], [said[row] for row in others], TRAINING)
    assert lexicon is not None
    best = np.argsort(-(visual @ lexicon.readings(["blue boat"])[0]))[: len(unseen)]
    assert len(set(best.tolist()) & set(unseen)) >= 0.8 * len(unseen)


def test_equal_seeds_learn_equal_lexicons() -> None:
    visual, said = _collection(60)
    first, second = (learned_lexicon([visual], said, TRAINING) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.words == second.words
    np.testing.assert_array_equal(first.rows, second.rows)


def test_rare_words_stay_unknown() -> None:
    visual, said = _collection(60)
    said[0] = ["a turquoise dog", "the dog is turquoise"]
    lexicon = learned_lexicon([visual], said, TRAINING)
    assert lexicon is not None
    assert "turquoise" not in lexicon.words
    assert {"red", "dog", "the"} <= set(lexicon.words)


def test_nothing_is_learned_where_no_word_is_said_often() -> None:
    visual, _ = _collection(4)
    assert learned_lexicon([visual], [["one"], ["two"], ["three"], ["four"]], TRAINING) is None
