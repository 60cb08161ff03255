"""Texts that the towers learn from, and what the sentence teacher says of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from spectrum.training import minilm, sentences
from spectrum.training.photographs import Photograph, captioned

CAPTIONS = 5
"""K, captions of each photograph of Flickr8k."""
TAUGHT = (
    *("train", "coco", "nouns", "words", "phrases"),
    *("definitions", "queries", "coco_phrases"),
)
"""The kinds of texts that the text tower is taught, in the order of its lessons."""


@dataclass(frozen=True, kw_only=True)
class TextCounts:
    """How many texts of some kinds the text tower learns from."""

    common_words: int = 12_000
    """Words of the sentence teacher's vocabulary."""
    phrases: int = 20_000
    """Pieces of the training photographs' captions."""
    other_phrases: int = 15_000
    """Pieces of the captions without photographs."""
    queries: int = 20_000
    """Names of things with a colour, a place or another name."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the sentence teacher says of texts."""

    texts: dict[str, list[str]]
    """Texts by kind: `train`, `dev`, `classes`, and the text tower's `nouns`, `coco` and so on."""
    vectors: dict[str, Float32[np.ndarray, "N S"]]
    """The sentence teacher's vectors of the same texts."""

    def captions(self, split: str) -> Float32[np.ndarray, "N K S"]:
        """The sentence vectors of a split's captions, five for each photograph."""
        vectors = self.vectors[split]
        return vectors.reshape(-1, CAPTIONS, vectors.shape[1])

    def class_names(self) -> Float32[np.ndarray, "C S"]:
        """Sentence vectors of classes and labels, halfway between bare name and "a photo of"."""
        vectors = self.vectors["classes"]
        both = vectors.reshape(2, -1, vectors.shape[1]).sum(axis=0)
        return np.asarray(both / np.linalg.norm(both, axis=1, keepdims=True), dtype=np.float32)


def all_captions(photographs: list[Photograph]) -> list[str]:
    """Their captions, one photograph's after the other's."""
    return [sentences.plain(text) for photograph in photographs for text in photograph.captions]


def gathered(counts: TextCounts, shared: Path, work: Path) -> Material:
    """Reads the texts, and asks the sentence teacher about them, unless that was done."""
    flickr = shared / "data/flickr8k"
    splits = {split: captioned(flickr, split) for split in ("train", "extra", "dev")}
    train = all_captions(splits["train"] + splits["extra"])
    classes = [*sentences.class_names(shared)[1:], *sentences.label_names(shared)]
    nouns = sentences.nouns(shared)
    coco = sentences.other_captions(shared)
    texts = {
        "train": train,
        "dev": all_captions(splits["dev"]),
        "classes": classes + [sentences.photo_of(name) for name in classes],
        "nouns": nouns + [sentences.photo_of(name) for name in nouns],
        "words": sentences.words(minilm.folder() / "vocab.txt", counts.common_words),
        "phrases": sentences.phrases(train, counts.phrases, seed=0),
        "coco": coco,
        "definitions": sentences.definitions(shared),
        "queries": sentences.templated(nouns, counts.queries, seed=0),
        "coco_phrases": sentences.phrases(coco, counts.other_phrases, seed=1),
    }
    vectors = {
        kind: minilm.cached_sentences(said, work / f"sentences_{kind}.npy")
        for kind, said in texts.items()
    }
    return Material(texts=texts, vectors=vectors)
