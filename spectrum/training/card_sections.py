"""Sections of the model card that are made of figures. A missing fact names what makes it."""

from collections.abc import Sequence
from typing import Any

from spectrum.training import text_robustness
from spectrum.training.ablations import table as ablation_table
from spectrum.training.measurement_tables import (
    caption_floor_table,
    floor_table,
    limits_table,
    rate,
    rows,
    table,
    teacher_table,
)

COMMANDS = {
    "teachers": "python -m spectrum.training.card",
    "captioner": "python -m spectrum.training.caption_training",
    "caption_samples": "python -m spectrum.training.card",
    "ablations": "python -m spectrum.training.ablations",
    "text_robustness": "python -m spectrum.training.text_robustness --json > .training/text_robustness.json",  # noqa: E501
    "limits": "python benchmarks/encoder_limits.py --json > .training/limits.json",
}
"""What makes a fact that is not there."""
CARD_COMMAND = "python -m spectrum.training.card"


def missing(fact: str) -> str:
    """The sentence that stands in for a section."""
    first = COMMANDS[fact]
    again = "" if first == CARD_COMMAND else f", then `{CARD_COMMAND}`"
    return f"Not measured for these weights yet: `{first}`{again}.\n"


def stage_section(stages: dict[str, Any], shipped: dict[str, Any]) -> str:
    """Hit rates by stage of the text side, and what each keeps of the sentence teacher's hit@10."""
    named = {name: row for name, row in stages.items() if isinstance(row, dict)}
    named["shipped: 8 bits, both blocks"] = shipped
    teacher = named["sentence teacher"]
    lines = []
    for name, row in named.items():
        cells = [name]
        for direction in ("text_to_image", "image_to_text"):
            cells.append(" / ".join(f"{value:.1f}" for value in row[direction]))
            cells.append(f"{100.0 * row[direction][2] / teacher[direction][2]:.1f} %")
        lines.append(cells)
    heads = ["texts by", "text to image hit@1/5/10", "hit@10 kept"]
    made = rows([*heads, "image to text hit@1/5/10", "hit@10 kept"], lines)
    return (
        "### By stage\n\nFlickr8k dev, n as above, intervals as wide as above. The first rows are"
        " the caption block in float32;\nthe sentence teacher is MiniLM. The last row is the whole"
        " that ships.\n\n"
        f"{made}\nMean cosine of sentence vectors between the text tower in float32 and MiniLM, dev"
        f" captions: {stages['cosine']:.3f}.\n"
    )


def figure_section(figures: dict[str, Any]) -> str:
    """All retrieval figures, and the floors that were set for some of them."""
    return (
        f"{table(figures)}\n`both` is sqrt(1 - omega) s.s' + sqrt(omega) v.v'.\n\n"
        "Floors, set before the training:\n\n"
        f"{caption_floor_table(figures)}\n{floor_table(figures)}"
    )


def teacher_section(figures: dict[str, Any] | None) -> str:
    """The visual vector beside each single teacher's features."""
    said = (
        "### Beside single teachers\n\nImage to image, each photograph asking for all others: the"
        " visual vector and the features of each image\nteacher, same photographs, same run. Ahead:"
        " query by query, of the better of the two cosines.\n\n"
    )
    return said + (teacher_table(figures) if figures else missing("teachers"))


def robustness_section(found: dict[str, Any] | None) -> str:
    """How queries in other forms fare."""
    said = (
        "### Typos, keywords and other forms of a query\n\nTwo captions of each Flickr8k dev"
        " photograph, changed by rule; cosines are with MiniLM's vector of the\nunchanged text."
        " Then class names. `python -m spectrum.training.text_robustness`.\n\n"
    )
    if not found:
        return said + missing("text_robustness")
    return said + "\n".join(map(text_robustness.table, found.values()))


def spread(row: dict[str, Any], name: str, factor: float, digits: int) -> str:
    """An interval in brackets after its value, or nothing where none was measured."""
    if name not in row:
        return ""
    low, high = (format(factor * end, f".{digits}f") for end in row[name])
    return f" ({low} to {high})"


def caption_section(
    found: dict[str, Any] | None, samples: Sequence[tuple[str, str, float]] | None
) -> str:
    """Figures of the captioner beside both baselines, and captions of photographs."""
    said = "## Captioner\n\n"
    if not found:
        return said + missing("captioner")
    lines = []
    kinds = {name: row for name, row in found.items() if isinstance(row, dict) and "cider" in row}
    for name, row in {**kinds, **found["baselines"]}.items():
        speed, error = row.get("captions_per_second"), row.get("calibration_error")
        cells = [
            f"{100.0 * row['bleu_4']:.1f}{spread(row, 'bleu_4_interval', 100.0, 1)}",
            f"{row['cider']:.3f}{spread(row, 'cider_interval', 1.0, 3)}",
        ]
        cells += [f"{speed:.0f}" if speed else "", f"{error:.3f}" if error is not None else ""]
        lines.append([name, *cells])
    heads = ["captions by", "BLEU-4", "CIDEr", "captions/s", "calibration error of the confidence"]
    said += (
        f"Flickr8k dev, n = {found['n']}, five people's captions each; 95 % intervals over"
        " photographs. BLEU-4 by sacrebleu\n(13a, lower case), CIDEr by pycocoevalcap. Two"
        f" baselines need no decoder. Speed on two shared cores.\n\n{rows(heads, lines)}\n"
        "### Twenty captions\n\nOf `coco_boxes`, drawn by seed"
        " 0, none left out: a set it never saw.\n\n"
    )
    if not samples:
        return said + missing("caption_samples")
    told = [[name, text, f"{confidence:.2f}"] for name, text, confidence in samples]
    return said + rows(["photograph", "caption", "confidence"], told)


def ablation_section(found: Sequence[dict[str, Any]] | None) -> str:
    """The student with something left out."""
    said = (
        "## Ablations\n\nShorter runs, all of one length, one seed each; caption block, texts by"
        " MiniLM, Flickr8k dev. Changes are\npaired, photograph by photograph.\n\n"
    )
    if not found:
        return said + missing("ablations")
    # JSON has lists where the table's estimates are tuples.
    told = [
        {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
        for row in found
    ]
    return said + ablation_table(told)


def limit_section(found: dict[str, Any] | None, weights_hash: str) -> str:
    """What was measured of what it is bad at; figures of other weights are not told."""
    said = (
        "### Measured\n\n`python benchmarks/encoder_limits.py`: pictures made for this purpose,"
        " then photographs; a choice that\nis no better than chance is one that it cannot make."
        "\n\n"
    )
    if not found or found["weights_hash"] != weights_hash:
        return said + missing("limits")
    return said + limits_table(found)


def file_section(sizes: dict[str, int], contents: dict[str, str]) -> str:
    """Files with their bytes, what is in them, and the sum."""
    lines = [[name, f"{size:,}", contents.get(name, "")] for name, size in sizes.items()]
    total = sum(sizes.values())
    within = "within" if total <= 30_000_000 else "**more than**"
    lines.append(["all", f"{total:,}", f"{rate(total / 1e6)} MB, {within} 30 MB"])
    return "## Files\n\n" + rows(["file", "bytes", "parameters"], lines)
