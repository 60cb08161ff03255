"""Voids: made of what the library says, and never of what it supports."""

import numpy as np
import pytest

from retrieval.rejection.voids import TextVoids, fragments, image_voids, nouns_of
from retrieval.rejection.words import SMALL, WordSupport, words_of

CAPTIONS = [
    f"a {colour}{animal} is on the {place}"
    for colour in ("brown ", "white ", "")
    for animal in ("dog", "horse", "otter")
    for place in ("beach", "grass", "road")
]


@pytest.fixture
def voids() -> TextVoids:
    return TextVoids(CAPTIONS, WordSupport.counted(CAPTIONS), forbidden=frozenset({"walrus"}))


def test_nouns_are_told_from_adjectives() -> None:
    assert set(nouns_of(CAPTIONS)) == {"dog", "horse", "otter", "beach", "grass", "road"}


def test_a_swap_changes_one_noun_into_an_absent_one(voids: TextVoids) -> None:
    for _ in range(50):
        void = voids.swapped()
        assert void is not None
        before, after = words_of(CAPTIONS[void.source]), words_of(void.text)
        added = [word for word in after if word not in before]
        assert added
        assert not any(word in voids.support.holding for word in added)


def test_a_swap_says_which_words_are_new(voids: TextVoids) -> None:
    for maker in (voids.swapped, voids.rare_swapped):
        for void in filter(None, (maker() for _ in range(50))):
            before, after = words_of(CAPTIONS[void.source]), words_of(void.text)
            new = void.swapped_in
            rest = len(before) - new.start - 1
            assert after[: new.start] == before[: new.start]
            assert after[new.stop :] == before[len(before) - rest :]
            assert len(after) == len(before) - 1 + len(new)


def test_what_captions_hold_or_is_forbidden_is_no_void(voids: TextVoids) -> None:
    assert "otter" not in voids.absent
    assert "walrus" not in voids.absent
    assert "zebra" in voids.absent


def test_the_same_seed_makes_the_same_voids(voids: TextVoids) -> None:
    again = TextVoids(CAPTIONS, voids.support, forbidden=frozenset({"walrus"}))
    assert voids.made(100) == again.made(100)
    assert {void.kind for void in voids.made(300)} >= {"swapped", "absent", "domain", "gibberish"}


def test_pieces_keep_a_word_of_their_caption(voids: TextVoids) -> None:
    for maker in (voids.swapped_piece, voids.rare_piece):
        for void in filter(None, (maker() for _ in range(60))):
            words = void.text.split()
            own = words_of(CAPTIONS[void.source])
            assert sum(word in own for word in words if word not in SMALL) >= 1
            assert len([word for word in words if word not in own]) >= 1 or void.kind == "rare"


def test_without_captions_only_far_voids_are_left() -> None:
    made = TextVoids([], WordSupport.counted([])).made(100)
    assert {void.kind for void in made} == {"absent", "scene", "domain", "gibberish"}


def test_fragments_are_pieces_that_name_something_or_naming_words() -> None:
    captions = [*CAPTIONS, "old brown dogs chase red balls"] * 20
    found = fragments(captions, np.random.default_rng(0))
    lengths, picked_out = set(), 0
    for text, row in found:
        words, said = text.split(), words_of(captions[row])
        if f" {text} " in f" {' '.join(said)} ":
            assert words[-1] not in SMALL
        else:
            picked_out += 1
            assert not SMALL.intersection(words)
            assert [word for word in said if word in words] == words
        lengths.add(len(words))
    assert lengths == {1, 2, 3, 4}
    assert 0.1 < picked_out / len(found) < 0.5


def test_image_voids_take_every_number_from_some_picture() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    made, own = image_voids(vectors, 50, rng)
    for row, source in zip(made, own.tolist(), strict=True):
        assert not np.array_equal(row, vectors[source])
        assert all(number in vectors[:, column] for column, number in enumerate(row))
