"""Words that are not wanted: forms of words, what is taken off, what comes last."""

from pathlib import Path

import numpy as np
import pytest

from indexer.captions import CaptionRow, store_captions
from retrieval import Library, Query, TextPart
from retrieval.ranking.composition import Moments
from retrieval.ranking.negation import (
    STANDS_OUT,
    SUBTRACTED,
    Judgement,
    finding_weights,
    judged_order,
    judgement,
    standing_out,
    unwanted_words,
)
from retrieval.ranking.word_forms import said_share, word_forms


def query(*parts: tuple[str, float]) -> Query:
    return Query(parts=tuple(TextPart(text=text, weight=weight) for text, weight in parts))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dog", "dogs"),
        ("boxes", "box"),
        ("beaches", "beach"),
        ("horses", "horse"),
        ("ponies", "pony"),
        ("stripes", "striped"),
        ("dots", "dotted"),
        ("snowy", "snow"),
        ("starry", "stars"),
        ("wooden", "wood"),
        ("running", "run"),
        ("People", "person"),
        ("women", "woman"),
    ],
)
def test_forms_of_one_word(one: str, other: str) -> None:
    assert not word_forms(one).isdisjoint(word_forms(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("red", "r"),
        ("glass", "gla"),
        ("green", "gre"),
        ("cube", "cub"),
        ("bus", "bu"),
        ("car", "cat"),
    ],
)
def test_words_that_are_strangers(one: str, other: str) -> None:
    assert word_forms(one).isdisjoint(word_forms(other))


@pytest.mark.parametrize(
    ("text", "caption", "share"),
    [
        ("a red ball", "two red balls on the grass", 1.0),
        ("a red ball", "a blue ball", 0.5),
        ("the", "the dog", 0.0),
        ("", "a dog", 0.0),
        ("dogs", "", 0.0),
    ],
)
def test_how_much_of_a_text_a_caption_says(text: str, caption: str, share: float) -> None:
    assert said_share(text, caption) == share


def test_how_much_is_subtracted() -> None:
    asked = query(("beach", 1.0), ("dog", -1.0), ("cat", -0.5))
    assert unwanted_words(asked).tolist() == [False, True, False]
    assert finding_weights(asked).tolist() == [1.0, -SUBTRACTED, -0.5]
    assert finding_weights(query(("dog", -1.0), ("cat", -2.0))).tolist() == [-1.0, -2.0]


def test_standing_out_by_hand() -> None:
    """Mean 1 and spread 0.5: what lies just above and below the limit."""
    moments = Moments(np.array([1.0]), np.array([0.5]))
    similarities = 1 + 0.5 * np.array([[STANDS_OUT - 0.1], [STANDS_OUT + 0.1], [0.0]])
    assert standing_out(similarities, moments).tolist() == [False, True, False]


def test_captions_judge_where_there_are_some() -> None:
    asked = query(("beach", 1.0), ("dogs", -1.0))
    captions = [["a dog on a beach"], ["a beach"], [], [], ["sand", "a puppy, a dog"]]
    far = np.array([[9.0], [9.0], [9.0], [0.0], [0.0]])
    judged = judgement(asked, captions, far, Moments(np.zeros(1), np.ones(1)))
    assert judged.dropped.tolist() == [True, False, False, False, True]
    assert judged.suspected.tolist() == [False, False, True, False, False]
    assert judged.wanted.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]


def test_the_order_by_hand() -> None:
    judged = Judgement(
        dropped=np.array([True, False, False, False, False]),
        suspected=np.array([False, True, False, False, False]),
        wanted=np.array([1.0, 1.0, 0.0, 1.0, 0.0]),
    )
    similarities, ids = np.array([5.0, 4.0, 3.0, 1.0, 3.0]), np.array([1, 2, 9, 4, 3])
    assert judged_order(judged, similarities, ids).tolist() == [3, 4, 2, 1]


def test_nothing_to_judge() -> None:
    moments = Moments(np.zeros(1), np.ones(1))
    judged = judgement(query(("dog", -1.0)), [], np.zeros((0, 1)), moments)
    assert judged_order(judged, np.zeros(0), np.zeros(0, dtype=np.int64)).tolist() == []


# A story -----------------------------------------------------------------------------------------


@pytest.fixture
def captioned(library: Library, pictures: Path) -> Library:
    """Each picture says its colour, in a sentence; the white one says nothing."""
    library.index(pictures)
    hits = library.search("red", top=50).hits
    rows = [
        CaptionRow(
            content_id=hit.image_id, text=f"two {Path(hit.path).stem} balls", model="somebody"
        )
        for hit in hits
        if "white" not in hit.path
    ]
    store_captions(library.catalogue, rows)
    return library


def stems(library: Library, asked: Query, top: int = 50) -> list[str]:
    return [Path(hit.path).stem for hit in library.search(asked, top=top).hits]


def test_what_a_caption_says_is_taken_off(captioned: Library) -> None:
    everything = set(stems(captioned, query(("yellow", 1.0))))
    found = stems(captioned, query(("yellow", 1.0), ("red", -1.0)))
    assert found[0] == "yellow"
    assert set(found) == everything - {"red"}
    assert stems(captioned, query(("yellow", 1.0), ("red", -0.5))) != found
    assert "red" in stems(captioned, query(("yellow", 1.0), ("red", -0.5)))


def test_everything_may_be_unwanted(captioned: Library) -> None:
    found = stems(captioned, query(("yellow", 1.0), ("balls", -1.0)), top=3)
    assert set(found) <= {"white"}


def test_only_unwanted_words(captioned: Library) -> None:
    assert "red" not in stems(captioned, query(("red", -1.0)))
