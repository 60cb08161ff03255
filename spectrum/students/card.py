"""The model card inside a `.spectrum` file, written from the report."""

from typing import Any

from spectrum.students.teachers import public_name

CARD = """# A student of {teacher}

Made by `spectrum distill`. Load it with `--encoder embedded:FILE`; it needs neither the teacher nor
torch.

**Terms.** {licence}. Whoever gave you the pictures may have terms of their own.

- Teacher: `{teacher}`, fingerprint `{fingerprint}`, {teacher_dimension} dimensions.
- Towers: the embedded encoder's (fingerprint `{base}`), unchanged; new heads lead to the teacher's
  space. The {block} vector is taught; {other}.
- Pictures: {training} to learn from, {validation} to decide when to stop, {held_out} held out for
  the figures below. {captioned} of the first had captions.
- Texts: {texts}.
- Seed {seed}; epoch {best_epoch} of {epochs} was kept.

## Figures on the held-out pictures

{table}
{rest}
## Limits

It knows what the teacher knows of pictures like these, and of others less. Figures of {n} pictures
of one folder say nothing of another folder. No picture and no caption is in this file.
"""


def model_card(report: dict[str, Any]) -> str:
    """The card as Markdown."""
    teacher, student = report["teacher"], report["student"]
    semantic = student["taught_block"] == "semantic"
    texts = report["training_texts"]
    return CARD.format(
        teacher=public_name(teacher["name"]),
        fingerprint=teacher["fingerprint"],
        teacher_dimension=teacher["semantic_dimension"] + teacher["visual_dimension"],
        licence=student["licence"][0].upper() + student["licence"][1:],
        base=report["embedded_encoder"]["fingerprint"],
        block=student["taught_block"],
        other="the visual vector is the embedded encoder's"
        if semantic
        else "the semantic vector and the texts are the embedded encoder's,"
        " since the teacher reads no texts",
        texts=f"{texts['training']} to learn from, {texts['validation']} to check"
        if semantic
        else "none",
        captioned=texts["pictures_with_captions"],
        seed=report["settings"]["seed"],
        best_epoch=report["best_epoch"],
        epochs=len(report["epochs"]) - 1,
        n=report["images"]["n"],
        table=figure_table(report),
        rest="\n".join(f"- {line}" for line in other_lines(report)) + "\n",
        **report["pictures"],
    )


def shown_interval(figure: dict[str, float]) -> str:
    """A mean with its 95 % interval."""
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def figure_table(report: dict[str, Any]) -> str:
    """How near the student comes to the teacher, against simpler ways, as a Markdown table."""
    images = report["images"]
    rows = [
        ("student", "student"),
        ("ridge regression on the same features", "linear"),
        ("student less ridge regression, paired", "student_minus_linear"),
        ("the teacher's mean vector, always", "mean_vector"),
    ]
    neighbours = images["overlap"]["neighbours"]
    lines = [
        f"| {images['n']} unseen pictures, mean and 95 % interval | cosine to the teacher |"
        f" centred cosine | shared of the {neighbours} nearest |",
        "| --- | --- | --- | --- |",
    ]
    for said, name in rows:
        cells = [
            shown_interval(images[kind][name]) if name in images[kind] else ""
            for kind in ("cosine", "centred_cosine", "overlap")
        ]
        lines.append(f"| {said} | {' | '.join(cells)} |")
    lines.append(f"| chance | | | {images['overlap']['chance']:.3f} |")
    return "\n".join(lines) + "\n"


def other_lines(report: dict[str, Any]) -> list[str]:
    """What does not fit the table, a sentence each."""
    speed, sizes = (
        report["images_per_second"],
        (report["student"]["bytes"], report["teacher"]["bytes"]),
    )
    size = f"{sizes[0] / 1e6:.1f} MB; the teacher's weights "
    size += "are not on this disk" if sizes[1] is None else f"{sizes[1] / 1e6:.1f} MB"
    lines = [
        f"Images a second, on the machine that made it: {speed['student']:.0f}; the teacher"
        f" {speed['teacher']:.0f}.",
        f"Size: {size}.",
    ]
    if "texts" in report:
        texts = report["texts"]
        lines.append(
            f"Cosine to the teacher's vectors of {texts['n']} unseen texts:"
            f" {shown_interval(texts['cosine'])}."
        )
    for name in ("student", "teacher"):
        if name in report.get("captions", {}):
            rates = " / ".join(f"{rate:.1f}" for rate in report["captions"][name]["text_to_image"])
            lines.append(
                f"Captions that find their picture among {report['captions']['images']} in the"
                f" first 1 / 5 / 10, per cent, {name}: {rates}."
            )
    return lines
