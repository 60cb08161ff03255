"""The plots of an evaluation's page, as SVG that takes its colours from the page.

matplotlib is imported where it is used, without pyplot, so nothing of the caller's changes; the
extra `report` brings it. Every plot says in a sentence what it shows.
"""

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float64

from retrieval.evaluation.page import Plot
from retrieval.evaluation.rejection import RiskCoverage, Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, RIGHT, WRONG = "#22222a", "#9a9aa6", "#2166ac", "#c8553d"
SERIES = (RIGHT, WRONG, "#2a8078", "#8856a7", "#8a6d15")
"""Colours of several curves on one plot, in their order; the sixth is the first again, dashed."""
COLOUR_NAMES = {
    INK: "ink",
    FAINT: "faint",
    **dict(zip(SERIES, ("right", "wrong", "third", "fourth", "fifth"), strict=True)),
}
"""Colour -> the page's variable that replaces it, so that the dark page has colours of its own."""
_INCHES = (5.0, 3.3)
_MOST_BINS = 40
_FURTHEST = 1000
"""Ranks beyond are not drawn."""


def recall_curve(
    first_ranks: Float64[np.ndarray, "Q"],
    baseline: Float64[np.ndarray, "Q"] | None,
    n_items: int,
    *,
    name: str,
) -> Plot:
    """How many queries have a right answer among the first k, for every k; `baseline` dashed.

    `first_ranks` are the ranks of the queries' first right answers, infinite where none was found.
    """
    furthest = max(1, min(n_items, _FURTHEST))
    k = np.arange(1, furthest + 1)
    lines = [("this search", first_ranks, RIGHT, "-")]
    if baseline is not None:
        lines.append(("unrefined vectors", baseline, FAINT, "--"))

    def draw(axes: "Axes") -> None:
        for label, ranks, colour, style in lines:
            axes.step(
                k, _percent_found(ranks, k), colour, linestyle=style, where="post", label=label
            )
        if furthest > 20:
            axes.set_xscale("log")
            ticks = [
                tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= furthest
            ]
            axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
            axes.minorticks_off()
        axes.set_ylim(-2, 102)
        axes.set_xlabel("k, hits looked at")
        axes.set_ylabel("queries with a right answer, %")
        axes.grid(axis="y", color=FAINT, alpha=0.3, linewidth=0.6)
        if len(lines) > 1:
            axes.legend(loc="lower right")

    at = {place: float(_percent_found(first_ranks, np.array([place]))[0]) for place in (1, 10)}
    return Plot(
        svg=drawn_svg(draw, f"recall {name}"),
        alt=f"Curve: {at[1]:.0f} % of queries are answered at rank 1, {at[10]:.0f} % by rank 10.",
        caption=(
            f"How far one has to look: {at[1]:.0f} of 100 queries have a right answer as the very"
            f" first hit, {at[10]:.0f} among the first ten. The sooner the curve rises, the better."
        ),
    )


def score_histogram(
    right: Float[np.ndarray, "R"], wrong: Float[np.ndarray, "W"], *, name: str
) -> Plot:
    """The scores of first hits that are right, and of those that are wrong."""
    from retrieval.evaluation.rejection import auroc

    if len(right) and len(wrong):
        share = auroc(right, wrong)
        said = (
            f"A right first hit scores higher than a wrong one in {100 * share:.0f} of 100 pairs"
            " (50 would be chance). Where the hills overlap, the score alone cannot tell."
        )
    else:
        said = f"All first hits are {'right' if len(right) else 'wrong'}."
    return Plot(
        svg=_histogram(
            {"right": right, "wrong": wrong}, "score of the first hit", None, f"scores {name}"
        ),
        alt=f"Two histograms: {len(right)} right and {len(wrong)} wrong first hits. {said}",
        caption=f"What the score of the first hit says of it. {said}",
    )


def known_unknown_histogram(
    known: Float[np.ndarray, "K"],
    unknown: Float[np.ndarray, "U"],
    *,
    threshold: float | None,
    name: str,
) -> Plot:
    """How trusted queries are that have an answer in the library, and queries that have none."""
    line = ""
    if threshold is not None:
        rejected, accepted = (known < threshold).mean(), (unknown >= threshold).mean()
        line = (
            f" The line is the threshold: left of it lie {100 * rejected:.1f} % of the queries that"
            f" have an answer, right of it {100 * accepted:.1f} % of those that have none."
        )
    return Plot(
        svg=_histogram(
            {"has an answer": known, "has none": unknown}, "trust", threshold, f"trust {name}"
        ),
        alt=f"Histograms of trust: {len(known)} known and {len(unknown)} unknown queries.{line}",
        caption=(
            "How far the search trusts queries that the library can answer, and queries that it"
            f" cannot. The further apart the hills, the better.{line}"
        ),
    )


def roc_plot(curves: Mapping[str, Roc], *, name: str) -> Plot:
    """The shares of known and unknown queries that are accepted, at every threshold."""

    def draw(axes: "Axes") -> None:
        axes.plot([0, 100], [0, 100], color=FAINT, linestyle=":", linewidth=1)
        for number, (label, curve) in enumerate(curves.items()):
            axes.plot(
                100 * curve.false_positive_rate,
                100 * curve.true_positive_rate,
                **_series(number),
                label=label,
            )
        axes.set_xlabel("accepted though unanswerable, %")
        axes.set_ylabel("accepted and answerable, %")
        axes.legend(loc="lower right")

    return Plot(
        svg=drawn_svg(draw, f"roc {name}"),
        alt=f"ROC curves of {', '.join(curves)}.",
        caption=(
            "What a threshold costs: the stricter it is, the further left one stands. A curve that"
            " hugs the upper left corner accepts what has an answer and little else; the dotted"
            " line is a coin's toss."
        ),
    )


def risk_coverage_plot(curves: Mapping[str, RiskCoverage], *, name: str) -> Plot:
    """How many of the answered queries are wrong, for every share that is answered."""

    def draw(axes: "Axes") -> None:
        for number, (label, curve) in enumerate(curves.items()):
            axes.plot(100 * curve.coverage, 100 * curve.risk, **_series(number), label=label)
        axes.set_xlim(-2, 102)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("queries answered, the most trusted first, %")
        axes.set_ylabel("first hits that are wrong, %")
        axes.legend(loc="best")

    return Plot(
        svg=drawn_svg(draw, f"risk {name}"),
        alt=f"Risk by coverage of {', '.join(curves)}.",
        caption=(
            "What it buys to answer only the most trusted queries: at the right end all are"
            " answered. The lower the curve, the fewer wrong answers one gets for the same share."
        ),
    )


def _percent_found(
    ranks: Float64[np.ndarray, "Q"], k: np.ndarray[Any, np.dtype[np.int64]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = np.searchsorted(np.sort(ranks), k, side="right").astype(np.float64)
    return 100.0 * found / max(1, len(ranks))


def _series(number: int) -> dict[str, Any]:
    style = "-" if number < len(SERIES) else "--"
    return {"color": SERIES[number % len(SERIES)], "linestyle": style, "linewidth": 1.6}


def _histogram(
    sides: Mapping[str, Float[np.ndarray, "_"]], axis: str, threshold: float | None, salt: str
) -> str:
    """Histograms of finite values over each other, each as shares of its own side."""
    finite = {label: values[np.isfinite(values)] for label, values in sides.items()}
    pooled = np.concatenate(list(finite.values())).astype(np.float64)
    n_bins = int(np.clip(np.sqrt(len(pooled)), 5, _MOST_BINS))
    edges = np.histogram_bin_edges(pooled, n_bins) if len(pooled) else np.array([0.0, 1.0])

    def draw(axes: "Axes") -> None:
        for (label, values), colour in zip(finite.items(), SERIES, strict=False):
            shares = 100 * np.histogram(values, edges)[0] / max(1, len(values))
            named = f"{label} ({len(sides[label]):,})"
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.35)
            axes.stairs(shares, edges, color=colour, linewidth=1.4, label=named)
        if threshold is not None and np.isfinite(threshold):
            axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.2)
        axes.set_xlabel(axis)
        axes.set_ylabel("share of each, %")
        axes.legend(loc="best")

    return drawn_svg(draw, salt)


def drawn_svg(draw: Callable[["Axes"], None], salt: str) -> str:
    """One plot as an SVG element in the page's colours. The same each time; `salt` seeds ids."""
    import matplotlib
    from matplotlib.figure import Figure

    inked = ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color")
    settings: Any = {
        **dict.fromkeys(inked, INK),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.family": "sans-serif",
        "font.size": 10.0,
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=_INCHES, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        silent = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=silent)
    drawn = buffer.getvalue()
    return _for_page(drawn[drawn.index("<svg") :], salt)


def _for_page(drawn: str, salt: str) -> str:
    """An SVG of matplotlib's as part of a page: as wide as there is room, in the page's colours."""
    for colour, name in COLOUR_NAMES.items():
        drawn = drawn.replace(colour, f"var(--{name})")
    drawn = re.sub(r' (?:width|height)="[\d.]+pt"| xmlns(?::\w+)?="[^"]*"', "", drawn)
    # Names of groups are the same in every plot, and nothing refers to them; ids are the page's.
    drawn = re.sub(r'<g id="[A-Za-z][\w.]*_\d+"', "<g", drawn)
    # Hundredths of a point are enough, and halve the size; text stands between > and <.
    return re.sub(r"(?<![>\d])\d+\.\d{3,}(?![\d<])", lambda found: f"{float(found[0]):.2f}", drawn)
