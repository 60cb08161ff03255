"""Figures as tables in Markdown, and as plain data."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.trust.estimates import Estimate, Scores, Separation, separation

Figures = dict[str, dict[str, Separation]]
"""By detector, then by the name of a column."""


def figures(
    scores: Mapping[str, Scores], columns: Mapping[str, Sequence[str]], baseline: str
) -> Figures:
    """Each detector's separation of each column's unknown sets, beside the baseline's."""
    return {
        detector: {
            column: separation(said, sets, None if detector == baseline else scores[baseline])
            for column, sets in columns.items()
        }
        for detector, said in scores.items()
    }


def area_table(found: Figures) -> str:
    """AUROC and FPR@95TPR, in per cent, with intervals."""
    return table(
        found,
        lambda each: f"{percent(each.area)} / {percent(each.false_accepts, digits=0)}",
    )


def gain_table(found: Figures, baseline: str) -> str:
    """AUROC points beyond the baseline's, with intervals."""
    return table(
        {detector: columns for detector, columns in found.items() if detector != baseline},
        lambda each: "" if each.gain is None else percent(each.gain, sign="+"),
    )


def table(found: Figures, said: Callable[[Separation], str]) -> str:
    """A row for each detector, a column for each set."""
    columns = list(next(iter(found.values())))
    lines = [["score", *columns], ["---"] * (1 + len(columns))]
    lines += [
        [detector, *(said(row[column]) for column in columns)] for detector, row in found.items()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(estimate: Estimate, digits: int = 1, sign: str = "") -> str:
    """Value and interval, times a hundred."""
    value, low, high = (f"{100.0 * number:{sign}.{digits}f}" for number in estimate)
    return f"{value} [{low}, {high}]"


def plain(found: Figures) -> dict[str, dict[str, dict[str, object]]]:
    """The figures as JSON has them."""
    return {
        detector: {column: each._asdict() for column, each in columns.items()}
        for detector, columns in found.items()
    }
