"""Every detector on the same known and unknown queries: which one should guard this library?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from retrieval.evaluation.rejection import auroc, fpr_at_tpr
from retrieval.rejection.calibration import CalibrationError, conformal_threshold
from retrieval.rejection.detectors import Sample
from retrieval.rejection.gate import Head
from retrieval.rejection.registry import PLAIN

LEARNED = (*PLAIN, "satipatthana")
"""Detectors that are more than one plain figure."""
BASELINES = (
    *("max-cosine", "margin", "k-nn", "energy", "mcm", "mahalanobis", "semantic-mahalanobis"),
    *("visual-mahalanobis", "joint-mahalanobis", "relative-mahalanobis", "vim"),
    *("nearest-caption", "10th-caption"),
)
"""Single scores that are published as detectors, of which a kind of query may lack some."""
NOT_FOR_TEXT = ("block-distances",)
NOT_FOR_IMAGES = ("mlp-mahalanobis", "guarded-fusion", "void-mixture")


Groups = np.ndarray[Any, np.dtype[Any]]
"""The group of each query: the name of its threshold."""


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How one detector parts the known from one unknown set."""

    detector: str
    unknown: str
    auroc: float
    fpr_at_95_tpr: float
    accepted: float
    """Share of the unknown queries that its own threshold accepts at the rate asked for."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """What one detector said of everything."""

    detector: str
    false_rejects: float
    """Share of the known queries that its threshold refuses."""
    known: Float64[np.ndarray, " K"]
    unknown: Mapping[str, Float64[np.ndarray, " _"]]
    separations: tuple[Separation, ...]


def require_different(known: Sequence[Any], unknown: Mapping[str, Sequence[Any]]) -> None:
    """Raises CalibrationError for an empty set, and for an unknown set that is the known one."""
    if not known:
        raise CalibrationError(
            "the known set is empty: give queries that the library has answers for"
        )
    for name, queries in unknown.items():
        if not queries:
            raise CalibrationError(f"the unknown set {name} is empty")
        if set(queries) == set(known):
            raise CalibrationError(
                f"the unknown set {name} is identical to the known one: no score can part them;"
                " give queries that the library has nothing for"
            )


def contestant(
    head: Head,
    known: Sample,
    unknown: Mapping[str, Sample],
    false_reject: float,
    groups: tuple[Groups, Mapping[str, Groups]] | None = None,
) -> Contestant:
    """What a fitted head says of the queries; `groups` are the names of their thresholds.

    Scores are brought to one scale by subtracting each group's threshold and dividing by what lies
    between it and the group's median, so that phrases and sentences can be ranked together.
    """

    def scores(sample: Sample, names: Groups | None) -> Float64[np.ndarray, " _"]:
        return levelled(head.detector.score(sample), head.calibrating, names, false_reject)

    return scored(
        head.detector_name,
        scores(known, groups[0] if groups else None),
        {
            name: scores(sample, groups[1][name] if groups else None)
            for name, sample in unknown.items()
        },
    )


def scored(
    detector: str,
    known: Float64[np.ndarray, " K"],
    unknown: Mapping[str, Float64[np.ndarray, " _"]],
) -> Contestant:
    """What a detector said, by scores that are 0 at its threshold."""
    return Contestant(
        detector=detector,
        false_rejects=float((known < 0).mean()),
        known=known,
        unknown=unknown,
        separations=tuple(
            Separation(
                detector=detector,
                unknown=name,
                auroc=auroc(known, scores),
                fpr_at_95_tpr=fpr_at_tpr(known, scores),
                accepted=float((scores >= 0).mean()),
            )
            for name, scores in unknown.items()
        ),
    )


def levelled(
    scores: Float64[np.ndarray, " Q"],
    calibrating: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    names: Groups | None,
    false_reject: float,
) -> Float64[np.ndarray, " Q"]:
    """The scores with each group's threshold at 0 and its median at 1; `names` are the groups."""
    found = np.empty(len(scores))
    for group in set(calibrating if names is None else names.tolist()):
        mine = np.ones(len(scores), bool) if names is None else names == group
        usual = calibrating.get(group, next(iter(calibrating.values())))
        low = conformal_threshold(usual, false_reject)
        found[mine] = (scores[mine] - low) / max(float(np.median(usual)) - low, 1e-9)
    return found


def detector_names(kind: str, columns: Sequence[str]) -> list[str]:
    """Everybody who can be asked about this kind of query, single scores first."""
    slugs = {column.lower().replace(" ", "-") for column in columns}
    left_out = NOT_FOR_TEXT if kind == "text" else NOT_FOR_IMAGES
    learned = [name for name in LEARNED if name not in left_out]
    return [*(name for name in BASELINES if name in slugs), *learned]
