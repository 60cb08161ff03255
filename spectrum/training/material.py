"""What is known of photographs and texts before anything is trained."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16, Float32

from spectrum.training import minilm, mobilenet, sentences
from spectrum.training.photographs import VIEWS, Photograph, cached_features, captioned, classified


@dataclass(frozen=True, kw_only=True)
class TextCounts:
    """How many texts of some kinds the text tower learns from."""

    common_words: int = 12_000
    """Words of the sentence teacher's vocabulary."""
    phrases: int = 20_000
    """Pieces of captions."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What is known of photographs and texts before anything is trained."""

    teacher: mobilenet.Teacher
    """The image teacher."""
    features: dict[str, Float16[np.ndarray, "views N F"]]
    """Its pooled features: of `train`, `dev`, `caltech_half` and `clothing/validation`."""
    labels: dict[str, list[str]]
    """The classes of the photographs that have some."""
    texts: dict[str, list[str]]
    """Texts by kind: `train`, `dev`, `classes`, and the text tower's `nouns`, `coco` and so on."""
    vectors: dict[str, Float32[np.ndarray, "N S"]]
    """The sentence teacher's vectors of the same texts."""

    def captions(self, split: str) -> Float32[np.ndarray, "N K S"]:
        """The sentence vectors of a split's captions, by photograph."""
        count = self.features[split].shape[1]
        return self.vectors[split].reshape(count, -1, self.vectors[split].shape[1])

    def classifier(self) -> torch.nn.Linear:
        """The image teacher's, without class 0: nobody asks for the background."""
        whole = self.teacher.classifier
        classes = torch.nn.Linear(mobilenet.FEATURES, mobilenet.CLASSES - 1)
        classes.weight.data, classes.bias.data = whole.weight.data[1:], whole.bias.data[1:]
        return classes.requires_grad_(False)

    def class_names(self) -> Float32[np.ndarray, "C S"]:
        """The sentence vectors of the classes, halfway between bare name and "a photo of"."""
        both = self.vectors["classes"].reshape(2, mobilenet.CLASSES - 1, -1).sum(axis=0)
        return np.asarray(both / np.linalg.norm(both, axis=1, keepdims=True), dtype=np.float32)


def all_captions(photographs: list[Photograph]) -> list[str]:
    """Their captions, one photograph's after the other's."""
    return [sentences.plain(text) for photograph in photographs for text in photograph.captions]


def gathered(counts: TextCounts, shared: Path, work: Path) -> Material:
    """Reads photographs and texts, and asks both teachers about them, unless that was done."""
    data = shared / "data"
    teacher = mobilenet.teacher(shared / "models/mobilenet_v2/mobilenet_v2_1.0_224_quant.tflite")
    splits = {split: captioned(data / "flickr8k", split) for split in ("train", "extra", "dev")}
    features = {
        split: cached_features(
            teacher, photographs, VIEWS[:2] if split == "dev" else VIEWS, work / f"flickr8k_{split}"
        )
        for split, photographs in splits.items()
    }
    features["train"] = np.concatenate([features["train"], features.pop("extra")], axis=1)
    labels = {}
    for name in ("caltech_half", "clothing/validation"):
        photographs = classified(data / name)
        stem = work / name.replace("/", "_")
        features[name] = cached_features(teacher, photographs, VIEWS[:1], stem)
        labels[name] = [photograph.label for photograph in photographs]
    train = all_captions(splits["train"] + splits["extra"])
    classes = sentences.class_names(shared)[1:]
    nouns = sentences.nouns(shared)
    texts = {
        "train": train,
        "dev": all_captions(splits["dev"]),
        "classes": classes + [sentences.photo_of(name) for name in classes],
        "nouns": nouns + [sentences.photo_of(name) for name in nouns],
        "words": sentences.words(minilm.folder() / "vocab.txt", counts.common_words),
        "phrases": sentences.phrases(train, counts.phrases, seed=0),
        "coco": sentences.other_captions(shared),
    }
    vectors = {
        kind: minilm.cached_sentences(said, work / f"sentences_{kind}.npy")
        for kind, said in texts.items()
    }
    return Material(teacher=teacher, features=features, labels=labels, texts=texts, vectors=vectors)
