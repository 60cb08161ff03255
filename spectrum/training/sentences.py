"""The texts that the towers learn from: captions, names of things, and short queries."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spectrum.encoders.framing import with_article
from spectrum.training.photographs import captioned

TRAILING = re.compile(r"[\s.!?,;:]+$")
"""What ends a sentence and says nothing of its picture; the tokenizer drops it as well."""

COLOURS = (
    *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"),
    *("grey", "golden"),
)
KINDS = (
    *("old", "young", "small", "big", "wooden", "metal", "wet", "dirty", "striped", "shiny"),
    *("empty", "broken", "colorful"),
)
PEOPLE = (
    *("man", "woman", "boy", "girl", "child", "baby", "person", "people", "couple", "friends"),
    *("players", "crowd"),
)
PLACES = (
    *("on the beach", "in the snow", "in the grass", "on the street", "in the kitchen"),
    *("on a table", "in the water", "at night", "in the forest", "on a boat", "in the park"),
    *("under a tree", "by the road", "on the floor", "in a field", "at the market", "in the air"),
    *("on a wall", "in the city", "on the mountain", "in a room", "at sunset"),
)
TEMPLATES = (
    *("{colour} {noun}", "a {colour} {noun}", "{kind} {noun}", "{noun} {place}"),
    *("{a_noun} {place}", "{noun} and {other}", "{a_noun} and {a_other}", "{noun} {other}"),
    *("{noun} {other} {colour}", "a photo of a {colour} {noun}", "picture of {a_noun}"),
    *("a close up of {a_noun}", "two {noun} {place}", "{person} with {a_noun}"),
    *("a {person} holding {a_noun}", "{person} {noun} {other}", "a {colour} {noun} {place}"),
    *("a {kind} {noun} next to {a_other}", "{a_noun} on {a_other}"),
    *("{person} and {a_noun} {place}", "{noun} without {other}", "many {noun}"),
)
"""Queries with a name in them, as users write them."""


def plain(text: str) -> str:
    """The text without what ends it: "A dog runs ." and "A dog runs" are one query."""
    return TRAILING.sub("", text.strip())


def photo_of(name: str) -> str:
    """The name as a user would ask for it."""
    return f"a photo of {with_article(name)}"


def class_names(shared: Path) -> list[str]:
    """The first name of each ImageNet class, in the classifier's order; 0 is the background."""
    path = shared / "models/mobilenet_v2/imagenet_labels.txt"
    return [line.split(",")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]


def label_names(shared: Path) -> list[str]:
    """The names of the labeler's labels, in its order."""
    path = shared / "models/object_labeler/labels.txt"
    return [line.strip().lower() for line in path.read_text(encoding="utf-8").splitlines()]


def nouns(shared: Path) -> list[str]:
    """Names of things that people ask for: the label lists of several public data sets."""
    models = shared / "models"
    found = []
    labels = models / "mobilenet_v2/imagenet_labels.txt"
    for line in labels.read_text(encoding="utf-8").splitlines()[1:]:
        found += line.split(",")
    found += (models / "object_labeler/labels.txt").read_text(encoding="utf-8").splitlines()
    vectors = models / "clip_vitb32_text_vectors"
    for category in json.loads((vectors / "lvis_v1_train_cat_info.json").read_text("utf-8")):
        found += category["synonyms"]
    with (vectors / "Objects365_names_fix.csv").open(encoding="utf-8") as opened:
        found += [part for row in csv.reader(opened) for part in row[-1].split("/")]
    tidy = (re.sub(r"\(.*?\)", "", name.replace("_", " ")).strip().lower() for name in found)
    return sorted({name for name in tidy if name})


def single_nouns(names: Sequence[str]) -> frozenset[str]:
    """Those of the names that are one word of three letters or more: what has a plural."""
    return frozenset(name for name in names if name.isalpha() and len(name) >= 3)


def words(vocabulary: Path, count: int) -> list[str]:
    """The first `count` whole words of three letters or more in the teacher's vocabulary.

    They come roughly by frequency. They let the small tower place words that no caption holds.
    """
    read = vocabulary.read_text(encoding="utf-8").splitlines()
    return [word for word in read if re.fullmatch(r"[a-z]{3,}", word)][:count]


def phrases(captions: Sequence[str], count: int, seed: int) -> list[str]:
    """Pieces of two to five words cut from captions: what a hurried user types."""
    random = np.random.default_rng(seed)
    cut = set()
    for number in random.permutation(len(captions))[:count]:
        parts = plain(captions[number]).split()
        length = int(random.integers(2, 6))
        start = int(random.integers(0, max(1, len(parts) - length + 1)))
        cut.add(" ".join(parts[start : start + length]))
    return sorted(cut)


def definitions(shared: Path) -> list[str]:
    """What LVIS says its categories are, alone and after the category's name."""
    path = shared / "models/clip_vitb32_text_vectors/lvis_v1_train_cat_info.json"
    made = set()
    for category in json.loads(path.read_text("utf-8")):
        name = re.sub(r"_?\(.*?\)", "", category["name"]).replace("_", " ")
        made |= {category["def"], f"{name}, {category['def']}"}
    return sorted(made)


def templated(names: Sequence[str], count: int, seed: int) -> list[str]:
    """`count` queries made from names, or a few less, since equal ones are kept once."""
    random = np.random.default_rng(seed)

    def one(choices: Sequence[str]) -> str:
        return choices[int(random.integers(len(choices)))]

    made = set()
    for _ in range(count):
        noun, other = one(names), one(names)
        query = one(TEMPLATES).format(
            noun=noun,
            other=other,
            a_noun=with_article(noun),
            a_other=with_article(other),
            colour=one(COLOURS),
            kind=one(KINDS),
            person=one(PEOPLE),
            place=one(PLACES),
        )
        made.add(query)
    return sorted(made)


def caption_lines(shared: Path) -> list[str]:
    """COCO's captions without images, as they are written."""
    path = shared / "data/text/coco_val2017_captions.txt"
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def other_captions(shared: Path) -> list[str]:
    """COCO captions without images, less those of the photographs that results are measured on."""
    measured = {
        plain(caption)
        for photograph in captioned(shared / "data/coco_boxes")
        for caption in photograph.captions
    }
    read = map(plain, caption_lines(shared))
    return [line for line in read if line and line not in measured]
