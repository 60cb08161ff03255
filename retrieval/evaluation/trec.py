"""A run and its judgements as TREC files, which trec_eval, ranx and ir_measures read.

`NAME.DIRECTION.trec` has a line "QUERY Q0 ITEM RANK SCORE TAG" for each hit, and
`NAME.DIRECTION.qrels` "QUERY 0 ITEM GRADE" for each item that answers the query.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from retrieval.evaluation.directions import Ranked
from retrieval.evaluation.searches import Item

DEPTH = 1000
"""Hits a query, trec_eval's own limit. What stands further down counts as not found there."""

_QUERIES_PER_BLOCK = 256


def write_trec(
    path: Path,
    directions: Mapping[str, tuple[Sequence[Item], Sequence[Item], Ranked]],
    *,
    tag: str,
) -> list[Path]:
    """Writes two files for each direction (queries, items, how they ranked); returns their paths.

    `path` is NAME.trec. Raises OSError where a file cannot be written.
    """
    written = []
    for direction, (queries, items, ranked) in directions.items():
        stem = path.with_suffix("") if path.suffix == ".trec" else path
        run = stem.with_name(f"{stem.name}.{direction}.trec")
        qrels = stem.with_name(f"{stem.name}.{direction}.qrels")
        with run.open("w", encoding="ascii") as file:
            file.writelines(run_lines(queries, items, ranked, tag))
        with qrels.open("w", encoding="ascii") as file:
            file.writelines(qrels_lines(queries, items, ranked))
        written += [run, qrels]
    return written


def run_lines(
    queries: Sequence[Item], items: Sequence[Item], ranked: Ranked, tag: str
) -> Iterator[str]:
    """A line for each hit of every query that found anything."""
    words = [_word(item.name) for item in items]
    ending = f" {_word(tag)}\n"
    for query, best, scores in zip(queries, ranked.top_items, ranked.top_scores, strict=True):
        start = f"{_word(query.name)} Q0 "
        falling = strictly_falling(scores[best >= 0]).tolist()
        for rank, (item, score) in enumerate(zip(best.tolist(), falling, strict=False), start=1):
            # Nine digits say a float32 exactly.
            yield f"{start}{words[item]} {rank} {score:.9g}{ending}"


def qrels_lines(queries: Sequence[Item], items: Sequence[Item], ranked: Ranked) -> Iterator[str]:
    """What answers each query, also where it could not be read."""
    for start in range(0, len(queries), _QUERIES_PER_BLOCK):
        block = queries[start : start + _QUERIES_PER_BLOCK]
        gains = ranked.gains(start, start + len(block))
        for query, of_items in zip(block, gains, strict=True):
            for item in np.flatnonzero(of_items > 0).tolist():
                yield f"{_word(query.name)} 0 {_word(items[item].name)} {int(of_items[item])}\n"


def strictly_falling(scores: Float32[np.ndarray, "H"]) -> Float32[np.ndarray, "H"]:
    """Descending scores without ties: each at least one float32 step below the one before.

    TREC's tools sort by the score in the file and break ties each in their own way, so ours have
    to be broken in it. The step is 6e-8 near 1, less than the rounding of an inner product.
    """
    falling = scores.copy()
    ties = np.flatnonzero(np.diff(scores) >= 0)
    # Scores that follow a tie closely may have to fall as well.
    for place in range(int(ties[0]) + 1 if len(ties) else len(falling), len(falling)):
        if falling[place] >= falling[place - 1]:
            falling[place] = np.nextafter(falling[place - 1], np.float32(-np.inf))
    return falling


def _word(name: str) -> str:
    """The name as one column: columns are divided by white space."""
    return "".join(
        char if char.isascii() and char.isprintable() and char != " " else _escaped(char)
        for char in name
    )


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode(errors="surrogateescape"))
