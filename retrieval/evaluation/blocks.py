"""From vectors and labels to the blocks of the JSON report, one function per direction of search.

An item is relevant to a query where their labels are equal; that says it for captions (the label
is the image) as for classes. Scores are inner products of float32 vectors, taken a block of
queries at a time.

Rows of image vectors are unique contents: the caller drops a second copy of a file first (see
`unique_contents`), as the library itself stores a content once.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, Int64

from retrieval.evaluation.intervals import Estimate, mean_with_interval
from retrieval.evaluation.metrics import (
    Ranking,
    average_precision,
    hit,
    positive_ranks,
    precision,
    recall,
    reciprocal_rank,
)

Block = dict[str, Estimate | int]
"""Metrics by their JSON key, then `n_queries` and, where it is not 0, `n_without_answer`."""

_SCORES_PER_BLOCK = 4_000_000
"""16 MB of float32 scores, and 32 MB for their order."""

_METRICS: Mapping[str, Callable[[Ranking], float]] = {
    "hit@1": lambda ranking: hit(ranking.ranks, 1),
    "hit@5": lambda ranking: hit(ranking.ranks, 5),
    "hit@10": lambda ranking: hit(ranking.ranks, 10),
    "recall@10": lambda ranking: recall(ranking.ranks, ranking.n_relevant, 10),
    "precision@5": lambda ranking: precision(ranking.ranks, 5),
    "map": lambda ranking: average_precision(ranking.ranks, ranking.n_relevant),
    "mrr": lambda ranking: reciprocal_rank(ranking.ranks),
}

_CAPTION_METRICS = ("hit@1", "hit@5", "hit@10", "recall@10", "map", "mrr")
_IMAGE_METRICS = ("hit@1", "hit@5", "hit@10", "map")
_CLASS_METRICS = ("hit@1", "hit@5", "hit@10", "precision@5", "map")


class UniqueContents(NamedTuple):
    """The different contents among the rows of a dataset."""

    first_rows: Int64[np.ndarray, "N"]
    """The row where each content comes first, ascending."""
    content_of_row: Int64[np.ndarray, "T"]
    """For each row, the place of its content in `first_rows`."""


def unique_contents(content_hashes: Sequence[str]) -> UniqueContents:
    """Which rows of a dataset are copies of one image.

    A caption's owner is `content_of_row[row]`: captions of two copies describe the same image,
    and finding either copy is finding it.
    """
    place: dict[str, int] = {}
    content_of_row = [place.setdefault(content, len(place)) for content in content_hashes]
    _, first_rows = np.unique(np.array(content_of_row, dtype=np.int64), return_index=True)
    return UniqueContents(
        first_rows=first_rows.astype(np.int64),
        content_of_row=np.array(content_of_row, dtype=np.int64),
    )


def held_out_queries(content_hashes: Sequence[str]) -> Bool[np.ndarray, "T"]:
    """Which rows are image queries, and so leave database, bank and calibration: a fifth.

    The fifth (rounded up) of the different contents whose rehash is lowest. It depends on the set
    of contents alone: not on their order, nor on how often one comes, and copies of one content
    are always on the same side. An added image moves at most one other. Fewer than two contents
    hold out nothing. The rehash keeps it unrelated to other splits by content hash.
    """

    def rehash(content: str) -> bytes:
        return hashlib.blake2b(content.encode(), digest_size=16, person=b"image queries").digest()

    contents = sorted(set(content_hashes), key=rehash)
    n_queries = -(-len(contents) // 5) if len(contents) > 1 else 0
    queries = set(contents[:n_queries])
    return np.array([content in queries for content in content_hashes], dtype=np.bool_)


def text_to_image(
    image_vectors: Float32[np.ndarray, "N D"],
    text_vectors: Float32[np.ndarray, "Q D"],
    owners: Int[np.ndarray, "Q"],
    *,
    seed: int = 0,
) -> Block:
    """How well each caption finds its image; intervals by image, not by caption.

    `owners[q]` is the row of caption q's image. An image that could not be read has no row: give
    its captions one negative number of its own, and they count as not found.
    Images without captions are part of the database. Raises ValueError for an owner past the end.
    """
    _check_owners(owners, len(image_vectors))
    images = np.arange(len(image_vectors))
    missing_images = np.unique(owners[owners < 0])
    found = _rankings(text_vectors, image_vectors, owners, images, missing_images)
    return _block(found, _CAPTION_METRICS, owners, seed)


def image_to_text(
    image_vectors: Float32[np.ndarray, "N D"],
    text_vectors: Float32[np.ndarray, "Q D"],
    owners: Int[np.ndarray, "Q"],
    *,
    seed: int = 0,
) -> Block:
    """How well each image finds its captions; `owners` as for `text_to_image`.

    An image that could not be read is a query that found nothing; its captions stay in the
    database, where others may find them. Images without captions are `n_without_answer`.
    """
    _check_owners(owners, len(image_vectors))
    images = np.arange(len(image_vectors))
    found = _rankings(image_vectors, text_vectors, images, owners)
    for n_captions in np.unique(owners[owners < 0], return_counts=True)[1]:
        found.append(Ranking(np.zeros(0, np.int64), int(n_captions)))
    return _block(found, _CAPTION_METRICS, np.arange(len(found)), seed)


def image_to_image(
    queries: Float32[np.ndarray, "Q D"],
    database: Float32[np.ndarray, "N D"],
    query_labels: Int[np.ndarray, "Q"],
    database_labels: Int[np.ndarray, "N"],
    *,
    missing_labels: Int[np.ndarray, "M"] | None = None,
    seed: int = 0,
) -> Block:
    """How well an image finds others of its class.

    The caller leaves the queries out of the database (`held_out_queries`), so an image never
    finds itself, and weights the query side as its encoder asks. `missing_labels` are the classes
    of database images that could not be read: relevant, and not found.
    """
    found = _rankings(queries, database, query_labels, database_labels, missing_labels)
    return _block(found, _IMAGE_METRICS, np.arange(len(found)), seed)


def class_to_image(
    text_vectors: Float32[np.ndarray, "Q D"],
    image_vectors: Float32[np.ndarray, "N D"],
    labels: Int[np.ndarray, "N"],
    *,
    missing_labels: Int[np.ndarray, "M"] | None = None,
    seed: int = 0,
) -> Block:
    """How well a class's name finds its images: text q is the query for label q.

    `missing_labels` as for `image_to_image`. Each class is one unit of the interval.
    """
    classes = np.arange(len(text_vectors))
    found = _rankings(text_vectors, image_vectors, classes, labels, missing_labels)
    return _block(found, _CLASS_METRICS, classes, seed)


def block_as_json(block: Block) -> dict[str, dict[str, float] | int]:
    """The block as the report holds it: estimates as value, low, high; counts as they are."""
    return {
        key: figure.as_json() if isinstance(figure, Estimate) else figure
        for key, figure in block.items()
    }


def _rankings(
    queries: Float32[np.ndarray, "Q D"],
    database: Float32[np.ndarray, "N D"],
    query_labels: Int[np.ndarray, "Q"],
    database_labels: Int[np.ndarray, "N"],
    missing_labels: Int[np.ndarray, "M"] | None = None,
) -> list[Ranking]:
    """Ranks the database for every query, a block of queries at a time."""
    n_relevant = Counter(database_labels.tolist())
    if missing_labels is not None:
        n_relevant.update(missing_labels.tolist())
    rows = max(1, _SCORES_PER_BLOCK // max(1, len(database)))
    rankings: list[Ranking] = []
    for start in range(0, len(queries), rows):
        labels = query_labels[start : start + rows]
        scores = queries[start : start + rows] @ database.T
        relevant = labels[:, None] == database_labels[None, :]
        ranks = positive_ranks(scores, relevant)
        rankings += [Ranking(r, n_relevant[int(q)]) for r, q in zip(ranks, labels, strict=True)]
    return rankings


def _block(
    rankings: Sequence[Ranking],
    metrics: Sequence[str],
    clusters: Int[np.ndarray, "Q"],
    seed: int,
) -> Block:
    """Averages the metrics over the queries that have an answer; none where no query has."""
    has_answer = np.array([ranking.n_relevant > 0 for ranking in rankings], dtype=np.bool_)
    answered = [ranking for ranking in rankings if ranking.n_relevant > 0]
    block: Block = {}
    for key in metrics if answered else ():
        values = np.array([_METRICS[key](ranking) for ranking in answered], dtype=np.float64)
        block[key] = mean_with_interval(values, clusters[has_answer], seed=seed)
    block["n_queries"] = len(answered)
    if len(answered) < len(rankings):
        block["n_without_answer"] = len(rankings) - len(answered)
    return block


def _check_owners(owners: Int[np.ndarray, "Q"], n_images: int) -> None:
    """Refuses an owner that no image row has, which would silently count as not found."""
    if len(owners) and int(owners.max()) >= n_images:
        raise ValueError(f"owner {int(owners.max())} is past the last of {n_images} images")
