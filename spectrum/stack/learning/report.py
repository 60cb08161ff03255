"""A training's report: JSON for programs, and one page for people."""

import html
import json
import os
from pathlib import Path
from typing import Any

from spectrum.stack.learning.charts import chart

METRICS = ("hit@1", "hit@5", "hit@10", "MRR")
ROWS = {
    "encoder": "the encoder's own vectors",
    "hubness": "the same less their hubness",
    "spectrum": "refined by the stack",
    "spectrum_minus_encoder": "refined less the encoder's own, paired",
    "spectrum_minus_hubness": "refined less hubness alone, paired",
}
READINGS = {
    "nexus": "NEXUS",
    "oracle": "ORACLE",
    "harmony": "HARMONY",
    "prompts": "PRISM's prompt",
    "descriptions": "the description that PRISM reads",
}
"""What is measured alone; CASTLE has no vector of its own before the neighbours are there."""
PARTS = {"nexus": "NEXUS", "oracle": "ORACLE", "harmony": "HARMONY", "prompts": "PRISM"}
"""Parts that have each their own best epoch, until the integrated vector is trained."""
STAGES = {
    1: "1: alone",
    2: "2: together",
    3: "3: integrated",
}
TASKS = {"text": "words ask", "image": "an image asks"}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A stack for {encoder}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #8886; padding: .3rem .8rem; text-align: left; }}
td:not(:first-child) {{ font-variant-numeric: tabular-nums; }}
figure {{ display: inline-block; margin: 1rem 1rem 1rem 0; vertical-align: top; }}
svg {{ max-width: 100%; }}
text {{ fill: currentColor; font-size: 12px; }}
.axis {{ stroke: currentColor; opacity: .5; }}
.stage {{ stroke: currentColor; opacity: .3; stroke-dasharray: 3 3; }}
.line {{ fill: none; stroke-width: 2; }}
</style>
<h1>A SPECTRUM stack for <code>{encoder}</code></h1>
<p>{images}</p>
<h2>Captions that look for their image</h2>
<p>{asked}</p>
<div class="wide"><table>{figures}</table></div>
<h2>How much each layer counts</h2>
<p>w of equation 6.2a, mean over the held-out images, per cent.</p>
<div class="wide"><table>{weights}</table></div>
<h2>Training</h2>
<p>{training}</p>
{charts}
{failures}
<h2>Terms</h2>
<p>The encoder's: {licence}. Whoever gave you the images and captions may have terms of their
own. Neither is in the file, but vectors of {reference} captions and of {words} single words
are.</p>
<details><summary>All figures and settings</summary><pre>{json}</pre></details>
</html>
"""


def write_report(report: dict[str, Any], page: Path) -> list[Path]:
    """Writes the page, and the JSON beside it; returns both paths. Raises OSError."""
    data = page.with_suffix(".json")
    _write_whole(data, json.dumps(report, indent=2, allow_nan=False) + "\n")
    _write_whole(page, report_page(report))
    return [page, data]


def shown_interval(figure: dict[str, float]) -> str:
    """A mean with its 95 % interval."""
    return f"{figure['value']:.1f} ({figure['low']:.1f} to {figure['high']:.1f})"


def report_page(report: dict[str, Any]) -> str:
    """The report as one HTML page that loads nothing from elsewhere."""
    counts, held, epochs = report["images"], report["held_out"], report["epochs"]
    said = html.escape
    seconds = sum(epoch["seconds"] for epoch in epochs)
    return PAGE.format(
        encoder=said(report["encoder"]["name"]),
        images=f"{counts['training']:,} images to learn from, {counts['validation']:,} to decide"
        f" when a stage ends, {counts['held_out']:,} held out; {report['captions']['per_image']}"
        f" captions of each, {counts['views']} views.",
        asked=f"{held['captions']:,} captions among {held['images']:,} images that nothing was"
        " fitted to, each other's only neighbours; per cent, with 95 % intervals by bootstrap over"
        " images. Where the encoder itself has learned from these images, its own vectors of them"
        " are better than of new ones, and so is every line.",
        figures=_figures(held["rows"]),
        weights=_weights(held["layer_weights"]),
        training=f"Losses of the validation images, less is better. {_kept(report['kept'])}"
        f" {seconds:.0f} seconds of training.",
        charts=_charts(epochs),
        failures=_failures(report.get("unreadable", [])),
        licence=said(report["encoder"]["licence"]),
        reference=f"{report['captions']['reference']:,}",
        words=f"{report['lexicon']['words']:,}",
        json=said(json.dumps(report, indent=2)),
    )


def _figures(rows: dict[str, Any]) -> str:
    made = [f"<tr><th></th>{''.join(f'<th>{metric}</th>' for metric in METRICS)}</tr>"]
    for name, said in ROWS.items():
        cells = "".join(f"<td>{shown_interval(rows[name][metric])}</td>" for metric in METRICS)
        made.append(f"<tr><td>{said}</td>{cells}</tr>")
    return "".join(made)


def _weights(weights: dict[str, dict[str, float]]) -> str:
    layers = next(iter(weights.values()))
    made = [f"<tr><th></th>{''.join(f'<th>{layer}</th>' for layer in layers)}</tr>"]
    for task, said in TASKS.items():
        cells = "".join(f"<td>{100 * weights[task][layer]:.0f}</td>" for layer in layers)
        made.append(f"<tr><td>{said}</td>{cells}</tr>")
    return "".join(made)


def _kept(kept: dict[str, dict[str, int]]) -> str:
    """Which epoch each part was left with; 0 is as the stage found it."""
    stages = []
    for stage, parts in kept.items():
        each = (
            f"{PARTS[part]} {epoch}" if part in PARTS else str(epoch)
            for part, epoch in parts.items()
        )
        stages.append(f"{', '.join(each)} of stage {stage}")
    return (
        "Each part is left as it was after its own best epoch, 0 being as the stage found it:"
        f" {'; '.join(stages) or 'none'}."
    )


def _charts(epochs: list[dict[str, Any]]) -> str:
    """The integrated vector and each module alone over all stages, and each stage's own loss."""
    begun: dict[str, int] = {}
    for point, epoch in enumerate(epochs):
        if epoch["stage"]:
            begun.setdefault(STAGES[epoch["stage"]], point - min(1, epoch["epoch"]))
    integrated = {"integrated vector": [epoch["validation_loss"] for epoch in epochs]}
    alone = {
        said: [epoch["validation_losses"][name] for epoch in epochs]
        for name, said in READINGS.items()
    }
    made = [
        chart("Integrated vector, validation loss", integrated, begun),
        chart("Each module alone, validation loss", alone, begun),
    ]
    for stage, name in STAGES.items():
        own = [said["training_loss"] for said in epochs if said["stage"] == stage and said["epoch"]]
        made.append(
            chart(f"Stage {name}: its own loss in training", {"training": [None, *own]}, {})
        )
    return "\n".join(made)


def _failures(failures: list[str]) -> str:
    if not failures:
        return ""
    items = "".join(f"<li>{html.escape(failure)}</li>" for failure in failures)
    return f"<h2>Images that were left out</h2><ul>{items}</ul>"


def _write_whole(path: Path, text: str) -> None:
    """To a temporary name first, so that the file is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
