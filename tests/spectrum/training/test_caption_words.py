"""Counting the words of captions at large."""

import math
from pathlib import Path

import pytest

from spectrum.encoders.caption_words import FILE, written_words
from spectrum.encoders.embedded import SHIPPED
from spectrum.training.caption_words import FEWEST, counted_captions, counted_words


def test_counts_are_of_captions_and_rounded_to_octaves() -> None:
    captions = ["A dog and a dog", "one dog"] * 10 + ["the 12 emus"] * 7 + ["a yak"] * 3
    words = counted_words(captions)
    assert words.n_captions == 30
    for word, held in words.holding.items():
        truly = sum(word in caption.lower().split() for caption in captions)
        assert truly >= FEWEST
        assert abs(math.log2((held + 1) / (truly + 1))) <= 0.5
    assert set(words.holding) == {"a", "dog", "and", "one", "the", "emus"}


def test_every_tenth_line_is_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "data/text"
    folder.mkdir(parents=True)
    lines = [f"caption {number}" for number in range(25)]
    text = "\n".join([*lines[:3], "", *lines[3:]])
    (folder / "coco_val2017_captions.txt").write_text(text, encoding="utf-8")
    kept = set(lines) - set(counted_captions(tmp_path))
    assert kept == {"caption 0", "caption 10", "caption 20"}


@pytest.mark.realdata
def test_what_ships_is_what_is_counted(shared_data: Path) -> None:
    made = written_words(counted_words(counted_captions(shared_data.parent)))
    assert made == (SHIPPED / FILE).read_bytes()
