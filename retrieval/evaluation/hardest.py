"""The queries whose right answer stood furthest down, with what was wanted and what came first."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from retrieval.evaluation.directions import Ranked
from retrieval.evaluation.page import Case, Picture
from retrieval.evaluation.searches import Item
from retrieval.evaluation.thumbnails import thumbnail

_SHOWN = 6
_CAME = 3
_WANTED = 2


def hardest(ranked: Ranked, n: int = _SHOWN) -> list[int]:
    """The answered queries with the worst first right answer, at most one of each cluster.

    Those answered at once are not hard. Those whose answers could all not be read are no fault of
    the search, and left out.
    """
    ranks = ranked.first_ranks()
    answered = ranked.answered()
    order = np.lexsort((answered, -ranks))
    chosen: list[int] = []
    clusters: set[int] = set()
    for place in order.tolist():
        query = int(answered[place])
        cluster = int(ranked.clusters[query])
        if not np.isfinite(ranks[place]) or ranks[place] == 1 or cluster in clusters:
            continue
        clusters.add(cluster)
        chosen.append(query)
        if len(chosen) == n:
            break
    return chosen


def hardest_cases(queries: Sequence[Item], items: Sequence[Item], ranked: Ranked) -> list[Case]:
    """The hardest queries as the page shows them; reads the pictures."""
    return [_case(query, queries[query], items, ranked) for query in hardest(ranked)]


def _case(query: int, asked: Item, items: Sequence[Item], ranked: Ranked) -> Case:
    ranking = ranked.rankings[query]
    gains = ranked.gains(query, query + 1)[0]
    wanted = [items[item] for item in np.flatnonzero(gains > 0)[:_WANTED].tolist()]
    best = [item for item in ranked.top_items[query].tolist() if item >= 0][:_CAME]
    came = [(items[item], bool(gains[item] > 0)) for item in best]
    first = f"{int(ranking.ranks[0]):,} of {len(items):,}"
    verdict = f"The right answer came at place {first}."
    if ranking.n_relevant > 1:
        verdict = f"The first of {ranking.n_relevant:,} right answers came at place {first}."
    pictures, title = [_picture(item) for item in wanted if item.path], "Wanted"
    if asked.path:
        pictures, title = [_picture(asked)], "Asked with"
    texts = [item.text for item in wanted if item.text]
    return Case(
        asked=asked.text,
        verdict=verdict,
        wanted=tuple(pictures),
        wanted_title=title,
        wanted_texts=tuple(f"wanted: {text}" for text in texts),
        came=tuple(_picture(item, right) for item, right in came if item.path),
        came_texts=tuple(item.text for item, _ in came if item.text),
    )


def _picture(item: Item, right: bool | None = None) -> Picture:
    label = item.class_name or Path(unquote(item.name)).name
    return Picture(source=thumbnail(item.path), label=label, right=right)
