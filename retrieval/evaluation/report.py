"""An evaluation as a page that anyone can read: what was asked, what was found, what failed.

write_report(report, "eval.html")       the page of `spectrum eval --report`
rejection_section(known=..., ...)       what `spectrum eval-rejection --report` adds: plain arrays
glossary()                              what the figures mean
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from retrieval.evaluation.compare import Comparison
from retrieval.evaluation.confusions import confusion_table
from retrieval.evaluation.hardest import hardest_cases
from retrieval.evaluation.intervals import Estimate
from retrieval.evaluation.page import Figure, Plot, Section, Table, page
from retrieval.evaluation.plots import (
    known_unknown_histogram,
    recall_curve,
    risk_coverage_plot,
    roc_plot,
    score_histogram,
)
from retrieval.evaluation.rejection import (
    aurc,
    auroc,
    coverage_at_risk,
    fpr_at_tpr,
    risk_coverage,
    roc,
)
from retrieval.evaluation.run import Direction, Report

HEADINGS = {
    "text_to_image": "From words to a picture",
    "image_to_text": "From a picture to its words",
    "image_to_image": "From a picture to others of its kind",
    "class_to_image": "From the name of a class to its pictures",
}
_WHAT_WAS_DONE = {
    "text_to_image": "Each of {queries} texts was searched for among {items} pictures, and the"
    " pictures that it belongs to had to come first.",
    "image_to_text": "With each of {queries} pictures its own texts were looked for among {items}.",
    "image_to_image": "With each of {queries} pictures others of the same class were looked for"
    " among {items}. The pictures asked with are not among those, so none finds itself.",
    "class_to_image": 'For each of {queries} classes "a photo of a NAME" was searched for among'
    " {items} pictures.",
}
_MEANINGS = {
    "hit@1": "the first hit is right",
    "hit@5": "one of the first 5 hits is right",
    "hit@10": "one of the first 10 hits is right",
    "recall@10": "of all right answers, the part that is among the first 10 hits",
    "precision@5": "of the first 5 hits, the part that is right",
    "map": "how near the top all right answers stand (mean average precision)",
    "mrr": "one over the rank of the first right answer, averaged: 50 % is rank 2",
    "ndcg@10": "how near the top of the first 10 the right answers stand",
}
_LEAST_FOR_HISTOGRAM = 20
"""Fewer scores make no hill."""
_SHOWN_FIRST = ("hit@1", "hit@10", "precision@5", "map")


def missing_packages() -> tuple[str, ...]:
    """What a page needs and is not installed; the extra `report` brings it."""
    needed = ("jinja2", "matplotlib")
    return tuple(name for name in needed if importlib.util.find_spec(name) is None)


def write_report(report: Report, path: Path, *, against: Comparison | None = None) -> None:
    """Writes the page of an evaluation. Raises OSError where the file cannot be written."""
    sections = [
        _direction_section(name, of, report, against) for name, of in report.directions.items()
    ]
    baseline = (
        "Beside each figure stands what the same search gives on unrefined vectors."
        if report.refined
        else "Nothing refines this library's vectors, so there is no other search beside it."
    )
    lead = (
        f"Measured on {report.dataset}: {report.n_images:,} pictures, encoder {report.encoder}."
        f" {baseline}"
    )
    notes = [*report.notes, *(against.notes if against else ())]
    written = page("How good is the search?", lead, [*sections, glossary()], notes)
    path.write_text(written, encoding="utf-8", errors="backslashreplace")


def rejection_section(
    *,
    known: Float[np.ndarray, "K"],
    unknown: Mapping[str, Float[np.ndarray, "_"]],
    threshold: float | None = None,
    confidence: Float[np.ndarray, "Q"] | None = None,
    correct: Bool[np.ndarray, "Q"] | None = None,
    rivals: Mapping[str, tuple[Float[np.ndarray, "Q"], Bool[np.ndarray, "Q"]]] | None = None,
    heading: str = "Does it know what it does not have?",
) -> Section:
    """How well trust tells queries that have an answer from those that have none.

    `known` and `unknown` (by the name of the set) hold the trust of queries, higher is more;
    `threshold` is the least that is accepted. With `confidence` and `correct` (whether the first
    hit was right), and those of `rivals` by name, it shows what rejecting the least trusted buys.
    Raises ValueError where a side is empty.
    """
    pooled = np.concatenate([np.asarray(values, np.float64) for values in unknown.values()])
    sides = dict(unknown)
    if len(sides) > 1:
        sides["all of them"] = pooled
    plots = [
        known_unknown_histogram(known, pooled, threshold=threshold, name=heading),
        roc_plot({name: roc(known, values) for name, values in sides.items()}, name=heading),
    ]
    tables = [_rejection_table(known, sides, threshold)]
    if confidence is not None and correct is not None:
        scores = {"trust": (confidence, correct), **(rivals or {})}
        curves = {name: risk_coverage(*of) for name, of in scores.items()}
        plots.append(risk_coverage_plot(curves, name=heading))
        tables.append(_selective_table(scores))
    return Section(
        heading=heading,
        text=f"{len(known):,} queries that the library can answer were asked, and {len(pooled):,}"
        " that it cannot. A good search trusts the first and says of the others that nothing"
        " matches.",
        plots=tuple(plots),
        tables=tuple(tables),
    )


def glossary() -> Section:
    """What the figures mean, in words."""
    return Section(
        heading="How to read the figures",
        text="All are percentages, and 100 % is perfect. A figure's range says where it would lie"
        " with other queries of the same kind, 19 times of 20; few queries make it wide. A"
        " difference between two runs is beyond chance where its range leaves out 0, that is where"
        " p is below 0.05; of twenty such comparisons one is expected to look real by chance.",
    )


def _direction_section(
    name: str, of: Direction, report: Report, against: Comparison | None
) -> Section:
    block = report.blocks[name]
    queries, items = f"{block['n_queries']:,}", f"{len(of.items):,}"
    text = _WHAT_WAS_DONE[name].format(queries=queries, items=items)
    if unanswered := block.get("n_without_answer", 0):
        text += f" {unanswered:,} more have no right answer here and are in no figure."
    if not block["n_queries"]:
        return Section(heading=HEADINGS[name], text=text)
    confusions = confusion_table(of.queries, of.items, of.ranked)
    cases = hardest_cases(of.queries, of.items, of.ranked)
    return Section(
        heading=HEADINGS[name],
        text=text,
        figures=tuple(
            Figure(number=_percent(estimate), interval=_range(estimate), meaning=_MEANINGS[key])
            for key, estimate in block.items()
            if key in _SHOWN_FIRST and isinstance(estimate, Estimate)
        ),
        plots=_plots(name, of, report.refined),
        tables=(_metrics_table(name, report, against), *([confusions] if confusions else [])),
        cases=tuple(cases),
        cases_title="The hardest queries"
        if cases
        else "No query failed: each has a right answer as its first hit",
    )


def _plots(name: str, of: Direction, refined: bool) -> tuple[Plot, ...]:
    ranks = of.ranked.first_ranks()
    curve = recall_curve(
        ranks, of.baseline.first_ranks() if refined else None, len(of.items), name=name
    )
    answered = of.ranked.answered()
    if not of.ranked.top_scores.shape[1] or len(answered) < _LEAST_FOR_HISTOGRAM:
        return (curve,)
    scores = of.ranked.top_scores[answered, 0]
    asked = np.isfinite(scores)
    right = ranks == 1
    return (curve, score_histogram(scores[asked & right], scores[asked & ~right], name=name))


def _metrics_table(name: str, report: Report, against: Comparison | None) -> Table:
    changes = against.changes.get(name, {}) if against else {}
    head = ["figure", "this search", "from … to"]
    head += ["unrefined vectors", "from … to"] if report.refined else []
    head += ["the earlier run", "difference, points", "from … to", "p"] if changes else []
    head.append("says")
    rows = []
    for key, estimate in report.blocks[name].items():
        if not isinstance(estimate, Estimate):
            continue
        row = [key, _percent(estimate), _range(estimate)]
        if report.refined:
            beside = report.baseline[name][key]
            row += [_percent(beside), _range(beside)] if isinstance(beside, Estimate) else ["", ""]
        if (change := changes.get(key)) is not None:
            gained = change.difference
            row += [f"{100 * change.before:.1f} %", f"{100 * gained.value:+.1f}"]
            row += [f"{100 * gained.low:+.1f} to {100 * gained.high:+.1f}", f"{gained.p:.2g}"]
        elif changes:
            row += [""] * 4
        rows.append((*row, _MEANINGS[key]))
    caption = "All figures of this search. Those called @k look at the first k hits."
    if against and changes:
        caption += f" The earlier run is {against.run}, encoder {against.encoder}."
    return Table(head=tuple(head), rows=tuple(rows), caption=caption, words_last=True)


def _rejection_table(
    known: Float[np.ndarray, "K"],
    unknown: Mapping[str, Float[np.ndarray, "_"]],
    threshold: float | None,
) -> Table:
    head = ["queries without an answer", "how many", "AUROC", "FPR at 95 % TPR"]
    head += ["accepted"] if threshold is not None else []
    rows = []
    for name, values in unknown.items():
        row = [name, f"{len(values):,}", f"{auroc(known, values):.3f}"]
        row.append(f"{100 * fpr_at_tpr(known, values):.1f} %")
        row += [f"{100 * (values >= threshold).mean():.1f} %"] if threshold is not None else []
        rows.append(tuple(row))
    return Table(
        head=tuple(head),
        rows=tuple(rows),
        caption="AUROC: how often a query with an answer is trusted more than one without; 0.5 is"
        " chance. FPR at 95 % TPR: how many of those without slip through where 95 % of those with"
        " an answer do.",
    )


def _selective_table(
    scores: Mapping[str, tuple[Float[np.ndarray, "Q"], Bool[np.ndarray, "Q"]]],
) -> Table:
    rows = tuple(
        (name, f"{aurc(*of):.3f}", f"{100 * coverage_at_risk(*of):.1f} %")
        for name, of in scores.items()
    )
    return Table(
        head=("answers ordered by", "AURC", "answered with 5 % wrong"),
        rows=rows,
        caption="AURC: the share of wrong first hits, averaged over all shares answered; lower is"
        " better. The last column: how many queries can be answered before one in twenty of the"
        " first hits is wrong.",
    )


def _percent(estimate: Estimate | int) -> str:
    return f"{100 * estimate.value:.1f} %" if isinstance(estimate, Estimate) else ""


def _range(estimate: Estimate | int) -> str:
    if not isinstance(estimate, Estimate):
        return ""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def rejection_page(title: str, lead: str, sections: Sequence[Section], path: Path) -> None:
    """Writes a page of such sections. Raises OSError where the file cannot be written."""
    path.write_text(page(title, lead, sections), encoding="utf-8", errors="backslashreplace")
