"""From what every query found to the blocks of the JSON report; copies and held-out queries."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from retrieval.evaluation.directions import Ranked
from retrieval.evaluation.intervals import Estimate, mean_with_interval

Block = dict[str, Estimate | int]
"""Metrics by their JSON key, then `n_queries` and, where it is not 0, `n_without_answer`."""


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


def block_of(ranked: Ranked, *, seed: int = 0) -> Block:
    """Averages the metrics over the queries that have an answer; none where no query has."""
    answered = ranked.answered()
    block: Block = {}
    for key in ranked.metrics if len(answered) else ():
        values = ranked.values(key)
        block[key] = mean_with_interval(values, ranked.clusters[answered], seed=seed)
    block["n_queries"] = len(answered)
    if len(answered) < len(ranked.rankings):
        block["n_without_answer"] = len(ranked.rankings) - len(answered)
    return block


def block_as_json(block: Block) -> dict[str, dict[str, float] | int]:
    """The block as the report holds it: estimates as value, low, high; counts as they are."""
    return {
        key: figure.as_json() if isinstance(figure, Estimate) else figure
        for key, figure in block.items()
    }
