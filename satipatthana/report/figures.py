"""The pictures of a report: losses, trajectories and scores, drawn on axes.

matplotlib is imported where it is used, without pyplot, so nothing of the caller's figures changes.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from satipatthana.configs.curriculum import Path
from satipatthana.curriculum.history import StageHistory
from satipatthana.report.evidence import Projection
from satipatthana.shapes import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT = "#22222a", "#9a9aa6"
KNOWN, VOID = "#2166ac", "#d6604d"
PATH_COLOURS: dict[Path, str] = {
    "clean": KNOWN,
    "augmented": "#35978f",
    "drunk": "#8856a7",
    "mismatch": "#9a7b1c",
    "void": VOID,
}
COLOUR_NAMES = {
    INK: "ink",
    FAINT: "faint",
    **{colour: name for name, colour in PATH_COLOURS.items()},
}
"""Colour -> the page's variable that replaces it, so that the dark mode has colours of its own."""
PANEL_INCHES = (4.4, 3.0)
LOG_RATIO = 20.0
"""Losses that fall further than this are drawn on a logarithmic axis."""
BINS = 25

Drawing = Callable[["Axes"], None]


@contextmanager
def house_style(salt: str) -> Iterator[None]:
    """matplotlib's settings while a picture is drawn; the caller's come back. `salt` seeds ids."""
    import matplotlib

    inked = ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color")
    settings: Any = {
        **dict.fromkeys(inked, INK),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 10.0,
        "font.family": "sans-serif",
        "font.size": 10.0,
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
    }
    with matplotlib.rc_context(settings):
        yield


def svg(draw: Drawing, salt: str, inches: tuple[float, float] = PANEL_INCHES) -> str:
    """One picture as an SVG element that takes its colours from the page. The same each time."""
    from matplotlib.figure import Figure

    with house_style(salt):
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        silent = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=silent)
    drawn = buffer.getvalue()
    return for_page(drawn[drawn.index("<svg") :])


def for_page(drawn: str) -> str:
    """An SVG of matplotlib's as part of a page: as wide as there is room, in the page's colours."""
    for colour, name in COLOUR_NAMES.items():
        drawn = drawn.replace(colour, f"var(--{name})")
    drawn = re.sub(r' (?:width|height)="[\d.]+pt"| xmlns(?::\w+)?="[^"]*"', "", drawn)
    # Hundredths of a point are enough, and halve the size; text stands between > and <.
    return re.sub(r"(?<![>\d])\d+\.\d{3,}(?![\d<])", lambda found: f"{float(found[0]):.2f}", drawn)


def draw_losses(axes: "Axes", stage: StageHistory) -> None:
    """A stage's loss by epoch on what it learns from and on what it does not see; a ring: kept."""
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(stage.epochs) + 1)
    train = [epoch.train["total"] for epoch in stage.epochs]
    held_out = [epoch.held_out["total"] for epoch in stage.epochs]
    axes.plot(epochs, train, color=FAINT, marker=".", label="training")
    axes.plot(epochs, held_out, color=KNOWN, marker=".", label="held out")
    if stage.kept_epoch:
        kept = (stage.kept_epoch, held_out[stage.kept_epoch - 1])
        axes.plot(*kept, color=INK, marker="o", markersize=10, fillstyle="none", linestyle="none")
    if min(train + held_out) > 0 and max(train + held_out) > LOG_RATIO * min(train + held_out):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.7, len(stage.epochs) + 0.3)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.legend()


def draw_trajectories(axes: "Axes", projection: Projection) -> None:
    """The ways from S_0 (ring) to S* (dot; a cross for void), and the probes, in the plane."""
    from matplotlib.collections import LineCollection

    groups = [("known", projection.known, KNOWN, "o")]
    if projection.void is not None:
        groups.append(("void", projection.void, VOID, "x"))
    for name, ways, colour, marker in groups:
        lines = LineCollection(
            ways.transpose(0, 1).tolist(), colors=colour, linewidths=0.6, alpha=0.35
        )
        axes.add_collection(lines)
        start, end = ways[0], ways[-1]
        axes.scatter(*columns(start), s=9, facecolors="none", edgecolors=colour, linewidths=0.5)
        axes.scatter(*columns(end), s=14, c=colour, marker=marker, linewidths=0.9, label=name)
    axes.scatter(*columns(projection.probes), s=46, c=INK, marker="D", label="probes", zorder=3)
    first, second = (f"{100 * share:.0f} %" for share in projection.explained)
    axes.set_xlabel(f"first principal component ({first} of the variance)")
    axes.set_ylabel(f"second ({second})")
    axes.legend(loc="best")


def draw_scores(axes: "Axes", scores: Mapping[Path, Float[Tensor, " _"]]) -> None:
    """One row for each path: how its samples' scores spread from 0 to 1, and their median."""
    edges = torch.linspace(0, 1, BINS + 1)
    paths = list(scores)
    for row, path in enumerate(reversed(paths)):
        counts = torch.histc(scores[path].float(), bins=BINS, min=0.0, max=1.0)
        heights = (0.85 * counts / counts.max().clamp(min=1)).tolist()
        colour = PATH_COLOURS[path]
        axes.stairs(
            [row + height for height in heights],
            edges.tolist(),
            baseline=row,
            fill=True,
            color=colour,
            alpha=0.8,
        )
        axes.hlines(row, 0.0, 1.0, color=colour, linewidth=0.8)
        axes.vlines(float(scores[path].median()), row, row + 0.95, color=INK, linewidth=1.4)
    axes.set_yticks([row + 0.4 for row in range(len(paths))], list(reversed(paths)))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xlabel("score; the stroke is the median")


def columns(points: Float[Tensor, "N 2"]) -> tuple[list[float], list[float]]:
    """Points as abscissas and ordinates."""
    return points[:, 0].tolist(), points[:, 1].tolist()


def sheet(rows: Sequence[Sequence[tuple[str, Drawing]]], title: str) -> bytes:
    """All pictures on one sheet, as PNG. `rows`: each a list of titled drawings."""
    from matplotlib.figure import Figure

    width = max(len(row) for row in rows)
    with house_style(title):
        figure = Figure(
            figsize=(PANEL_INCHES[0] * width, PANEL_INCHES[1] * len(rows)), layout="constrained"
        )
        figure.suptitle(title, fontsize=13)
        for strip, row in zip(
            figure.subfigures(len(rows), 1, squeeze=False)[:, 0], rows, strict=True
        ):
            for axes, (name, draw) in zip(
                strip.subplots(1, len(row), squeeze=False)[0], row, strict=True
            ):
                draw(axes)
                axes.set_title(name)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
