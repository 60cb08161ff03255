"""Image to image: photographs of a class find others of it that they never met.

A fifth of the photographs asks, the others are the database; several such splits. What depends on a
choice of k is chosen by other queries: a fifth of the database, asking the rest of it.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.refinement.material import Classified
from benchmarks.refinement.measures import Measured, ranked, together
from indexer.banks import HUBNESSES
from retrieval.ranking import fitted_ranking
from retrieval.ranking.blocks import image_queries
from retrieval.ranking.centring import Centring
from retrieval.ranking.chain import Chain
from retrieval.ranking.database_augmentation import DatabaseAugmentation
from retrieval.ranking.hubness import folded
from retrieval.ranking.protocol import Ranking, Reference
from retrieval.ranking.query_expansion import QueryExpansion
from spectrum.stack.protocol import ImageEvidence, Refined

CHOICES = (3, 5, 8, 10, 15, 20)

Tuned = Callable[[Reference, int], Ranking]
"""A way to rank with k neighbours."""


def expansion(reference: Reference, k: int) -> Ranking:
    """Query expansion."""
    return dataclasses.replace(QueryExpansion.fitted(reference), neighbours=k)


def augmentation(reference: Reference, k: int) -> Ranking:
    """Database augmentation."""
    return dataclasses.replace(DatabaseAugmentation.fitted(reference), neighbours=k)


def both(reference: Reference, k: int) -> Ranking:
    """Augmentation, then expansion."""
    return Chain((augmentation(reference, k), expansion(reference, k)))


def centred_both(reference: Reference) -> Ranking:
    """Centred vectors, then both with k = 10."""
    return Chain((Centring.fitted(reference), both(reference, 10)))


TUNED: dict[str, Tuned] = {
    "`alpha-qe`": expansion,
    "`alpha-dba`": augmentation,
    "`alpha-qe+dba`": both,
}
FIXED = ("raw", "centred", "whitened", "superglobal", "alpha-qe", "alpha-dba", "alpha-qe+dba")


class Split(NamedTuple):
    """Rows of photographs; no row is on two sides."""

    queries: np.ndarray
    database: np.ndarray


class Refinement(NamedTuple):
    """What refines photographs: phase 1 of all, and phase 2 of some among others."""

    evidence: ImageEvidence
    refined: Callable[..., Refined]
    """`benchmarks.refinement.stack.refined` of a refiner."""


def parted(rows: np.ndarray, rng: np.random.Generator) -> Split:
    """A fifth of the rows, rounded up, and the others."""
    shuffled = rng.permutation(rows)
    n = -(-len(rows) // 5)
    return Split(np.sort(shuffled[:n]), np.sort(shuffled[n:]))


def asked(
    make: Callable[[Reference], Ranking],
    data: Classified,
    split: Split,
    visual_weight: float,
    refinement: Refinement | None = None,
    *,
    refined_queries: bool = False,
    folds: bool = False,
) -> Measured:
    """A split's queries, ranked by what `make` makes of its database, refined if it says how.

    Hubness takes no part: it is taken off similarities with texts only.
    """
    width = data.photographs.semantic.shape[1]
    vectors = data.photographs.vectors
    database, queries = vectors[split.database], vectors[split.queries]
    reference = Reference(
        images=database,
        texts=np.empty((0, width), dtype=np.float32),
        visual_weight=visual_weight,
    )
    if refinement is not None:
        held, new = (
            ImageEvidence(*(part[rows] for part in refinement.evidence))
            for rows in (split.database, split.queries)
        )
        made = refinement.refined(held, held, in_bank=True).vectors
        none = np.zeros((len(made), HUBNESSES), dtype=np.float32)
        database = folded(made, none) if folds else made
        if refined_queries:
            queries = refinement.refined(new, held, in_bank=False).vectors
    return ranked(
        make(reference),
        database,
        image_queries(queries, width, visual_weight),
        "image",
        data.labels[split.queries, None] == data.labels[split.database][None],
        split.queries,
    )


def best_k(
    tuned: Tuned, data: Classified, database: np.ndarray, rng_seed: int, visual_weight: float
) -> int:
    """The k of largest mAP when a fifth of the database asks the rest of it."""
    inner = parted(database, np.random.default_rng([rng_seed, 1]))

    def mean_precision(k: int) -> float:
        make = partial(tuned, k=k)
        return float(asked(make, data, inner, visual_weight).values["mAP"].mean())

    return max(CHOICES, key=mean_precision)


def measured(
    data: Classified, seeds: int, visual_weight: float, refinement: Refinement | None
) -> tuple[dict[str, Measured], dict[str, list[int]]]:
    """Every way to rank, its splits as one; and the k that each split chose."""
    parts: dict[str, list[Measured]] = {}
    chosen: dict[str, list[int]] = {}
    for seed in range(seeds):
        split = parted(np.arange(len(data.labels)), np.random.default_rng([seed, 0]))
        ask = partial(asked, data=data, split=split, visual_weight=visual_weight)
        for name in FIXED:
            label = f"`{name}`, k = 10" if name.startswith("alpha") else f"`{name}`"
            parts.setdefault(label, []).append(ask(partial(fitted_ranking, name)))
        parts.setdefault("`centred`, then `alpha-qe+dba`, k = 10", []).append(ask(centred_both))
        for name, tuned in TUNED.items():
            k = best_k(tuned, data, split.database, seed, visual_weight)
            chosen.setdefault(name, []).append(k)
            parts.setdefault(f"{name}, k chosen", []).append(ask(partial(tuned, k=k)))
        if refinement is not None:
            refining = partial(ask, refinement=refinement)
            for name, made in {
                "`spectrum`": refining(partial(fitted_ranking, "spectrum"), folds=True),
                "`spectrum`, queries as they are": refining(partial(fitted_ranking, "raw")),
                "`spectrum`, queries refined": refining(
                    partial(fitted_ranking, "raw"), refined_queries=True
                ),
            }.items():
                parts.setdefault(name, []).append(made)
    return {name: together(each) for name, each in parts.items()}, chosen
