"""The texts that the towers learn from: captions, names of things, and short queries."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spectrum.training.photographs import captioned

TRAILING = re.compile(r"[\s.!?,;:]+$")
"""What ends a sentence and says nothing of its picture; the tokenizer drops it as well."""


def plain(text: str) -> str:
    """The text without what ends it: "A dog runs ." and "A dog runs" are one query."""
    return TRAILING.sub("", text.strip())


def photo_of(name: str) -> str:
    """The name as a user would ask for it."""
    article = "an" if name[:1].lower() in set("aeiou") else "a"
    return f"a photo of {article} {name}"


def class_names(shared: Path) -> list[str]:
    """The first name of each ImageNet class, in the classifier's order; 0 is the background."""
    path = shared / "models/mobilenet_v2/imagenet_labels.txt"
    return [line.split(",")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]


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


def other_captions(shared: Path) -> list[str]:
    """COCO captions without images, less those of the photographs that results are measured on."""
    measured = {
        plain(caption)
        for photograph in captioned(shared / "data/coco_boxes")
        for caption in photograph.captions
    }
    path = shared / "data/text/coco_val2017_captions.txt"
    read = (plain(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in read if line and line not in measured]
