"""What users make of texts, by worked examples and by what holds for any word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrum.training import text_noise

CAPTION = "A young boy in a red shirt is climbing the wooden stairs"
NOUNS = frozenset({"boy", "shirt", "dog", "child", "berry", "glass", "bus"})


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_neighbours_lie_on_a_keyboard() -> None:
    assert sorted(text_noise.neighbours("s")) == sorted("adwx")
    assert sorted(text_noise.neighbours("q")) == sorted("wa")
    assert text_noise.neighbours("3") == ""


@given(st.text(alphabet="abcdefghij", min_size=4, max_size=12), st.integers(0, 10_000))
def test_a_slip_changes_one_place_after_the_first_letter(word: str, seed: int) -> None:
    made = text_noise.misspelled(word, random(seed))
    assert made[0] == word[0]
    assert abs(len(made) - len(word)) <= 1
    if len(set(word[1:])) > 1:
        assert made != word
    if len(made) == len(word):
        differing = [place for place in range(len(word)) if made[place] != word[place]]
        assert len(differing) <= 2
        if len(differing) == 2:
            assert sorted(made) == sorted(word)
            assert differing[1] == differing[0] + 1


@pytest.mark.parametrize("count", [1, 2])
def test_as_many_words_are_misspelled_as_asked_for(count: int) -> None:
    for seed in range(20):
        made = text_noise.with_typos(CAPTION, count, random(seed)).split()
        changed = [was for was, now in zip(CAPTION.split(), made, strict=True) if was != now]
        assert len(changed) == count
        assert all(len(word) >= 4 for word in changed)


def test_a_text_of_short_words_has_no_typo() -> None:
    assert text_noise.with_typos("a red dog", 2, random()) == "a red dog"
    assert text_noise.with_typos("", 1, random()) == ""


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dog", "dogs"),
        ("box", "boxes"),
        ("beach", "beaches"),
        ("berry", "berries"),
        ("boy", "boys"),
        ("child", "children"),
        ("glass", "glasses"),
        ("knife", "knives"),
    ],
)
def test_plural_and_back(one: str, many: str) -> None:
    assert text_noise.plural(one) == many
    assert text_noise.singular(many) == one


@pytest.mark.parametrize("word", ["grass", "bus", "dog", "gas", "red"])
def test_what_is_no_plural_stays(word: str) -> None:
    assert text_noise.singular(word) == word


def test_other_number_turns_nouns_only() -> None:
    assert text_noise.other_number("Two dogs chase the Boy", NOUNS) == "Two dog chase the boys"
    assert text_noise.other_number("children eat berries", NOUNS) == "child eat berry"
    assert text_noise.other_number("runs fast", NOUNS) == "runs fast"


def test_keywords_are_the_words_that_say_something() -> None:
    made = text_noise.keywords("A dog, the beach and a dog with a ball .", random())
    assert sorted(made.split()) == ["ball", "beach", "dog"]
    assert text_noise.keywords("it is on", random()) == "it is on"
    orders = {text_noise.keywords("red dog ball", random(seed)) for seed in range(30)}
    assert len(orders) == 6


def test_articles_go() -> None:
    assert text_noise.without_articles("A dog and the ball") == "dog and ball"
    assert text_noise.without_articles("the a") == "the a"


def test_a_prefix_replaces_a_prefix() -> None:
    for seed in range(10):
        made = text_noise.prefixed("a photo of an owl", random(seed))
        assert made.endswith("owl")
        assert any(made == prefix + "owl" for prefix in text_noise.PREFIXES)


def test_half_of_the_captions_stay_and_all_ways_occur() -> None:
    chance = random()
    made = [text_noise.noised(CAPTION, chance, NOUNS) for _ in range(2000)]
    assert 0.44 < made.count(CAPTION) / len(made) < 0.54
    assert any(text.endswith(CAPTION) and text != CAPTION for text in made)
    assert "young boy in red shirt is climbing wooden stairs" in made
    kept = ["boy", "climbing", "red", "shirt", "stairs", "wooden", "young"]
    assert any(sorted(text.split()) == kept for text in made)
    assert any("boys" in text and "shirts" in text for text in made)


def test_a_short_text_keeps_its_words() -> None:
    chance = random()
    made = {text_noise.noised("the red dogs", chance, frozenset()) for _ in range(300)}
    assert "red dogs" not in made
    assert all(len(text.split()) >= 3 for text in made)


def test_one_seed_one_noise() -> None:
    runs = [
        [text_noise.noised(CAPTION, generator, NOUNS) for _ in range(20)]
        for generator in (random(5), random(5))
    ]
    assert runs[0] == runs[1]
