"""The directions of search, ranked: what every query of a dataset found.

An item is relevant to a query where their labels are equal; that says it for captions (the label
is the image) as for classes. Judgements of a qrels file say it pair by pair. Scores are inner
products of float32 vectors, taken a block of queries at a time.

Rows of image vectors are unique contents: the caller drops a second copy of a file first (see
`unique_contents`), as the library itself stores a content once.

Items and queries without a vector (their image could not be read) come last: such an item is
relevant and never found, such a query finds nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int64

from retrieval.evaluation.metrics import (
    Ranking,
    average_precision,
    hit,
    item_order,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
    relevant_ranks,
)

SHOWN = 10
"""How many of the best items are kept with each query unless more are asked for."""

_SCORES_PER_BLOCK = 4_000_000
"""16 MB of float32 scores, and 32 MB for their order."""

METRICS: Mapping[str, Callable[[Ranking], float]] = {
    "hit@1": lambda ranking: hit(ranking.ranks, 1),
    "hit@5": lambda ranking: hit(ranking.ranks, 5),
    "hit@10": lambda ranking: hit(ranking.ranks, 10),
    "recall@10": lambda ranking: recall(ranking.ranks, ranking.n_relevant, 10),
    "precision@5": lambda ranking: precision(ranking.ranks, 5),
    "map": lambda ranking: average_precision(ranking.ranks, ranking.n_relevant),
    "mrr": lambda ranking: reciprocal_rank(ranking.ranks),
    "ndcg@10": lambda ranking: ndcg(
        ranking.ranks, ranking.n_relevant, 10, gains=ranking.gains, ideal_gains=ranking.ideal_gains
    ),
}
"""JSON key -> a metric of one query's ranking."""

CAPTION_METRICS = ("hit@1", "hit@5", "hit@10", "recall@10", "map", "mrr", "ndcg@10")
IMAGE_METRICS = ("hit@1", "hit@5", "hit@10", "map", "ndcg@10")
CLASS_METRICS = ("hit@1", "hit@5", "hit@10", "precision@5", "map", "ndcg@10")

Gains = Callable[[int, int], Float32[np.ndarray, "Q N"]]
"""What each item is worth to the queries of rows start to stop; 0 is irrelevant.

Columns are all items, also those without a vector."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One direction of search: how every query ranked the items."""

    metrics: tuple[str, ...]
    """What is reported of this direction, keys of `METRICS`."""
    rankings: list[Ranking]
    """One per query, in the order of the queries."""
    clusters: Int64[np.ndarray, "Q"]
    """Queries that succeed and fail together have one number; see `intervals`."""
    top_items: Int64[np.ndarray, "Q H"]
    """The best items of each query, best first; -1 where there are fewer."""
    top_scores: Float32[np.ndarray, "Q H"]
    """Their scores; -inf where there are fewer."""
    gains: Gains

    def answered(self) -> Int64[np.ndarray, "_"]:
        """The queries that have an answer at all; the others are in no average."""
        relevant = np.array([ranking.n_relevant for ranking in self.rankings], dtype=np.int64)
        return np.flatnonzero(relevant > 0).astype(np.int64)

    def values(self, key: str) -> Float64[np.ndarray, "_"]:
        """A metric of each answered query."""
        metric = METRICS[key]
        answered = (ranking for ranking in self.rankings if ranking.n_relevant > 0)
        return np.array([metric(ranking) for ranking in answered], dtype=np.float64)

    def first_ranks(self) -> Float64[np.ndarray, "_"]:
        """The rank of each answered query's first relevant item; infinite where none was found."""
        answered = (ranking.ranks for ranking in self.rankings if ranking.n_relevant > 0)
        firsts = [ranks[0] if len(ranks) else np.inf for ranks in answered]
        return np.array(firsts, dtype=np.float64)


def text_to_image(
    image_vectors: Float32[np.ndarray, "N D"],
    text_vectors: Float32[np.ndarray, "Q D"],
    owners: Int[np.ndarray, "Q"],
    *,
    missing: Int[np.ndarray, "M"] | None = None,
    depth: int = SHOWN,
) -> Ranked:
    """How well each caption finds its image; a cluster is an image's captions.

    `owners[q]` is the row of caption q's image. An image that could not be read has no row: give
    its captions one negative number of its own, and they count as not found. Those numbers, in
    the order of the items, are `missing`; by default all there are, ascending.
    Images without captions are part of the database. Raises ValueError for an owner past the end.
    """
    _check_owners(owners, len(image_vectors))
    unread = np.unique(owners[owners < 0]) if missing is None else missing
    items = np.concatenate([np.arange(len(image_vectors)), unread]).astype(np.int64)
    return ranked(
        text_vectors,
        image_vectors,
        same_label(owners, items),
        CAPTION_METRICS,
        owners.astype(np.int64),
        depth=depth,
    )


def image_to_text(
    image_vectors: Float32[np.ndarray, "N D"],
    text_vectors: Float32[np.ndarray, "Q D"],
    owners: Int[np.ndarray, "Q"],
    *,
    missing: Int[np.ndarray, "M"] | None = None,
    depth: int = SHOWN,
) -> Ranked:
    """How well each image finds its captions; `owners` and `missing` as for `text_to_image`.

    An image that could not be read is a query that found nothing; its captions stay in the
    database, where others may find them.
    """
    _check_owners(owners, len(image_vectors))
    unread = np.unique(owners[owners < 0]) if missing is None else missing
    queries = np.concatenate([np.arange(len(image_vectors)), unread]).astype(np.int64)
    return ranked(
        image_vectors,
        text_vectors,
        same_label(queries, owners),
        CAPTION_METRICS,
        np.arange(len(queries)),
        depth=depth,
    )


def image_to_image(
    queries: Float32[np.ndarray, "Q D"],
    database: Float32[np.ndarray, "N D"],
    query_labels: Int[np.ndarray, "Q"],
    database_labels: Int[np.ndarray, "N"],
    *,
    missing_labels: Int[np.ndarray, "M"] | None = None,
    depth: int = SHOWN,
) -> Ranked:
    """How well an image finds others of its class.

    The caller leaves the queries out of the database (`held_out_queries`), so an image never
    finds itself, and weights the query side as its encoder asks. `missing_labels` are the classes
    of database images that could not be read: relevant, and not found.
    """
    items = _with_missing(database_labels, missing_labels)
    gains = same_label(query_labels, items)
    return ranked(queries, database, gains, IMAGE_METRICS, np.arange(len(queries)), depth=depth)


def class_to_image(
    text_vectors: Float32[np.ndarray, "Q D"],
    image_vectors: Float32[np.ndarray, "N D"],
    labels: Int[np.ndarray, "N"],
    *,
    missing_labels: Int[np.ndarray, "M"] | None = None,
    depth: int = SHOWN,
) -> Ranked:
    """How well a class's name finds its images: text q is the query for label q.

    `missing_labels` as for `image_to_image`. Each class is one cluster.
    """
    classes = np.arange(len(text_vectors))
    gains = same_label(classes, _with_missing(labels, missing_labels))
    return ranked(text_vectors, image_vectors, gains, CLASS_METRICS, classes, depth=depth)


def same_label(queries: Int[np.ndarray, "Q"], items: Int[np.ndarray, "N"]) -> Gains:
    """An item is worth 1 to the queries of its label, and nothing to others."""

    def gains(start: int, stop: int) -> Float32[np.ndarray, "Q N"]:
        same: Bool[np.ndarray, "Q N"] = queries[start:stop, None] == items[None, :]
        return same.astype(np.float32)

    return gains


def ranked(
    queries: Float32[np.ndarray, "Q D"],
    database: Float32[np.ndarray, "N D"],
    gains: Gains,
    metrics: tuple[str, ...],
    clusters: Int64[np.ndarray, "C"],
    *,
    depth: int = SHOWN,
) -> Ranked:
    """Ranks the database for every query, a block of queries at a time.

    There are as many queries as `clusters`; those past the last vector find nothing.
    """
    n_all, n_items = len(clusters), len(database)
    top_items = np.full((n_all, min(depth, n_items)), -1, dtype=np.int64)
    top_scores = np.full(top_items.shape, -np.inf, dtype=np.float32)
    rankings: list[Ranking] = []
    rows = max(1, _SCORES_PER_BLOCK // max(1, n_items))
    for start in range(0, len(queries), rows):
        stop = min(start + rows, len(queries))
        scores = queries[start:stop] @ database.T
        order = item_order(scores)
        best = order[:, : top_items.shape[1]]
        top_items[start:stop] = best
        top_scores[start:stop] = np.take_along_axis(scores, best, axis=1)
        rankings += _block_rankings(order, gains(start, stop))
    for start in range(len(queries), n_all, rows):
        unranked = gains(start, min(start + rows, n_all))
        rankings += _block_rankings(np.zeros((len(unranked), 0), dtype=np.int64), unranked)
    return Ranked(
        metrics=metrics,
        rankings=rankings,
        clusters=clusters,
        top_items=top_items,
        top_scores=top_scores,
        gains=gains,
    )


def _block_rankings(
    order: Int64[np.ndarray, "Q N"], gains: Float32[np.ndarray, "Q I"]
) -> list[Ranking]:
    """Where each query's relevant items stand; `gains` may have more items than were ranked."""
    n_relevant = np.count_nonzero(gains > 0, axis=1)
    ranks = relevant_ranks(order, gains[:, : order.shape[1]] > 0)
    if not (gains > 1).any():
        return [Ranking(r, int(n)) for r, n in zip(ranks, n_relevant, strict=True)]
    return [
        Ranking(
            r,
            int(n),
            gains=of_query[items[r - 1]].astype(np.float64),
            ideal_gains=np.sort(of_query[of_query > 0])[::-1].astype(np.float64),
        )
        for r, n, of_query, items in zip(ranks, n_relevant, gains, order, strict=True)
    ]


def _with_missing(
    labels: Int[np.ndarray, "N"], missing: Int[np.ndarray, "M"] | None
) -> Int64[np.ndarray, "I"]:
    """The labels of all items, those without a vector last."""
    return np.concatenate([labels, [] if missing is None else missing]).astype(np.int64)


def _check_owners(owners: Int[np.ndarray, "Q"], n_images: int) -> None:
    """Refuses an owner that no image row has, which would silently count as not found."""
    if len(owners) and int(owners.max()) >= n_images:
        raise ValueError(f"owner {int(owners.max())} is past the last of {n_images} images")
