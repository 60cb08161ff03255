"""BLEU-4, CIDEr-D, the confidence's curve: worked numbers, intervals, edges."""

import math
import re

import numpy as np
import pytest

from spectrum.captioners.vocabulary import spelled
from spectrum.training.caption_confidence import (
    calibration_error,
    confirmed_shares,
    fitted_confidence,
    plain_words,
)
from spectrum.training.caption_measurement import commonest_caption, nearest_captions
from spectrum.training.caption_measures import Bleu, Cider, figures

TWO = [["A dog runs in the snow .", "a dog in snow"], ["Two men sit down on grass ."]]


def test_people_repeated_word_for_word_are_right_and_others_are_not() -> None:
    """BLEU 1 for captions that are references, less for a wrong word, nothing for another text."""
    same = figures([texts[0] for texts in TWO], TWO)
    assert same["bleu_4"] == pytest.approx(1.0)
    assert same["bleu_4_interval"] == pytest.approx([1.0, 1.0])
    near = figures(["A dog runs in the rain .", "Two men sit down on grass ."], TWO)
    far = figures(["Some people", "Red"], TWO)
    for name in ("bleu_4", "bleu_4_words", "cider"):
        assert same[name] > near[name] > far[name] == 0.0


def test_bleu_of_a_worked_example() -> None:
    """Six of seven words, four of six pairs, two of five triples, one of four quadruples."""
    found = Bleu([["A B C D e f y"]]).estimate(["a b c d x e f"])
    assert found == pytest.approx(((6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25,) * 3)


def test_bleu_of_a_short_caption_is_cut_by_the_nearest_reference() -> None:
    """Four of four words, and the reference is eight words long: exp(1 - 8/4)."""
    cut = Bleu([["a b c d e f g h"]]).estimate(["a b c d"])
    assert cut.value == pytest.approx(math.exp(-1))
    # Images may have other numbers of references: the second has the one that was written.
    both = Bleu([["a b c d e f g h", "a b c d"], ["a b c d"]]).estimate(["a b c d"] * 2)
    assert both.value == pytest.approx(1.0)


def test_the_signature_says_how_bleu_was_computed() -> None:
    assert re.fullmatch(
        r"nrefs:5\|case:lc\|eff:no\|tok:13a\|smooth:exp\|version:\d.*",
        figures(["a dog", "a cat"], [["a dog"] * 5] * 2)["bleu_signature"],
    )


def test_intervals_are_of_photographs() -> None:
    """Two captions, one right: a draw has none, one or both of the right one."""
    right, wrong = "a b c d e", "v w x y z"
    found = figures([right, wrong], [[right], ["k l m n o"]])
    assert found["bleu_4_interval"] == pytest.approx([0.0, 1.0])
    assert found["cider_interval"] == pytest.approx([0.0, 10.0])
    # 400 captions, half of them right: the usual formula of a mean's interval nearly holds.
    references = [[right], ["k l m n o"]] * 200
    many = figures([right, wrong] * 200, references)
    low, high = many["cider_interval"]
    spread = np.std(Cider(references).each([right, wrong] * 200))
    assert (many["cider"] - low, high - many["cider"]) == pytest.approx(
        (1.96 * spread / 20,) * 2, rel=0.15
    )


def test_cider_of_a_worked_example() -> None:
    """Two images. The first caption is its reference: 10 in every order. The second is none."""
    references = [["a dog runs fast"], ["a man sits down"]]
    np.testing.assert_allclose(
        Cider(references).each(["A dog runs fast.", "four other words here"]), [10.0, 0.0]
    )
    # Of "a dog sleeps there" against "a dog runs fast": "a" is in both images, so worth nothing;
    # dog 1 of sqrt(3) sqrt(3), "a dog" 1 of 3 pairs, no triple.
    each = Cider(references).each(["a dog sleeps there", "a man sits down"])
    assert each[0] == pytest.approx(10 / 4 * (1 / 3 + 1 / 3))
    assert Cider(references).mean(["a dog sleeps there", "a man sits down"]) == each.mean()


def test_captions_and_images_are_as_many() -> None:
    """sacrebleu itself would leave out what has no partner."""
    for measure in (Bleu(TWO).estimate, Cider(TWO).mean):
        with pytest.raises(ValueError, match="1 captions for 2 images"):
            measure(["a dog"])
    with pytest.raises(ValueError, match="needs two groups"):
        figures(["a dog"], [["a dog"]])


def test_case_and_punctuation_count_in_bleu_as_people_wrote_them_and_never_in_cider() -> None:
    found = figures(
        ["A dog runs in snow.", "Two men sit."], [["a dog runs in snow"], ["two men sit"]]
    )
    assert found["bleu_4_words"] == pytest.approx(1.0)
    assert found["bleu_4"] < 1.0
    # The second caption has no quadruple, which pycocoevalcap counts as nothing.
    assert found["cider"] == pytest.approx((10.0 + 7.5) / 2)


def test_baselines() -> None:
    train = np.array([[1.0, 0.0], [0.0, 1.0]])
    captions = [["A dog .", "x"], ["Two men .", "a dog"]]
    asked = np.array([[0.1, 0.9], [0.8, 0.6]])
    assert nearest_captions(train, captions, asked) == ["Two men .", "A dog ."]
    assert commonest_caption(captions) == "a dog"


def test_words_are_spelled() -> None:
    assert spelled("A man 's T-shirt , isn't BLUE .") == [
        "a",
        "man",
        "'s",
        "t-shirt",
        "isn't",
        "blue",
    ]


def test_a_share_is_of_the_words_that_say_something() -> None:
    people = [["a dog runs", "the dog is brown"], ["a man", "a man sits"]]
    plain = frozenset({"a", "is", "the"})
    shares = confirmed_shares(["A brown dog is wet.", "A cat sits."], people, plain)
    np.testing.assert_allclose(shares, [2 / 3, 1 / 2])
    np.testing.assert_allclose(confirmed_shares(["A."], [["a dog"]], plain), [0.0])
    assert "a" in plain_words(people)
    assert len(plain_words([["a b c d e f g h i j k l m"]])) == 10


def test_the_confidence_curve_is_found_again() -> None:
    random = np.random.default_rng(0)
    log_probs = -random.gamma(4, 0.3, 4000)
    expected = 1 / (1 + np.exp(-(1.5 + 2.0 * log_probs)))
    offset, slope = fitted_confidence(log_probs, (random.random(4000) < expected).astype(float))
    assert (offset, slope) == pytest.approx((1.5, 2.0), abs=0.3)
    confidences = 1 / (1 + np.exp(-(offset + slope * log_probs)))
    assert calibration_error(confidences, expected) < 0.02
    # Everything right: sure, and still finite.
    offset, slope = fitted_confidence(log_probs, np.ones(4000))
    assert 1 / (1 + math.exp(-(offset - slope))) > 0.95


def test_calibration_error_of_a_worked_example() -> None:
    confidences = np.array([0.2, 0.2, 0.9, 0.9])
    assert calibration_error(confidences, np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(0.15)
