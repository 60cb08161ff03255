"""A dataset as searches: what is asked, what can be found, and how the vectors rank it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from indexer.banks import HUBNESSES
from retrieval.evaluation.blocks import held_out_queries
from retrieval.evaluation.datasets import CaptionDataset, ClassDataset
from retrieval.evaluation.directions import (
    CAPTION_METRICS,
    Gains,
    Ranked,
    class_to_image,
    image_to_image,
    image_to_text,
    ranked,
    text_to_image,
)
from retrieval.evaluation.located import Located
from retrieval.evaluation.qrels import QrelsDataset
from retrieval.evaluation.vectors import Compared, Questions
from retrieval.ranking.hubness import spared_queries

TextQuestions = Callable[[Sequence[str]], Questions]
"""Texts -> what they ask with."""
ImageQuery = Callable[
    [Float32[np.ndarray, "Q D"], Float32[np.ndarray, "N D"] | None], Float32[np.ndarray, "Q D"]
]
"""Encoded images -> the vectors of the queries by them; the refined database, if it is refined."""
Rank = Callable[[Compared, int], Ranked]
"""The dataset's pictures, and how many hits to keep -> how they rank."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """What is asked, or what may be found: an image, a text, or the name of a class."""

    name: str
    """Unique on its side of a search, the same in every run on a dataset, without spaces."""
    text: str = ""
    """The words; empty for an image."""
    path: str = ""
    """The file; empty for words."""
    class_name: str = ""
    """Where the dataset has classes."""
    content: str = ""
    """Hash of an image's content; empty for words, and for an image that could not be read."""

    @property
    def identity(self) -> str:
        """What makes it the same in two runs: another dataset may have files of these names."""
        return "\n".join((self.name, self.text, self.class_name, self.content))


@dataclass(frozen=True, kw_only=True)
class Search:
    """One direction of search on a dataset."""

    queries: list[Item]
    items: list[Item]
    rank: Rank


def caption_searches(
    dataset: CaptionDataset, found: Located, ask: TextQuestions
) -> Mapping[str, Search]:
    """A caption finds its image, and an image its captions."""
    images = _image_items(found)
    counts = [len(captions) for captions in dataset.captions]
    owners = np.repeat(found.owners, counts)
    texts = [caption for captions in dataset.captions for caption in captions]
    numbers: Counter[int] = Counter()
    captions = []
    for row, text in zip(np.repeat(found.rows(), counts).tolist(), texts, strict=True):
        numbers[row] += 1
        captions.append(Item(name=f"{images[row].name}#{numbers[row]}", text=text))
    questions = ask(texts)
    missing = -1 - np.arange(len(found.missing))

    def forward(stored: Compared, depth: int) -> Ranked:
        asked = questions.among(stored)
        return text_to_image(stored.rows(), asked, owners, missing=missing, depth=depth)

    def backward(stored: Compared, depth: int) -> Ranked:
        # How near a picture is to all texts says nothing of which of them is its own.
        asked, pictures = questions.among(stored), spared_queries(stored.vectors, HUBNESSES)
        return image_to_text(pictures, asked, owners, missing=missing, depth=depth)

    return {
        "text_to_image": Search(queries=captions, items=images, rank=forward),
        "image_to_text": Search(queries=images, items=captions, rank=backward),
    }


def class_searches(
    dataset: ClassDataset,
    found: Located,
    ask: TextQuestions,
    image_query: ImageQuery,
) -> Mapping[str, Search]:
    """An image finds others of its class, and a class's name its images."""
    n_found = len(found.ids)
    labels = np.zeros(len(found.paths), dtype=np.int64)
    labels[found.rows()] = dataset.labels
    classes = [dataset.class_names[label] for label in labels.tolist()]
    images = _image_items(found, classes)
    held_out = np.zeros(len(found.paths), dtype=np.bool_)
    held_out[:n_found] = held_out_queries(found.hashes)
    names = [
        Item(name=query.replace(" ", "_"), text=query, class_name=class_name)
        for query, class_name in zip(dataset.queries, dataset.class_names, strict=True)
    ]
    questions = ask(dataset.queries)
    database, missing = labels[:n_found][~held_out[:n_found]], labels[n_found:]

    def to_image(stored: Compared, depth: int) -> Ranked:
        queries, others = stored.base[held_out[:n_found]], stored.vectors[~held_out[:n_found]]
        return image_to_image(
            image_query(queries, others if stored.refined else None),
            others,
            labels[held_out],
            database,
            missing_labels=missing,
            depth=depth,
        )

    def from_name(stored: Compared, depth: int) -> Ranked:
        return class_to_image(
            questions.among(stored),
            stored.rows(),
            labels[:n_found],
            missing_labels=missing,
            depth=depth,
        )

    return {
        "image_to_image": Search(
            queries=[images[row] for row in np.flatnonzero(held_out)],
            items=[images[row] for row in np.flatnonzero(~held_out)],
            rank=to_image,
        ),
        "class_to_image": Search(queries=names, items=images, rank=from_name),
    }


def qrels_searches(
    dataset: QrelsDataset, found: Located, ask: TextQuestions
) -> Mapping[str, Search]:
    """A query's words find the images that were judged to answer it."""
    rows = found.rows()
    questions = ask(dataset.queries)
    gains = _judged(dataset.grades, rows, len(found.paths))

    def forward(stored: Compared, depth: int) -> Ranked:
        asked = questions.among(stored)
        clusters = np.arange(len(asked))
        return ranked(asked, stored.rows(), gains, CAPTION_METRICS, clusters, depth=depth)

    queries = [
        Item(name=id, text=text)
        for id, text in zip(dataset.query_ids, dataset.queries, strict=True)
    ]
    return {"text_to_image": Search(queries=queries, items=_image_items(found), rank=forward)}


def _judged(
    grades: Sequence[Mapping[int, int]], rows: Int64[np.ndarray, "T"], n_items: int
) -> Gains:
    """The grades by row of the located pictures; of two copies the better grade counts."""

    def gains(start: int, stop: int) -> Float32[np.ndarray, "Q N"]:
        block = np.zeros((stop - start, n_items), dtype=np.float32)
        for query, judged in enumerate(grades[start:stop]):
            for image, grade in judged.items():
                block[query, rows[image]] = max(block[query, rows[image]], grade)
        return block

    return gains


def _image_items(found: Located, classes: Sequence[str] | None = None) -> list[Item]:
    """The located pictures, then the missing ones."""
    of_class = classes or [""] * len(found.paths)
    hashes = found.hashes + [""] * len(found.missing)
    return [
        Item(name=name, path=path, class_name=class_name, content=content)
        for name, path, class_name, content in zip(
            found.names(), found.paths, of_class, hashes, strict=True
        )
    ]
