"""What was measured, as Markdown tables: every figure with its 95 % interval and its n."""

from collections.abc import Iterator, Sequence
from typing import Any

FORMS = (("photo_of", "a photo of a NAME"), ("bare", "NAME"))
BLOCKS = ("semantic", "visual", "both")


def rate(value: float, interval: Sequence[float] = ()) -> str:
    """A figure with one decimal, and its interval where there is one."""
    if not interval:
        return f"{value:.1f}"
    low, high = interval
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def rows(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    made = [heads, ["---"] * len(heads), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in made)


def listed(row: dict[str, Any], name: str) -> Iterator[str]:
    """The figures under a name, one for each cutoff."""
    intervals = row.get(f"{name}_interval", [()] * len(row[name]))
    return (rate(*pair) for pair in zip(row[name], intervals, strict=True))


def single(row: dict[str, Any], name: str) -> str:
    """The figure under a name; a dash where it was not measured."""
    return rate(row[name], row.get(f"{name}_interval", ())) if name in row else "-"


def caption_table(figures: dict[str, Any]) -> str:
    """Captions ask for photographs and photographs for captions."""
    lines = []
    for name, row in figures.items():
        if "text_to_image" in row:
            for direction in ("text_to_image", "image_to_text"):
                said = direction.replace("_", " ")
                lines.append([name, str(row["n"]), said, *listed(row, direction)])
    return rows(["captions", "photographs", "direction", "hit@1", "hit@5", "hit@10"], lines)


def name_table(figures: dict[str, Any]) -> str:
    """Class names ask for photographs."""
    heads = ["class names", "n, images", "query", "hit@1", "hit@5", "hit@10"]
    lines = []
    for name, row in figures.items():
        for form, query in FORMS:
            if form in row:
                found = row[form]
                cells = [name.removesuffix("_names"), f"{row['n']}, {row['images']}", query]
                means = [single(found, mean) for mean in ("precision_5", "precision_10", "map")]
                lines.append([*cells, *listed(found, "hit"), *means])
    return rows([*heads, "precision@5", "precision@10", "mAP"], lines)


def image_table(figures: dict[str, Any]) -> str:
    """Photographs ask for photographs of their class."""
    lines = []
    for name, row in figures.items():
        if "both" in row:
            said = name.removesuffix("_images")
            found = [single(row, block) for block in BLOCKS]
            lines.append([said, "odd ask for even", str(row["n"]), *found])
            if others := row.get("leave_one_out"):
                found = [rate(others[block][0], others[block][1:]) for block in BLOCKS]
                lines.append([said, "each asks for all others", str(others["n"]), *found])
    return rows(["image to image mAP", "split", "queries", *BLOCKS], lines)


def table(figures: dict[str, Any]) -> str:
    """All figures of `measurement.measured`, in per cent."""
    return "\n".join([caption_table(figures), name_table(figures), image_table(figures)])


def teacher_table(figures: dict[str, Any]) -> str:
    """The visual vector beside single teachers' features, from `measurement.teacher_figures`."""
    lines = []
    for name, found in figures.items():
        for space, row in found["rows"].items():
            cells = (rate(row[kind][0], row[kind][1:]) for kind in ("raw", "centred"))
            ahead = row.get("ahead")
            said = rate(ahead[0], ahead[1:]) if ahead else ""
            lines.append([name, str(found["n"]), space, *cells, said])
    heads = ["image to image mAP", "queries", "features", "cosine", "centred cosine"]
    return rows([*heads, "visual vector is ahead by"], lines)


FLOORS = (
    ("imagenet_1k_sample_names", "hit@10", ("hit", 2), 85.0),
    ("caltech_half_names", "hit@1", ("hit", 0), 55.0),
    ("caltech_half_names", "precision@5", ("precision_5", None), 52.0),
    ("clothing/validation_names", "hit@1", ("hit", 0), 60.0),
)
"""Names of classes: what was to be reached at least, set before the training."""


CAPTION_FLOORS = {"text_to_image": (27.0, 56.0, 70.0), "image_to_text": (33.0, 62.0, 74.0)}
"""Captions of Flickr8k dev, hit@1, 5 and 10: what was to be reached at least."""


def marked(found: str, value: float, floor: float) -> str:
    """A figure, and whether it misses its floor."""
    return found + (" - **missed**" if value < floor else "")


def caption_floor_table(figures: dict[str, Any]) -> str:
    """The floors for captions beside what was reached."""
    row = figures["flickr8k_dev"]
    lines = []
    for direction, floors in CAPTION_FLOORS.items():
        found = zip(listed(row, direction), row[direction], floors, strict=True)
        said = " / ".join(f"{floor:.0f}" for floor in floors)
        lines.append([direction.replace("_", " "), said, *(marked(*one) for one in found)])
    return rows(["flickr8k_dev", "floors", "hit@1", "hit@5", "hit@10"], lines)


def floor_table(figures: dict[str, Any]) -> str:
    """The floors beside what was reached, for both forms of a query."""
    lines = []
    for name, said, (key, place), floor in FLOORS:
        found = []
        for form, _ in FORMS:
            row = figures[name][form]
            value, interval = row[key], row.get(f"{key}_interval", ())
            if place is not None:
                value, interval = value[place], interval[place] if interval else ()
            found.append(marked(rate(value, interval), value, floor))
        lines.append([name.removesuffix("_names"), said, f"{floor:.0f}", *found])
    return rows(["class names", "measure", "floor", *(query for _, query in FORMS)], lines)


def limits_table(found: dict[str, Any]) -> str:
    """What `benchmarks/encoder_limits.py` measured."""
    lines = [
        [
            row["what"],
            row["pictures"],
            str(row["n"]),
            rate(row["right"][0], row["right"][1:]),
            f"{row['chance']:.1f}",
            row["beside"],
        ]
        for row in found["rows"]
    ]
    return rows(["asked", "pictures", "n", "right, %", "by chance, %", "beside"], lines)
