"""One trial, everybody asked: plain detectors, what learns from voids, and the framework."""

import argparse
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32

from benchmarks.machine import machine_line
from benchmarks.trust.autoencoder import Autoencoder
from benchmarks.trust.detectors import Detector
from benchmarks.trust.estimates import Scores
from benchmarks.trust.framework import Framework, Settings, made_voids
from benchmarks.trust.fusions import LogisticFusion, PerceptronFusion
from benchmarks.trust.tables import area_table, figures, gain_table, plain

logger = logging.getLogger(__name__)
HELD_OUT = 0.2
"""Share of the library that fusions learn from, and that the detectors they fuse don't see."""
Score = Callable[[Float32[np.ndarray, "N F"]], Float[np.ndarray, " N"]]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is known, and what is asked."""

    library: Float32[np.ndarray, "L F"]
    """Known, and seen in training."""
    known: Float32[np.ndarray, "K F"]
    """Known, never seen."""
    unknown: dict[str, Float32[np.ndarray, "U F"]]
    """Unknown, never seen, by the name of the set."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Who is asked, and how the answers are laid out."""

    detectors: Callable[[int], dict[str, Detector]]
    """Detectors that need no voids, by name, for a seed."""
    settings: Settings
    """The framework's; its voids are shown to whatever learns from voids."""
    others: Mapping[str, Settings] = field(default_factory=dict)
    """The framework set up otherwise, by what its trust is called in the table."""
    columns: Mapping[str, Sequence[str]]
    """Columns of the tables: the unknown sets that each is the mean of."""
    baseline: str
    """The detector that gains are measured against."""


class PreparedAutoencoder(Autoencoder):
    """A plain autoencoder of the framework's widths, on vectors prepared as the framework's are,
    for as many steps as the framework's first two stages may take."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings = settings
        super().__init__(seed=seed)

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        self.prepared = self.settings.preparation(library)
        vectors = self.prepared(library)
        system, curriculum = self.settings.system(vectors.shape[1]), self.settings.curriculum
        self.latent = system.samatha.adapter.latent_dim
        self.hidden = tuple(reversed(system.recon_hidden_dims))
        self.batch = curriculum.batch_size
        self.noise = system.samatha.augmenter.max_noise_std if curriculum.denoising else 0.0
        epochs = curriculum.adapter.max_epochs + curriculum.samatha.max_epochs
        learning = len(vectors) * (1.0 - curriculum.held_out - curriculum.insight_share)
        self.steps = epochs * -(-round(learning) // self.batch)
        super().fit(vectors)

    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        return super().score(self.prepared(queries))


def fusions(
    library: Float32[np.ndarray, "L F"], contest: Contest, seed: int
) -> dict[str, LogisticFusion | PerceptronFusion]:
    """What learns, from held-out known vectors and from voids, to weigh the plain scores."""
    order = np.random.default_rng(seed).permutation(len(library))
    held_out, seen = np.split(order, [round(HELD_OUT * len(library))])
    detectors = contest.detectors(seed)
    for detector in detectors.values():
        detector.fit(library[seen])
    known = library[held_out]
    prepared = contest.settings.preparation(library[seen])
    void = made_voids(contest.settings, library[seen], seed)
    return {
        "logistic regression on the above": LogisticFusion(detectors).learn(known, void),
        "MLP on vector and the above": PerceptronFusion(detectors, prepared, seed).learn(
            known, void
        ),
    }


def asked(trial: Trial, score: Score) -> Scores:
    """What a score says of all queries; one seed."""
    return Scores(
        known=score(trial.known)[None],
        unknown={name: score(vectors)[None] for name, vectors in trial.unknown.items()},
    )


def framework_scores(trial: Trial, settings: Settings, seed: int) -> dict[str, Scores]:
    """The framework's three scores of all queries; one seed."""
    started = time.perf_counter()
    framework = Framework(settings, seed)
    framework.fit(trial.library)
    logger.info("seed %d: framework trained in %.0f s", seed, time.perf_counter() - started)
    # All three scores come from one pass, so each set is judged once.
    known = framework.scores(trial.known)
    unknown = {name: framework.scores(vectors) for name, vectors in trial.unknown.items()}
    return {
        score: Scores(
            known=said[None],
            unknown={name: scores[score][None] for name, scores in unknown.items()},
        )
        for score, said in known.items()
    }


def seed_scores(trial: Trial, contest: Contest, seed: int) -> dict[str, Scores]:
    """What everybody says, trained with one seed, in the order of the table."""
    found: dict[str, Scores] = {}
    for name, detector in contest.detectors(seed).items():
        detector.fit(trial.library)
        found[name] = asked(trial, detector.score)
    for name, fusion in fusions(trial.library, contest, seed).items():
        found[name] = asked(trial, fusion.score)
    found |= framework_scores(trial, contest.settings, seed)
    for name, settings in contest.others.items():
        found[name] = framework_scores(trial, settings, seed)["trust"]
    return found


def stacked(seeds: Sequence[Scores]) -> Scores:
    """The scores of several seeds as one."""
    return Scores(
        known=np.concatenate([scores.known for scores in seeds]),
        unknown={
            name: np.concatenate([scores.unknown[name] for scores in seeds])
            for name in seeds[0].unknown
        },
    )


def held(trial: Trial, contest: Contest, seeds: int) -> dict[str, Scores]:
    """The contest, for each seed."""
    each: dict[str, list[Scores]] = defaultdict(list)
    for seed in range(seeds):
        for name, scores in seed_scores(trial, contest, seed).items():
            each[name].append(scores)
    return {name: stacked(scores) for name, scores in each.items()}


def options(description: str | None) -> argparse.ArgumentParser:
    """What every yard-stick can be told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=["choices", "reported"], default="reported")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser


def report(scores: Mapping[str, Scores], contest: Contest, arguments: argparse.Namespace) -> None:
    """Prints the tables and the machine, and writes the figures if they are asked for."""
    found = figures(scores, contest.columns, contest.baseline)
    print(f"AUROC / FPR@95TPR, per cent; {arguments.seeds} seeds\n\n{area_table(found)}\n")
    print(f"AUROC beyond {contest.baseline}, points\n\n{gain_table(found, contest.baseline)}\n")
    print(machine_line("torch", "scikit-learn", "scipy"))
    if arguments.json:
        arguments.json.write_text(json.dumps(plain(found), indent=1), encoding="utf-8")
