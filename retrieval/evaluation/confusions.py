"""Which classes are taken for which: the class of the first hit beside the class asked for."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from retrieval.evaluation.directions import SHOWN, Ranked
from retrieval.evaluation.page import Table
from retrieval.evaluation.searches import Item

_MOST_CLASSES = 12
"""Of more classes the most frequent confusions are listed: a table would be too wide."""
_LISTED = 12


def confusions(
    queries: Sequence[Item], items: Sequence[Item], ranked: Ranked
) -> Counter[tuple[str, str]]:
    """(class asked for, class of a hit) -> how often, over first hits.

    A query for a class as a whole is one query only: of those the first hits count, ten of them.
    """
    counts: Counter[tuple[str, str]] = Counter()
    answered = ranked.answered().tolist()
    whole_class = all(queries[query].text for query in answered)
    for query in answered:
        best = ranked.top_items[query, : SHOWN if whole_class else 1]
        for item in best[best >= 0].tolist():
            counts[queries[query].class_name, items[item].class_name] += 1
    return counts


def confusion_table(queries: Sequence[Item], items: Sequence[Item], ranked: Ranked) -> Table | None:
    """The confusions as a table; None where there are no classes, or nothing was found."""
    counts = confusions(queries, items, ranked)
    names = sorted({name for pair in counts for name in pair})
    if not names or "" in names:
        return None
    what = (
        "Of the first ten hits for each class"
        if all(query.text for query in queries)
        else "Of the first hits for pictures of each class"
    )
    if len(names) > _MOST_CLASSES:
        return _listed(counts, what)
    asked = [name for name in names if any(pair[0] == name for pair in counts)]
    shares = np.array([[counts[row, column] for column in names] for row in asked], np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    return Table(
        head=("asked for ↓, found →", *names),
        rows=tuple(
            (name, *(f"{100 * share:.0f}" if share else "·" for share in row))
            for name, row in zip(asked, shares.tolist(), strict=True)
        ),
        shares=tuple(tuple(0.75 * share for share in row) for row in shares.tolist()),
        caption=f"{what}, how many in a hundred were of which class. What is right stands on the"
        " diagonal; strongly coloured fields off it are classes that are taken for each other.",
    )


def _listed(counts: Counter[tuple[str, str]], what: str) -> Table | None:
    """The most frequent confusions."""
    totals: Counter[str] = Counter()
    for (asked, _), count in counts.items():
        totals[asked] += count
    wrong = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1]]
    rows = tuple(
        (asked, found, f"{count:,} of {totals[asked]:,}")
        for (asked, found), count in wrong[:_LISTED]
    )
    if not rows:
        return None
    return Table(
        head=("asked for", "found instead", "how often"),
        rows=rows,
        caption=f"The classes that are most often taken for another. {what}.",
    )
