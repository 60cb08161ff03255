"""Curves over the epochs of several stages, as SVG."""

import html
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, MARGIN = 520, 280, 46
"""Of a chart, pixels."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which people who confuse red and green tell apart."""
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 4")
LEGEND_ROW = 17


def chart(
    title: str, lines: Mapping[str, Sequence[float | None]], stages: Mapping[str, int]
) -> str:
    """At most six lines as one figure; None is a gap, point 0 is the start.

    `stages` says after which point each stage begins; a line is drawn there with its name. Nothing
    is returned where no line has a value.
    """
    known = [value for line in lines.values() for value in line if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    room = (high - low) or 1.0
    last = max(1, *(len(line) - 1 for line in lines.values()))
    foot = HEIGHT - MARGIN

    def across(point: int) -> float:
        return MARGIN + point / last * (WIDTH - 2 * MARGIN)

    def down(value: float) -> float:
        return foot - (value - low) / room * (HEIGHT - 2 * MARGIN)

    drawn = [_axes(low, high, last)]
    for number, (name, point) in enumerate(stages.items()):
        x = across(point)
        drawn.append(f'<line class="stage" x1="{x:.1f}" y1="{MARGIN}" x2="{x:.1f}" y2="{foot}"/>')
        drawn.append(
            f'<text x="{x + 3:.1f}" y="{MARGIN - 6 - 14 * (number % 2)}">{html.escape(name)}</text>'
        )
    for number, (name, line) in enumerate(lines.items()):
        style = f'stroke="{COLOURS[number]}" stroke-dasharray="{DASHES[number]}"'
        for part in _unbroken(line):
            points = " ".join(f"{across(at):.1f},{down(value):.1f}" for at, value in part)
            drawn.append(f'<polyline class="line" {style} points="{points}"/>')
            drawn += [
                f'<circle r="2" fill="{COLOURS[number]}" cx="{across(at):.1f}"'
                f' cy="{down(value):.1f}"/>'
                for at, value in part
            ]
        y = HEIGHT + LEGEND_ROW * number
        drawn.append(f'<line class="line" {style} x1="{MARGIN}" y1="{y}" x2="86" y2="{y}"/>')
        drawn.append(f'<text x="94" y="{y + 4}">{html.escape(name)}</text>')
    height = HEIGHT + LEGEND_ROW * len(lines)
    said = html.escape(title)
    return (
        f'<figure><figcaption>{said}</figcaption><svg viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" role="img" aria-label="{said} by epoch">{"".join(drawn)}</svg></figure>'
    )


def _axes(low: float, high: float, last: int) -> str:
    foot, right = HEIGHT - MARGIN, WIDTH - MARGIN
    return (
        f'<line class="axis" x1="{MARGIN}" y1="{foot}" x2="{right}" y2="{foot}"/>'
        f'<line class="axis" x1="{MARGIN}" y1="{MARGIN}" x2="{MARGIN}" y2="{foot}"/>'
        f'<text x="2" y="{foot}">{low:.3g}</text><text x="2" y="{MARGIN + 4}">{high:.3g}</text>'
        f'<text x="{MARGIN}" y="{foot + 18}">start</text>'
        f'<text x="{right - 60}" y="{foot + 18}">{last} epochs</text>'
    )


def _unbroken(line: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The line's parts between gaps."""
    parts: list[list[tuple[int, float]]] = [[]]
    for point, value in enumerate(line):
        if value is None:
            parts.append([])
        else:
            parts[-1].append((point, value))
    return [part for part in parts if part]
