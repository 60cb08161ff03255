"""Words by themselves: which they are, and what a stack's file holds of them."""

from pathlib import Path

import numpy as np

from spectrum.encoders import EncoderIdentity
from spectrum.stack.learning.story import LearnedStack, write_stack
from spectrum.stack.learning.terms import COMMON_WORDS, common_words, encoded_terms
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.weight_file import load_stack
from tests.spectrum.stack.stacks import SEMANTIC, small_config, trained

RNG = np.random.default_rng(3)


def lexicon(*words: str) -> Lexicon:
    width = small_config().width
    return Lexicon(
        words, RNG.normal(size=(len(words), 3)).astype("f4"), np.ones((3, width), "f4"), 0.3
    )


def encode(texts: list[str]) -> np.ndarray:
    """Sentences end with a full stop and point one way, words the other."""
    made = RNG.normal(size=(len(texts), SEMANTIC)).astype(np.float32) * np.float32(0.2)
    made[:, 0] += [1 if text.endswith(".") else -1 for text in texts]
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_the_most_frequent_words_come_first_and_unknown_ones_do_not() -> None:
    captions = [["a dog runs.", "the dog"], ["a cat.", "zebra zebra zebra"]]
    known = lexicon("a", "cat", "dog", "the")
    assert common_words(captions, known) == ("a", "dog", "cat", "the")
    many = lexicon(*(f"w{i:04}" for i in range(COMMON_WORDS + 5)))
    assert common_words([["w0604 w0604", "w0604"]], many)[:2] == ("w0604", "w0000")
    assert len(common_words([["w0604"]], many)) == COMMON_WORDS


def test_words_are_encoded_with_and_without_a_frame() -> None:
    asked: list[list[str]] = []

    def heard(texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return encode(texts)

    assert encoded_terms((), heard) is None
    made = encoded_terms(("dog", "cat"), heard)
    assert asked == [["dog", "cat"], ["a photo of a dog", "a photo of a cat"]]
    assert made
    assert made.alone.shape == made.framed.shape == (2, SEMANTIC)


def test_a_written_stack_tells_words_from_sentences(tmp_path: Path) -> None:
    identity = EncoderIdentity(
        name="e",
        weights_hash="w",
        preprocessing="none",
        semantic_dimension=SEMANTIC,
        visual_dimension=5,
        licence="none",
    )
    words = [f"w{i}" for i in range(20)]
    said = [f"w{i} and w{i + 1}." for i in range(19)]
    made = LearnedStack(trained().stack, [], lexicon(*words), tuple(words))
    terms = encoded_terms(words, encode)
    write_stack(tmp_path / "with", made, said, encode(said), identity, terms)
    held = load_stack(tmp_path / "with")
    assert held.terms is not None
    assert held.terms.shape == (20, SEMANTIC)
    assert held.lexicon
    assert held.lexicon.probe
    assert held.lexicon.probe.shares(encode(["new."] * 9))[:, 0].min() > 0.5
    assert held.lexicon.probe.shares(encode(["new"] * 9))[:, 0].max() < 0.5
    write_stack(tmp_path / "without", made, said, encode(said), identity)
    alone = load_stack(tmp_path / "without")
    assert alone.terms is None
    assert alone.lexicon
    assert alone.lexicon.probe is None
