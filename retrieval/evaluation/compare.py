"""Two runs on the same queries: what each query gained, and whether that is more than chance.

A run's JSON holds the values of every query, packed: little-endian float64 for a metric, six
bytes of a hash for the query's identity, both deflated and in base64. So a run of 5,000 captions
takes some 70 kB, and nothing is rounded.
"""

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from retrieval.evaluation.datasets import DatasetError
from retrieval.evaluation.directions import Ranked
from retrieval.evaluation.intervals import Difference, paired_difference

_NAME_BYTES = 6
_AGAIN = "make it again with 'spectrum eval DATASET --format json > RUN.json'"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One metric in both runs, on the queries that both have."""

    now: float
    before: float
    difference: Difference
    """now - before"""

    def as_json(self) -> dict[str, float]:
        """The three of them, the difference as value, low, high and p."""
        return {"now": self.now, "before": self.before} | self.difference.as_json()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run beside an earlier one."""

    run: str
    """The earlier one's file."""
    encoder: str
    """What it was made with."""
    changes: dict[str, dict[str, Change]]
    """Direction of search -> metric -> change."""
    n_queries: dict[str, int]
    """Direction of search -> queries that both runs have."""
    notes: tuple[str, ...]
    """What a reader should know, a sentence each."""

    def as_json(self) -> dict[str, Any]:
        """Changes by direction and metric, with their number of queries."""
        said: dict[str, Any] = {"run": self.run, "encoder": self.encoder, "notes": list(self.notes)}
        for direction, changes in self.changes.items():
            said[direction] = {key: change.as_json() for key, change in changes.items()}
            said[direction]["n_queries"] = self.n_queries[direction]
        return said


def saved_queries(names: Sequence[str], ranked: Ranked) -> dict[str, str]:
    """The names and values of the answered queries, packed for a run's JSON."""
    answered = ranked.answered().tolist()
    saved = {"name": _packed(b"".join(_digest(names[query]) for query in answered))}
    for key in ranked.metrics:
        saved[key] = _packed(ranked.values(key).astype("<f8").tobytes())
    return saved


def compare(
    directions: Mapping[str, tuple[Sequence[str], Ranked]], run: Path, *, seed: int = 0
) -> Comparison:
    """What changed since the run in a file.

    `directions` are the queries' identities and how they ranked, by direction.
    Raises DatasetError where the file is no run, or one of other queries.
    """
    saved = _read(run)
    changes: dict[str, dict[str, Change]] = {}
    n_queries: dict[str, int] = {}
    notes = []
    for direction, (names, ranked) in directions.items():
        if direction not in saved["queries"]:
            notes.append(f"{run} has no {direction}")
            continue
        before = _unpacked_run(saved["queries"][direction], f"{run}: {direction}")
        answered = ranked.answered()
        mine, theirs = _shared([names[query] for query in answered.tolist()], before.pop("name"))
        if not len(mine):
            continue
        if len(mine) < max(len(answered), len(next(iter(before.values()), mine))):
            notes.append(f"{direction}: compared on the {len(mine):,} queries that both runs have")
        n_queries[direction] = len(mine)
        changes[direction] = {
            key: _change(
                ranked.values(key)[mine],
                before[key][theirs],
                ranked.clusters[answered][mine],
                seed,
            )
            for key in ranked.metrics
            if key in before
        }
    if not changes:
        raise DatasetError(
            f"{run} is a run on {saved.get('dataset', 'another dataset')} and has none of these"
            " queries: give a run on the same dataset and split"
        )
    return Comparison(
        run=str(run),
        encoder=str(saved.get("encoder", "unknown")),
        changes=changes,
        n_queries=n_queries,
        notes=tuple(notes),
    )


def _change(
    now: Float64[np.ndarray, "Q"],
    before: Float64[np.ndarray, "Q"],
    clusters: Int64[np.ndarray, "Q"],
    seed: int,
) -> Change:
    difference = paired_difference(now - before, clusters, seed=seed)
    return Change(now=float(now.mean()), before=float(before.mean()), difference=difference)


def _shared(
    names: Sequence[str], before: Sequence[bytes]
) -> tuple[Int64[np.ndarray, "B"], Int64[np.ndarray, "B"]]:
    """The places of the queries that both runs have, in this run and in the earlier one."""
    place = {name: there for there, name in enumerate(before)}
    pairs = [
        (here, place[digest]) for here, digest in enumerate(map(_digest, names)) if digest in place
    ]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _read(run: Path) -> dict[str, Any]:
    """The run's JSON, which has queries."""
    try:
        saved: Any = json.loads(run.read_bytes())
    except OSError as error:
        raise DatasetError(f"{run}: {error.strerror}; give a run's JSON: {_AGAIN}") from None
    except (ValueError, RecursionError):
        raise DatasetError(f"{run}: not JSON, so no run; {_AGAIN}") from None
    if not isinstance(saved, dict) or not isinstance(saved.get("queries"), dict):
        raise DatasetError(f"{run}: holds no values of queries; {_AGAIN}")
    return saved


def _unpacked_run(saved: Any, place: str) -> dict[str, Any]:
    """The queries' digests under `name`, and their values under each metric's key."""
    try:
        data = {key: _unpacked(text) for key, text in saved.items()}
        names = data.pop("name")
        unpacked: dict[str, Any] = {
            key: np.frombuffer(values, dtype="<f8").astype(np.float64)
            for key, values in data.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error):
        raise DatasetError(f"{place}: the values of its queries are damaged; {_AGAIN}") from None
    n_queries = len(names) // _NAME_BYTES
    for values in unpacked.values():
        if len(values) != n_queries or not np.isfinite(values).all():
            raise DatasetError(f"{place}: the values of its queries are damaged; {_AGAIN}")
    starts = range(0, len(names), _NAME_BYTES)
    return unpacked | {"name": [names[start : start + _NAME_BYTES] for start in starts]}


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def _unpacked(text: str) -> bytes:
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=_NAME_BYTES).digest()
