"""What a millisecond an image buys: the 32 subsets of the modules as a plot and as a page.

write_frontier(measured, "profile.html")     a page, which needs the extra `report`
write_frontier(measured, "profile.svg")      the plot alone, for other documents
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.evaluation.page import Plot, Section, Table, page
from retrieval.evaluation.plots import COLOUR_NAMES, FAINT, RIGHT, WRONG, drawn_svg
from retrieval.profiling import Measured
from spectrum.stack import MODULES
from spectrum.stack.selection import Subset, balanced, fast, frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def named_subsets(subsets: Sequence[Subset]) -> dict[str, Subset]:
    """What each budget with a name buys."""
    whole = next(each for each in subsets if each.modules == MODULES)
    return {"fast": fast(subsets), "balanced": balanced(subsets), "best": whole}


def said_modules(modules: Sequence[str]) -> str:
    """Modules in words."""
    return " ".join(modules) or "the encoder alone"


def frontier_plot(subsets: Sequence[Subset]) -> Plot:
    """Cost against accuracy of every subset, and the line of those that nothing beats."""
    on_it = frontier(subsets)
    named: dict[tuple[str, ...], list[str]] = {}
    for name, subset in named_subsets(subsets).items():
        named.setdefault(subset.modules, []).append(name)

    def draw(axes: "Axes") -> None:
        axes.scatter(
            [each.milliseconds for each in subsets],
            [100 * each.accuracy for each in subsets],
            color=FAINT, s=16, label="a subset of the modules",
        )  # fmt: skip
        costs = [each.milliseconds for each in on_it]
        heights = [100 * each.accuracy for each in on_it]
        axes.step(costs, heights, where="post", color=RIGHT, linewidth=1.2, alpha=0.6)
        axes.scatter(costs, heights, color=RIGHT, s=26, zorder=3, label="nothing is better")
        for subset in subsets:
            if subset.modules in named:
                at = (subset.milliseconds, 100 * subset.accuracy)
                error = 100 * (subset.accuracy - subset.low), 100 * (subset.high - subset.accuracy)
                axes.errorbar(
                    *at, yerr=[[error[0]], [error[1]]], color=WRONG, fmt="o", markersize=5,
                    capsize=2, linewidth=0.8, zorder=4,
                )  # fmt: skip
                label = ", ".join(named[subset.modules])
                axes.annotate(label, at, xytext=(6, -11), textcoords="offset points", color=WRONG)
        axes.set_xlim(left=0)
        axes.set_xlabel("milliseconds an image")
        axes.set_ylabel("mean reciprocal rank, %")
        axes.legend(loc="lower right")

    said = "; ".join(
        f"{name}: {said_modules(subset.modules)}, {subset.milliseconds:.2f} ms,"
        f" {100 * subset.accuracy:.1f} %"
        for name, subset in named_subsets(subsets).items()
    )
    return Plot(
        svg=drawn_svg(draw, "frontier"),
        alt=f"Cost against accuracy of {len(subsets)} subsets. {said}.",
        caption=(
            f"Each dot is a choice of modules; on the line lie those that no other beats. {said}."
            " The bars are 95 % intervals; what separates two subsets on the same queries is"
            " known better than that."
        ),
    )


def write_frontier(measured: Measured, path: Path) -> None:
    """Writes a page, or for `.svg` the plot alone. Raises OSError where it cannot be written."""
    plot = frontier_plot(measured.profile.subsets)
    if path.suffix == ".svg":
        path.write_text(standalone(plot.svg), encoding="utf-8")
        return
    profile = measured.profile
    lead = (
        f"Each of {profile.n_queries:,} captions was searched for among {profile.n_images:,}"
        f" pictures, with every subset of the five modules; times are of {profile.machine}."
    )
    section = Section(
        heading="Accuracy and cost",
        text="'spectrum index --budget' chooses from these: fast is the cheapest with half of what"
        " there is to gain, balanced the cheapest that cannot be told from the most accurate, best"
        " is all five, and a number of milliseconds buys the most accurate within it.",
        plots=(plot,),
        tables=(_module_table(measured), _subset_table(measured)),
    )
    written = page("What does refinement cost, and what is it worth?", lead, [section])
    path.write_text(written, encoding="utf-8", errors="backslashreplace")


def standalone(svg: str) -> str:
    """An SVG element of a page as a file of its own: with its namespaces, and colours as such."""
    for colour, name in COLOUR_NAMES.items():
        svg = svg.replace(f"var(--{name})", colour)
    return svg.replace("<svg ", f"<svg {_NAMESPACES} ", 1)


def _module_table(measured: Measured) -> Table:
    costs = measured.profile.modules
    rows = tuple(
        (name, f"{costs[name].first:.2f}", f"{costs[name].second:.2f}") for name in MODULES
    )
    return Table(
        head=("module", "first phase, ms", "second phase, ms"),
        rows=rows,
        caption="What each module adds to an image's time by itself.",
    )


def _subset_table(measured: Measured) -> Table:
    subsets = measured.profile.subsets
    on_it = set(frontier(subsets))
    names = _names_by_modules(named_subsets(subsets))
    rows = tuple(
        (
            said_modules(each.modules),
            f"{each.milliseconds:.2f}",
            f"{100 * each.accuracy:.1f}",
            f"{100 * each.low:.1f} to {100 * each.high:.1f}",
            f"{100 * measured.hits[each.modules].value:.1f}",
            names.get(each.modules, "on the line" if each in on_it else ""),
        )
        for each in sorted(subsets, key=lambda each: each.milliseconds)
    )
    return Table(
        head=("modules", "ms", "MRR %", "95 % interval", "hit@10 %", ""),
        rows=rows,
        caption="Cheap ones first.",
    )


def _names_by_modules(named: Mapping[str, Subset]) -> dict[tuple[str, ...], str]:
    names: dict[tuple[str, ...], str] = {}
    for name, subset in named.items():
        names[subset.modules] = ", ".join(filter(None, (names.get(subset.modules), name)))
    return names
