"""The table of varied queries: its changes, its figures, and the towers it opens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.training import minilm, text_robustness
from spectrum.training.text_robustness import (
    Questions,
    TextSide,
    caption_changes,
    changed,
    figures,
    hit_10,
    questions,
    shipped_texts,
)

NOUNS = frozenset({"dog", "ball"})
CAPTIONS = ["A brown dog fetches the yellow ball", "Children climb the wooden stairs"]


def by_letters(texts: Sequence[str]) -> np.ndarray:
    """A stand-in for a sentence encoder: counts of letters, case folded, as unit vectors."""
    counts = np.array(
        [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts],
        dtype=np.float32,
    )
    return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True))


def test_changes_by_example() -> None:
    changes = caption_changes(NOUNS)
    made = {row: changed(CAPTIONS, change)[0] for row, change in changes.items()}
    assert made["as written"] == CAPTIONS[0]
    assert made["UPPER CASE"] == "A BROWN DOG FETCHES THE YELLOW BALL"
    assert made["Title Case"] == "A Brown Dog Fetches The Yellow Ball"
    assert made["other number"] == "A brown dogs fetches the yellow balls"
    assert made["no articles"] == "brown dog fetches yellow ball"
    assert made["picture of"] == "picture of " + CAPTIONS[0]
    assert sorted(made["keywords"].split()) == ["ball", "brown", "dog", "fetches", "yellow"]
    differing = [a != b for a, b in zip(made["typos in two words"].split(), CAPTIONS[0].split(),
                                        strict=True)]  # fmt: skip
    assert sum(differing) == 2


def test_a_change_depends_on_its_place_and_not_on_its_neighbours() -> None:
    change = caption_changes(NOUNS)["typo in one word"]
    assert changed(CAPTIONS, change)[:1] == changed(CAPTIONS[:1], change)
    assert changed(CAPTIONS, change) == changed(CAPTIONS, change)


def test_variants_are_asked_of_the_teacher_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "sentence_vectors", by_letters)
    asked = questions(CAPTIONS, caption_changes(NOUNS), tmp_path / "kept.npy")
    np.testing.assert_array_equal(asked.wanted, by_letters(CAPTIONS))
    row = "keywords, one typo"
    np.testing.assert_array_equal(asked.teacher[row], by_letters(asked.texts[row]))


def test_figures_by_hand() -> None:
    """The tower turns the second text's vector by 60 degrees; the images are the texts."""
    plane = np.array([[1, 0], [0, 1]], dtype=np.float32)
    turned = np.array([[1, 0], [np.sin(np.pi / 3), 0.5]], dtype=np.float32)
    asked = Questions(texts={"as written": ["x", "y"]}, teacher={"as written": plane})
    side = TextSide(sentence_vectors=lambda texts: turned, project=lambda vectors: vectors)
    found = figures(asked, side, plane, each=1)["as written"]
    assert found["tower cosine"] == pytest.approx(0.75)
    assert found["teacher cosine"] == pytest.approx(1.0)
    assert found["tower hit@10"] == found["teacher hit@10"] == 100.0


def test_hits_count_the_first_ten() -> None:
    images = np.eye(12, dtype=np.float32)
    texts = np.repeat(images, 2, axis=0)
    texts[0] = np.arange(12)
    assert hit_10(texts, images, 2) == pytest.approx(100 * 23 / 24)


def test_the_table_has_a_line_for_each_row() -> None:
    said = text_robustness.table({"as written": {"tower cosine": 0.98765, "tower hit@10": 61.25}})
    assert said.splitlines()[0] == "| variant | tower cosine | tower hit@10 |"
    assert said.splitlines()[2] == "| as written | 0.988 | 61.2 |"


def test_the_shipped_tower_opens_between_sentence_and_space() -> None:
    side = shipped_texts(SHIPPED)
    sentences = side.sentence_vectors(CAPTIONS)
    np.testing.assert_allclose(np.linalg.norm(sentences, axis=1), 1, atol=1e-5)
    whole = EmbeddedEncoder(threads=1).encode_texts(CAPTIONS)
    np.testing.assert_allclose(side.project(sentences), whole, atol=1e-5)
