"""What cosine a text lets expect: forms, the surplus against a loop, the file, and what ships."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.encoders.expected_match import (
    FILE,
    ODDITY,
    READABLE,
    RISE,
    SMALLEST_LIBRARY,
    ExpectedMatch,
    asked_forms,
    expected_match,
    match_for,
    over_forms,
    surplus,
    written_match,
)
from spectrum.encoders.protocol import ModelUnavailableError

COSINES = arrays(np.float32, 5, elements=st.floats(-1, 1, width=32))
LETTERS = arrays(np.float32, 5, elements=st.floats(0.5, 20, width=32))


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder()


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("walrus", ("walrus", "a walrus")),
        ("A walrus", ("walrus", "a walrus")),
        ("the old owl", ("old owl", "an old owl")),
        ("two walruses", ("two walruses",)),
        ("my dog", ("my dog",)),
        ("a dog runs after a ball", ("a dog runs after a ball",)),
        ("a", ("a",)),
        ("", ("",)),
    ],
)
def test_a_phrase_is_asked_with_and_without_its_article(text: str, forms: tuple[str, ...]) -> None:
    assert asked_forms(text) == forms


def test_values_are_averaged_over_the_forms_of_a_text() -> None:
    values = np.array([1, 3, 5, 2, 4], dtype=np.float32)
    assert over_forms(values, ["dog", "two dogs", "an owl"]).tolist() == [2, 5, 3]
    assert over_forms(values[:0], []).tolist() == []


@given(COSINES, COSINES, LETTERS, st.integers(1, 10**7))
def test_the_surplus_is_what_a_loop_finds(
    best: np.ndarray, expected: np.ndarray, letters: np.ndarray, n_pictures: int
) -> None:
    found = surplus(best, expected, letters, n_pictures)
    for row in range(5):
        value = float(best[row]) - float(expected[row])
        if n_pictures > SMALLEST_LIBRARY:
            value -= RISE * (math.log(n_pictures) - math.log(SMALLEST_LIBRARY))
        if letters[row] < READABLE:
            value -= ODDITY * (READABLE - float(letters[row]))
        assert found[row] == pytest.approx(value, abs=1e-6)


def some_match() -> ExpectedMatch:
    dice = np.random.default_rng(0)
    levels = {form: np.sort(dice.normal(size=9)).astype(np.float32) for form in ("phrase", "other")}
    return ExpectedMatch("f" * 32, dice.normal(size=6).astype(np.float32), levels, 120)


def test_what_is_written_is_read_in_half_precision(tmp_path: Path) -> None:
    match = some_match()
    (tmp_path / FILE).write_bytes(written_match(match))
    read = expected_match(tmp_path)
    assert read is not None
    assert (read.encoder, read.pairs, set(read.levels)) == ("f" * 32, 120, {"phrase", "other"})
    np.testing.assert_allclose(read.weights, match.weights, rtol=1e-3)
    for form, levels in match.levels.items():
        np.testing.assert_allclose(read.levels[form], levels, rtol=1e-3)
    texts = np.eye(5, dtype=np.float32)
    np.testing.assert_allclose(read.expected(texts), read.weights[:-1] + read.weights[-1])


@pytest.mark.parametrize("damage", [b"", b"nothing", b"\xff" * 400])
def test_a_damaged_file_is_one_line_of_error(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    with pytest.raises(ModelUnavailableError, match="install it again"):
        expected_match(tmp_path)


def test_a_file_without_its_facts_is_one_line_of_error(tmp_path: Path) -> None:
    from safetensors.numpy import save

    (tmp_path / FILE).write_bytes(save({"weights": np.zeros(3, np.float32)}, {"pairs": "4"}))
    with pytest.raises(ModelUnavailableError, match="'encoder'"):
        expected_match(tmp_path)


def test_it_is_for_one_encoder_only(encoder: EmbeddedEncoder, tmp_path: Path) -> None:
    assert match_for(encoder.identity, tmp_path) is None
    other = replace(encoder.identity, weights_hash="0" * 32)
    assert match_for(other, SHIPPED) is None
    (tmp_path / FILE).write_bytes(written_match(replace(some_match(), encoder=other.fingerprint)))
    assert match_for(other, tmp_path) is not None


def test_what_ships_is_of_the_encoder_that_ships(encoder: EmbeddedEncoder) -> None:
    match = match_for(encoder.identity, SHIPPED)
    assert match is not None
    assert len(match.weights) == encoder.identity.semantic_dimension + 1
    assert set(match.levels) == {"sentence", "phrase"}
    for levels in match.levels.values():
        assert len(levels) == 99
        assert np.all(np.diff(levels) >= 0)


def test_letters_in_no_order_fall_into_small_pieces(encoder: EmbeddedEncoder) -> None:
    texts = ["a dog runs", "asdkjh qwe", "a walrus", "", "WALRUS!"]
    plain, odd, name, nothing, loud = encoder.letters_per_piece(texts)
    assert plain == nothing == np.inf
    assert odd < READABLE < name == loud
    assert encoder.letters_per_piece([]).shape == (0,)


def test_of_other_scripts_nothing_can_be_spelled(encoder: EmbeddedEncoder) -> None:
    texts = ["собака бежит", "犬", "dog 🐶", "наш dog", "5 €", "🐶"]
    assert encoder.letters_per_piece(texts).tolist() == [0, 0, np.inf, np.inf, np.inf, np.inf]


def test_abbreviations_are_no_nonsense(encoder: EmbeddedEncoder) -> None:
    assert encoder.letters_per_piece(["bbq", "nyc at night"]).tolist() == [np.inf, np.inf]
    assert np.all(encoder.letters_per_piece(["nycq", "470"]) < READABLE)


def test_the_word_that_is_broken_most_counts(encoder: EmbeddedEncoder) -> None:
    walrus, odd, both = encoder.letters_per_piece(["walrus", "xkqzvw", "a walrus by xkqzvw"])
    assert both == min(walrus, odd)
