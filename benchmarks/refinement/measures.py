"""How a way to rank fares, query by query, and what it gains over another."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from retrieval.evaluation.intervals import paired_difference
from retrieval.evaluation.metrics import (
    average_precision,
    hit,
    item_order,
    relevant_ranks,
)
from retrieval.ranking.neighbours import nearest_rows, search_of
from retrieval.ranking.protocol import Found, Kind, Ranking

QUERIES_PER_BLOCK = 100
"""Whose candidates are held at once."""


class Measured(NamedTuple):
    """Every query's metrics."""

    values: Mapping[str, np.ndarray]
    """Metric -> a number for each query, between 0 and 1."""
    clusters: np.ndarray
    """The queries of one image have one number."""


def ranked(
    ranking: Ranking,
    database: np.ndarray,
    queries: np.ndarray,
    kind: Kind,
    relevant: np.ndarray,
    clusters: np.ndarray,
) -> Measured:
    """The metrics of queries; `relevant` says which images of the database are right for each."""
    rows = ranking.database(database)
    asked = ranking.queries(queries, kind, search_of(rows))
    order = item_order(asked @ rows.T)
    if ranking.candidates:
        for start in range(0, len(asked), QUERIES_PER_BLOCK):
            some = slice(start, start + QUERIES_PER_BLOCK)
            nearest = nearest_rows(asked[some], rows, ranking.candidates)
            found = Found(rows[nearest.ids], nearest.similarities)
            places = item_order(ranking.similarities(asked[some], found))
            order[some, : places.shape[1]] = np.take_along_axis(nearest.ids, places, axis=1)
    ranks = relevant_ranks(order, relevant)
    counts = relevant.sum(axis=1).tolist()
    hits = {f"hit@{k}": [hit(each, k) for each in ranks] for k in (1, 5, 10)}
    precisions = [average_precision(each, n) for each, n in zip(ranks, counts, strict=True)]
    values = hits | {"mAP": precisions}
    return Measured({key: np.array(each) for key, each in values.items()}, clusters)


def together(parts: list[Measured]) -> Measured:
    """The queries of several measurements as one."""
    values = {key: np.concatenate([each.values[key] for each in parts]) for key in parts[0].values}
    return Measured(values, np.concatenate([each.clusters for each in parts]))


def gain(measured: Measured, over: Measured, metric: str) -> str:
    """Paired difference in points with its 95 % interval, resampled by image."""
    difference = paired_difference(
        measured.values[metric] - over.values[metric], measured.clusters, n_resamples=2000
    )
    low, high = 100 * difference.low, 100 * difference.high
    return f"{100 * difference.value:+.1f} [{low:+.1f}, {high:+.1f}]"


def table(
    rows: Mapping[str, Measured], metrics: tuple[str, ...], compared: tuple[str, ...], over: str
) -> str:
    """A row for each way to rank: its metrics, and its gain in some of them over one row."""
    gains = [f"{metric} against {over}" for metric in compared]
    lines = [
        f"| | {' | '.join([*metrics, *gains])} |",
        f"| --- |{' ---: |' * len(metrics)}{' --- |' * len(gains)}",
    ]
    for name, measured in rows.items():
        cells = [f"{100 * measured.values[metric].mean():.1f}" for metric in metrics]
        cells += [
            "–" if name == over else gain(measured, rows[over], metric) for metric in compared
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
