"""A distillation's report: JSON for programs, and one page for people."""

import html
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spectrum.students.card import other_lines, shown_interval

WIDTH, HEIGHT, MARGIN = 520, 260, 46
"""Of a chart, pixels."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Distillation of {teacher}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #8886; padding: .3rem .8rem; text-align: left; }}
td:not(:first-child) {{ font-variant-numeric: tabular-nums; }}
figure {{ display: inline-block; margin: 1rem 1rem 1rem 0; }}
svg {{ max-width: 100%; }}
text {{ fill: currentColor; font-size: 12px; }}
.axis {{ stroke: currentColor; opacity: .5; }}
.line {{ fill: none; stroke-width: 2; }}
.first {{ stroke: #2166ac; }} .second {{ stroke: #d6604d; }}
text.first {{ stroke: none; fill: #2166ac; }} text.second {{ stroke: none; fill: #d6604d; }}
</style>
<h1>A student of <code>{teacher}</code></h1>
<p>{pictures}</p>
<h2>Pictures that nothing was fitted to</h2>
<table>{rows}</table>
<ul>{lines}</ul>
<h2>Training</h2>
<p>{training}</p>
{charts}
<h2>Terms</h2>
<p>{licence}.</p>
<details><summary>All figures and settings</summary><pre>{json}</pre></details>
</html>
"""


def write_report(report: dict[str, Any], page: Path) -> list[Path]:
    """Writes the page, and the JSON beside it; returns both paths. Raises OSError."""
    data = page.with_suffix(".json")
    _write_whole(data, json.dumps(report, indent=2) + "\n")
    _write_whole(page, report_page(report))
    return [page, data]


def report_page(report: dict[str, Any]) -> str:
    """The report as one HTML page that loads nothing from elsewhere."""
    counts = report["pictures"]
    epochs = report["epochs"]
    numbers = [float(epoch["epoch"]) for epoch in epochs]
    loss = {
        "training": [epoch["training_loss"] for epoch in epochs],
        "validation": [epoch["validation_loss"] for epoch in epochs],
    }
    cosine = {"validation": [epoch["validation_cosine"] for epoch in epochs]}
    said = html.escape
    return PAGE.format(
        teacher=said(report["teacher"]["name"]),
        pictures=f"{counts['training']} pictures to learn from, {counts['validation']} to decide"
        f" when to stop, {counts['held_out']} held out.",
        rows=_rows(report["images"]),
        lines="".join(f"<li>{said(line)}</li>" for line in other_lines(report)),
        training=f"Epoch 0 is ridge regression; epoch {report['best_epoch']} was kept. The training"
        " loss is taken with dropout, so it may lie above the validation loss.",
        charts=chart("Loss", numbers, loss) + chart("Mean cosine to the teacher", numbers, cosine),
        licence=said(report["student"]["licence"]),
        json=said(json.dumps(report, indent=2)),
    )


def _rows(images: dict[str, Any]) -> str:
    kinds = {
        "cosine": "cosine to the teacher",
        "centred_cosine": "centred cosine",
        "overlap": f"shared of the {images['overlap']['neighbours']} nearest",
    }
    names = {
        "student": "student",
        "linear": "ridge regression on the same features",
        "student_minus_linear": "student less ridge regression, paired",
        "mean_vector": "the teacher's mean vector, always",
    }
    head = f"{images['n']} pictures, mean and 95 % interval"
    rows = [f"<tr><th>{head}</th>{''.join(f'<th>{said}</th>' for said in kinds.values())}</tr>"]
    for name, said in names.items():
        cells = (
            f"<td>{shown_interval(images[kind][name]) if name in images[kind] else ''}</td>"
            for kind in kinds
        )
        rows.append(f"<tr><td>{said}</td>{''.join(cells)}</tr>")
    rows.append(f"<tr><td>chance</td><td></td><td></td><td>{images['overlap']['chance']:.3f}</td>")
    return "".join(rows) + "</tr>"


def chart(title: str, across: Sequence[float], lines: Mapping[str, Sequence[float | None]]) -> str:
    """One or two lines over the epochs as an SVG figure; None is a gap."""
    known = [value for line in lines.values() for value in line if value is not None]
    low, high = min(known), max(known)
    room = high - low or 1.0
    last = max(across[-1], 1.0)

    def place(epoch: float, value: float) -> str:
        x = MARGIN + epoch / last * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - (value - low) / room * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    drawn = []
    for number, (name, line) in enumerate(lines.items()):
        kind = ("first", "second")[number]
        points = [
            place(epoch, value)
            for epoch, value in zip(across, line, strict=True)
            if value is not None
        ]
        drawn.append(f'<polyline class="line {kind}" points="{" ".join(points)}"/>')
        drawn.append(f'<text class="{kind}" x="{MARGIN + 110 * number}" y="16">{name}</text>')
    bottom, right = HEIGHT - MARGIN, WIDTH - MARGIN
    axes = (
        f'<line class="axis" x1="{MARGIN}" y1="{bottom}" x2="{right}" y2="{bottom}"/>'
        f'<line class="axis" x1="{MARGIN}" y1="{MARGIN}" x2="{MARGIN}" y2="{bottom}"/>'
        f'<text x="2" y="{bottom}">{low:.3g}</text><text x="2" y="{MARGIN + 4}">{high:.3g}</text>'
        f'<text x="{MARGIN}" y="{bottom + 18}">0</text>'
        f'<text x="{right - 20}" y="{bottom + 18}">{last:.0f}</text>'
    )
    return (
        f'<figure><figcaption>{title}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" role="img" aria-label="{title} by epoch">{axes}{"".join(drawn)}</svg>'
        "</figure>"
    )


def _write_whole(path: Path, text: str) -> None:
    """To a temporary name first, so that the file is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
