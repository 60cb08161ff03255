"""The story of a report: what was trained, how it ended, and how the scores tell paths apart."""

import os
from functools import partial
from pathlib import Path

from torch import Tensor

from satipatthana.arguments import require_batch, require_choice
from satipatthana.configs import CurriculumConfig
from satipatthana.curriculum.history import TrainingHistory
from satipatthana.curriculum.mixer import ExtraFeatures
from satipatthana.report.evidence import (
    Findings,
    kept_answers,
    path_scores,
    projection,
)
from satipatthana.report.figures import (
    Drawing,
    draw_losses,
    draw_scores,
    draw_trajectories,
    sheet,
)
from satipatthana.report.page import page
from satipatthana.report.sections import ENDINGS, STAGE_WORDS, sections
from satipatthana.shapes import Shaped
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import VoidDataset

TITLE = "A Satipatthana training"


def write_report(
    path: str | os.PathLike[str],
    history: TrainingHistory,
    system: SatipatthanaSystem | None = None,
    x: Shaped[Tensor, "N ..."] | None = None,
    void: Tensor | VoidDataset | None = None,
    y: Shaped[Tensor, "M ..."] | None = None,
    *,
    extra: ExtraFeatures | None = None,
    training: CurriculumConfig | None = None,
) -> Path:
    """Writes one page on a training, or its pictures alone where the name ends in .png.

    The page (.html) holds everything that it shows, loads nothing, and is the same each time. The
    losses need only `history`; trajectories, scores and settings need `system` and samples `x`,
    best ones that the training did not see, and unknown ones, `void`. With the right answers `y` it
    also tells how good the trusted ones are. `extra` is the function that gives the extra features,
    `training` the settings of `fit`. At most 500 samples of each kind are scored and 150 drawn.

    Returns the path. ValueError for another ending of the name, for samples that don't fit the
    system, and where nothing can be drawn; ModuleNotFoundError without matplotlib; OSError where it
    cannot be written.
    """
    path = Path(path)
    require_choice("path's ending", path.suffix, (".html", ".png"))
    require_matplotlib()
    found = None
    if x is not None or void is not None or y is not None:
        found = findings(system, x, void, y, extra, 1.0 if not training else training.noise_level)
    if path.suffix == ".png":
        rows = drawings(history, found)
        if not rows:
            raise ValueError("history: expected one epoch or more, or samples, got nothing to draw")
        write_whole(path, sheet(rows, TITLE))
    else:
        shown = tuple(sections(history, system, found, training))
        write_whole(path, page(TITLE, lead(history), shown).encode())
    return path


def findings(
    system: SatipatthanaSystem | None,
    x: Shaped[Tensor, "N ..."] | None,
    void: Tensor | VoidDataset | None,
    y: Shaped[Tensor, "M ..."] | None,
    extra: ExtraFeatures | None,
    noise_level: float,
) -> Findings:
    """What the system says of the samples. ValueError where they are not for it."""
    if system is None or x is None:
        missing = "system" if system is None else "x"
        raise ValueError(f"{missing}: expected, beside the samples that were given, got None")
    input_shape = system.config.samatha.adapter.input_shape
    require_batch("x", x, input_shape)
    if void is not None:
        void = void.samples if isinstance(void, VoidDataset) else void
        require_batch("void", void, input_shape)
    return Findings(
        projection=projection(system, x, void),
        scores=path_scores(system, x, void, extra, noise_level),
        answers=[] if y is None else kept_answers(system, x, y, extra),
    )


def require_matplotlib() -> None:
    """ModuleNotFoundError, with what to do, where pictures cannot be drawn."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"a report: expected {missing.name}, got none; pip install 'spectrum-retrieval[report]'"
        ) from missing


def drawings(history: TrainingHistory, found: Findings | None) -> list[list[tuple[str, Drawing]]]:
    """The rows of a sheet: losses; trajectories and scores."""
    losses: list[tuple[str, Drawing]] = [
        (f"{STAGE_WORDS[stage.stage]}: {ENDINGS[stage.ended]}", partial(draw_losses, stage=stage))
        for stage in history.stages
        if stage.epochs
    ]
    rows = [losses] if losses else []
    if found is not None:
        rows.append(
            [
                ("from S_0 to S*", partial(draw_trajectories, projection=found.projection)),
                *(
                    (name, partial(draw_scores, scores=scores))
                    for name, scores in found.scores.items()
                ),
            ]
        )
    return rows


def lead(history: TrainingHistory) -> str:
    """The page's first sentence."""
    trained = [stage for stage in history.stages if stage.epochs]
    epochs = [epoch for stage in trained for epoch in stage.epochs]
    seconds = sum(epoch.seconds for epoch in epochs)
    return f"{len(trained)} stages were trained in {len(epochs)} epochs, {seconds:.0f} seconds."


def write_whole(path: Path, content: bytes) -> None:
    """To a temporary name first, so that the file is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
