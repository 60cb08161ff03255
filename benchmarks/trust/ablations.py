"""What each part of the framework is worth: the same system without it.

    python -m benchmarks.trust.ablations [--half choices] [--seeds 5] [--only NAME ...]

On the photographs of `images.py`; gains are against the whole framework's trust.
"""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.trust.contest import Contest, Trial, framework_scores, options, report, stacked
from benchmarks.trust.estimates import Scores
from benchmarks.trust.features import FAR, NEAR, image_trials
from benchmarks.trust.framework import Preparation, Settings
from benchmarks.trust.settings import IMAGES, noise_voids
from satipatthana.configs import METRICS, PATHS, SystemConfig, uniform_scores

WHOLE = "whole"
GROUNDING = ("s0_min_dist", "drift_magnitude", "recon_error")
"""Metrics 6 to 8."""


def changed(config: Any, path: str, **settings: Any) -> Any:
    """A configuration with settings replaced in the part that `path` names, dots between."""
    if not path:
        return dataclasses.replace(config, **settings)
    name, _, rest = path.partition(".")
    part = changed(getattr(config, name), rest, **settings)
    return dataclasses.replace(config, **{name: part})


def with_system(settings: Settings, path: str, **changes: Any) -> Settings:
    """The settings with one part of the system's changed."""

    def system(features: int) -> SystemConfig:
        made: SystemConfig = changed(settings.system(features), path, **changes)
        return made

    return dataclasses.replace(settings, system=system)


def without_path(settings: Settings, path: str) -> Settings:
    """The settings without one path of stage 2. Without the clean one nothing is known at all."""
    return changed(settings, "curriculum.path_mix", **{path: 0.0})


def far_voids(known: Tensor, prepared: Preparation, generator: torch.Generator) -> Tensor:
    """Noise alone, which lies far from all photographs."""
    return noise_voids(known, prepared, generator)


def variants(whole: Settings) -> Mapping[str, Settings]:
    """The framework, and what is left of it without each part."""
    vipassana = "vipassana.vipassana"
    kept = tuple(name for name in METRICS if name not in GROUNDING)
    return {
        WHOLE: whole,
        "bare: the refiner does not see z": with_system(whole, "samatha.vicara", grounded=False),
        "no GRU": with_system(whole, vipassana, dynamic=False),
        "no metrics 6 to 8": with_system(whole, vipassana, metrics=kept),
        **{
            f"no {name}": with_system(
                whole, vipassana, metrics=tuple(each for each in METRICS if each != name)
            )
            for name in METRICS
        },
        "reconstruction error alone": with_system(whole, vipassana, metrics=("recon_error",)),
        "T = 0": with_system(whole, "samatha", max_steps=0),
        "metrics weighted freely": with_system(whole, vipassana, monotone=False),
        "far voids only": dataclasses.replace(whole, voids=far_voids),
        **{f"no {path} path": without_path(whole, path) for path in PATHS if path != "clean"},
        "every score learns from every path": changed(
            whole, "curriculum", score_weights=uniform_scores()
        ),
        "no denoising": changed(whole, "curriculum", denoising=False),
    }


def scores_of(trial: Trial, settings: Settings, seeds: int) -> dict[str, Scores]:
    """The three scores of one variant, seeds stacked."""
    each = [framework_scores(trial, settings, seed) for seed in range(seeds)]
    return {score: stacked([found[score] for found in each]) for score in each[0]}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".training/trust"))
    parser.add_argument("--only", nargs="*", default=[], help="names of variants")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(arguments.threads)
    choices, reported = image_trials(arguments.shared, arguments.cache)
    trial = choices if arguments.half == "choices" else reported
    found: dict[str, Scores] = {}
    for name, settings in variants(IMAGES).items():
        if name == WHOLE or not arguments.only or name in arguments.only:
            said = scores_of(trial, settings, arguments.seeds)
            found |= {f"{name}: {score}": scores for score, scores in said.items()}
    columns = {"near, mean": NEAR, "far, mean": FAR}
    contest = Contest(
        detectors=lambda seed: {}, settings=IMAGES, columns=columns, baseline=f"{WHOLE}: trust"
    )
    report(found, contest, arguments)


if __name__ == "__main__":
    main()
