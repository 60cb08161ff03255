"""What refinement costs on this machine, and what it is worth: every subset of the modules.

    timed       milliseconds an image of each subset, both phases
    measured    how well captions find their images among vectors of each subset
    profiled    THE STORY: both, as the `Profile` that `--budget` chooses from

Time is the processor's, so that what else the machine does is not in it.

Shape letters as in `retrieval.evaluation`; M images of a neighbourhood, the anchor first; F = D + 1
of a stored vector and its hubness.
"""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from indexer.banks import HUBNESSES
from indexer.vectors.exact_neighbours import exact_neighbours
from retrieval.evaluation.directions import Ranked, text_to_image
from retrieval.evaluation.intervals import Estimate, mean_with_interval, paired_difference
from spectrum.encoders.protocol import EncodedImages
from spectrum.stack import MODULES
from spectrum.stack.lexicon import Lexicon, text_questions
from spectrum.stack.protocol import ImageEvidence, Refiner
from spectrum.stack.selection import ModuleCost, Profile, Subset, module_subsets

AT_ONCE = 64
"""Images of one timing."""

LEAST_TIMINGS = 3
"""The quickest of so many counts: others were disturbed by what else the machine does."""

SECOND_ONLY = "castle"
"""The module that no vector of the first phase depends on."""

Modules = tuple[str, ...]
SubsetRefiners = Callable[[Modules], Refiner]


@dataclass(frozen=True, kw_only=True)
class CaptionQueries:
    """Texts that ask for one image each."""

    vectors: Float32[np.ndarray, "Q S"]
    owners: Int64[np.ndarray, "Q"]
    """The row of each text's image."""
    texts: tuple[str, ...]


class Neighbourhoods(NamedTuple):
    """What the second phase takes."""

    local: Float32[np.ndarray, "B M D"]
    prompts: Float32[np.ndarray, "B M S"]
    member_mask: Bool[np.ndarray, "B M"]


class Timing(NamedTuple):
    """Milliseconds an image, of the processor's time."""

    first: float
    second: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A profile, and what its accuracies are made of."""

    profile: Profile
    hits: dict[Modules, Estimate]
    """hit@10 of each subset; empty without queries."""


def profiled(
    refiner_of: SubsetRefiners,
    encoded: EncodedImages,
    queries: CaptionQueries | None,
    *,
    seed: int = 0,
    done: Callable[[Modules], None] = lambda modules: None,
) -> Measured:
    """Measures every subset on these images, of which there is at least one.

    They are each other's neighbours, and what is searched; an image is no neighbour of itself.
    Without queries only time is measured. `done` hears of each subset.
    """
    timings: dict[Modules, Timing] = {}
    rankings: dict[Modules, Ranked] = {}
    evidence: dict[Modules, tuple[ImageEvidence, float]] = {}
    for modules in wanted_subsets(queries):
        refiner = refiner_of(modules)
        key = tuple(name for name in modules if name != SECOND_ONLY)
        if key not in evidence:
            evidence[key] = first_phase(refiner, encoded)
        held, first = evidence[key]
        rows, second = second_phase(refiner, held, all_images=queries is not None)
        timings[modules] = Timing(first, second)
        if queries is not None:
            rankings[modules] = ranked_captions(rows, queries, refiner.lexicon)
        done(modules)
    profile = Profile(
        weights_hash=refiner_of(()).identity.weights_hash,
        machine=machine(),
        n_images=len(encoded.semantic),
        n_queries=0 if queries is None else len(queries.owners),
        modules=module_costs(timings),
        subsets=tuple(_subsets(timings, rankings, seed)) if rankings else (),
    )
    hits = {modules: _mean(ranked, "hit@10", seed) for modules, ranked in rankings.items()}
    return Measured(profile=profile, hits=hits)


def wanted_subsets(queries: CaptionQueries | None) -> list[Modules]:
    """All of them; for time alone each module, and none."""
    return [modules for modules in module_subsets() if queries is not None or len(modules) <= 1]


def first_phase(refiner: Refiner, encoded: EncodedImages) -> tuple[ImageEvidence, float]:
    """The evidence of all images, and the least milliseconds that one took."""
    parts, seconds = [], []
    for rows in _timed_parts(len(encoded.semantic), all_of_them=True):
        part = EncodedImages(
            encoded.semantic[rows],
            encoded.visual[rows],
            None if encoded.tokens is None else encoded.tokens[rows],
        )
        started = time.process_time()
        parts.append(refiner.evidence(part))
        seconds.append((time.process_time() - started) / len(part.semantic))
    kept = parts[: -(-len(encoded.semantic) // AT_ONCE)]
    whole = ImageEvidence(*(np.concatenate(each) for each in zip(*kept, strict=True)))
    return whole, 1000 * min(seconds)


def second_phase(
    refiner: Refiner, evidence: ImageEvidence, *, all_images: bool
) -> tuple[Float32[np.ndarray, "N F"], float]:
    """Rows [F'; -h], of all images or of as many as timing needs, and the least milliseconds."""
    parts, seconds = [], []
    members = neighbourhoods(refiner, evidence)
    for rows in _timed_parts(len(evidence.local), all_of_them=all_images):
        given = [each[rows] for each in members]
        started = time.process_time()
        made = refiner.refine(*given)
        seconds.append((time.process_time() - started) / len(made.vectors))
        parts.append(made.rows())
    whole = np.concatenate(parts)[: len(evidence.local)]
    return whole, 1000 * min(seconds)


def neighbourhoods(refiner: Refiner, evidence: ImageEvidence) -> Neighbourhoods:
    """Each image among those most like it."""
    local, prompts = evidence
    likeness = refiner.likeness(local)
    own = np.arange(len(local), dtype=np.int64)
    rows = exact_neighbours(likeness, likeness, own, refiner.identity.neighbours)
    members = np.concatenate([own[:, None], rows], axis=1)
    real = members >= 0
    return Neighbourhoods(
        np.where(real[..., None], local[members], np.float32(0)),
        np.where(real[..., None], prompts[members], np.float32(0)),
        real,
    )


def ranked_captions(
    rows: Float32[np.ndarray, "N F"], queries: CaptionQueries, lexicon: Lexicon | None
) -> Ranked:
    """How well each text finds its image, asked and hubness taken off as search does."""
    asked = text_questions(lexicon, queries.texts, queries.vectors, rows.shape[1] - HUBNESSES)
    return text_to_image(rows, asked, queries.owners)


def module_costs(timings: dict[Modules, Timing]) -> dict[str, ModuleCost]:
    """What each module by itself adds to a stack without any."""
    nothing = timings[()]
    return {
        name: ModuleCost(
            first=max(0.0, timings[(name,)].first - nothing.first),
            second=max(0.0, timings[(name,)].second - nothing.second),
        )
        for name in MODULES
    }


def machine() -> str:
    """What the times hold for, in words."""
    import os

    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def _subsets(
    timings: dict[Modules, Timing], rankings: dict[Modules, Ranked], seed: int
) -> Iterator[Subset]:
    values = {modules: ranked.values("mrr") for modules, ranked in rankings.items()}
    best = max(values, key=lambda modules: float(values[modules].mean()))
    for modules, ranked in rankings.items():
        mean = _mean(ranked, "mrr", seed)
        lacking = paired_difference(
            values[best] - values[modules], ranked.clusters[ranked.answered()], seed=seed
        )
        yield Subset(
            modules=modules,
            milliseconds=sum(timings[modules]),
            accuracy=mean.value,
            low=mean.low,
            high=mean.high,
            shortfall_low=lacking.low,
        )


def _mean(ranked: Ranked, metric: str, seed: int) -> Estimate:
    clusters = ranked.clusters[ranked.answered()]
    return mean_with_interval(ranked.values(metric), clusters, seed=seed)


def _timed_parts(count: int, *, all_of_them: bool) -> Sequence[slice]:
    """Images to time together, in order, and the first ones again if that is not often enough."""
    once = [slice(start, start + AT_ONCE) for start in range(0, count, AT_ONCE)]
    repeated = once * -(-LEAST_TIMINGS // len(once))
    return repeated[: max(LEAST_TIMINGS, len(once)) if all_of_them else LEAST_TIMINGS]
