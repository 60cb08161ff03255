"""The sections of a report's page: each picture with its words, each figure in a table."""

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from satipatthana.configs import PATHS, CurriculumConfig
from satipatthana.configs.curriculum import Path
from satipatthana.curriculum.history import StageHistory, TrainingHistory
from satipatthana.curriculum.transitions import Ending
from satipatthana.outputs import SCORES
from satipatthana.report.evidence import (
    Findings,
    PathScores,
    Projection,
    auroc,
    settings_rows,
)
from satipatthana.report.figures import draw_losses, draw_scores, draw_trajectories, svg
from satipatthana.report.page import Picture, Section
from satipatthana.shapes import Float
from satipatthana.system import SatipatthanaSystem

ENDINGS: dict[Ending, str] = {
    "goal": "its goal was met",
    "plateau": "its held-out loss stopped falling",
    "max_epochs": "its epochs were used up",
    "skipped": "there was nothing to train",
    "interrupted": "it was interrupted",
}
STAGE_WORDS = {
    "adapter": "Stage 0, adapter",
    "samatha": "Stage 1, Samatha",
    "vipassana": "Stage 2, Vipassana",
    "decoder": "Stage 3, decoder",
}
READ_SCORES = {
    "trust": "whether the input is of a known kind",
    "conformity": "whether it settled as inputs do",
    "confidence": "both together",
}


def sections(
    history: TrainingHistory,
    system: SatipatthanaSystem | None,
    found: Findings | None,
    training: CurriculumConfig | None,
) -> Iterator[Section]:
    """What the page shows, in its order."""
    yield losses_section(history)
    if found is not None:
        yield trajectories_section(found.projection)
        yield scores_section(found.scores)
        if found.answers and system is not None:
            yield answers_section(found.answers, system.config.task == "classification")
    elif history.path_scores:
        yield means_section(history.path_scores)
    yield settings_section(system, training)


def losses_section(history: TrainingHistory) -> Section:
    """Every stage that ran: its losses, and why it ended."""
    return Section(
        heading="Losses and how the stages ended",
        text="Held-out samples only measure; a ring marks the epoch whose weights were kept.",
        pictures=tuple(map(loss_picture, (stage for stage in history.stages if stage.epochs))),
        head=("stage", "ended because", "epochs", "kept", "held-out loss", "its terms", "seconds"),
        rows=tuple(map(stage_row, history.stages)),
    )


def loss_picture(stage: StageHistory) -> Picture:
    """A stage's losses by epoch."""
    name = STAGE_WORDS[stage.stage]
    first, last = stage.epochs[0], stage.epochs[-1]
    return Picture(
        svg=svg(partial(draw_losses, stage=stage), name),
        alt=f"{name}, loss by epoch, {len(stage.epochs)} in all:"
        f" training from {first.train['total']:.3g} to {last.train['total']:.3g},"
        f" held out from {first.held_out['total']:.3g} to {last.held_out['total']:.3g}.",
        caption=f"{name}: ended because {ENDINGS[stage.ended]}.",
    )


def stage_row(stage: StageHistory) -> tuple[str, ...]:
    """A stage in figures, the losses being those of the kept epoch."""
    shown, terms = "", ""
    if stage.kept_epoch:
        kept = stage.epochs[stage.kept_epoch - 1].held_out
        shown = f"{kept['total']:.4g}"
        terms = ", ".join(f"{name} {loss:.3g}" for name, loss in kept.items() if name != "total")
    return (
        STAGE_WORDS[stage.stage],
        ENDINGS[stage.ended],
        str(len(stage.epochs)),
        str(stage.kept_epoch or ""),
        shown,
        terms,
        f"{sum(epoch.seconds for epoch in stage.epochs):.1f}",
    )


def trajectories_section(projection: Projection) -> Section:
    """Where inputs start and where they settle."""
    groups = {"known": projection.known, "void": projection.void}
    moved = ", ".join(
        f"{ways.shape[1]} {name} ways that move {drift(ways):.3g} on average"
        for name, ways in groups.items()
        if ways is not None
    )
    shares = " and ".join(f"{100 * share:.0f} %" for share in projection.explained)
    return Section(
        heading="Trajectories from S₀ to S*",
        text="Rings are where inputs start, dots (crosses for void) where they settle, diamonds"
        " the probes; the plane is that of the first two principal components of all of these.",
        pictures=(
            Picture(
                svg=svg(
                    partial(draw_trajectories, projection=projection), "trajectories", (6.6, 4.6)
                ),
                alt=f"Trajectories in the plane: {moved}; {len(projection.probes)} probes.",
                caption=f"The two axes hold {shares} of the variance.",
            ),
        ),
    )


def drift(ways: Float[Tensor, "T N 2"]) -> float:
    """How far the ends lie from the starts, on average."""
    return float((ways[-1] - ways[0]).norm(dim=-1).mean())


def scores_section(scores: PathScores) -> Section:
    """How each score tells clean samples from the other paths."""
    paths = list(scores["trust"])
    others = [path for path in paths if path != "clean"]
    return Section(
        heading="Scores by path",
        text="The same samples clean, augmented (disturbed from outside), drunk (the engine"
        " disturbed), mismatched (with another's trajectory), and void. The table: how often a"
        " clean sample has the higher score (AUROC; 0.5 is chance).",
        pictures=tuple(score_picture(name, scores[name]) for name in SCORES),
        head=("score", *(f"clean against {path}" for path in others)),
        rows=tuple(
            (name, *(f"{auroc(by_path['clean'], by_path[path]):.3f}" for path in others))
            for name, by_path in scores.items()
        ),
    )


def score_picture(name: str, by_path: Mapping[Path, Float[Tensor, " _"]]) -> Picture:
    """One score's histograms."""
    medians = ", ".join(f"{path} {float(torch.median(of)):.2f}" for path, of in by_path.items())
    return Picture(
        svg=svg(partial(draw_scores, scores=by_path), name),
        alt=f"Histograms of {name} by path, medians: {medians}.",
        caption=f"{name.capitalize()}: {READ_SCORES[name]}.",
    )


def means_section(means: Mapping[str, Mapping[str, float]]) -> Section:
    """What the training itself noted of the scores."""
    return Section(
        heading="Scores by path",
        text="Means on held-out samples. Given the system and samples, histograms are shown too.",
        head=("path", *SCORES),
        rows=tuple(
            (path, *(f"{means[path][name]:.3f}" for name in SCORES))
            for path in PATHS
            if path in means
        ),
    )


def answers_section(answers: list[tuple[float, float]], classes: bool) -> Section:
    """Whether trust tells right answers from wrong ones."""
    measure = "share of right answers" if classes else "mean squared error"
    return Section(
        heading="Answers that are trusted",
        text="Where only the most trusted samples are answered.",
        head=("answered", measure),
        rows=tuple((f"{100 * share:.0f} %", f"{value:.4g}") for share, value in answers),
    )


def settings_section(
    system: SatipatthanaSystem | None, training: CurriculumConfig | None
) -> Section:
    """Every setting, as it was."""
    rows: list[tuple[str, str]] = []
    if system is not None:
        numbers = sum(parameter.numel() for parameter in system.parameters())
        rows += [("parameters", f"{numbers:,}"), *settings_rows(system.config)]
    if training is not None:
        rows += settings_rows(training, "training.")
    rows.append(("torch", torch.__version__))
    missing = [
        name for name, given in (("system", system), ("training", training)) if given is None
    ]
    return Section(
        heading="Settings",
        text=f"Not shown, as not given: {', '.join(missing)}." if missing else "All of them.",
        head=("setting", "value"),
        rows=tuple(rows),
        folded=f"{len(rows)} settings",
    )
