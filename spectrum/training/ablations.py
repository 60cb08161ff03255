"""The student without each term, each source and each teacher but one, and prints the table.

    python -m spectrum.training.ablations --shared ../shared --work .training

Needs the work folder of `make models`. Shorter runs than the one that ships, all of one length.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Shaped
from scipy import stats

from spectrum.training.backbone import CLASSIFIER, started
from spectrum.training.ensemble_head import EnsembleTraining
from spectrum.training.image_material import ASKED, ImageMaterial, gathered_images, lessons
from spectrum.training.image_stages import FACTORING, trained_ensemble
from spectrum.training.student import TERMS, Student, StudentTrainer, StudentTraining
from spectrum.training.student_measures import caption_vectors, fitted, pooled

logger = logging.getLogger(__name__)

EPOCHS = 6


class Variant(NamedTuple):
    """A run that leaves something out."""

    name: str
    training: StudentTraining
    teachers: tuple[str, ...] | None = None
    """Signals that are listened to; None for all."""
    views: tuple[str, ...] | None = None
    """Views that are shown; None for all."""
    others: bool = True
    """Whether photographs without captions take part."""


def variants() -> list[Variant]:
    """All runs of the table, the whole recipe first."""
    whole = StudentTraining(epochs=EPOCHS)
    found = [Variant("the whole recipe", whole)]
    for term in TERMS:
        if term != "contrast":
            weights = replace(whole.weights, **{term: 0.0})
            found.append(Variant(f"without {term}", replace(whole, weights=weights)))
    only = replace(
        whole.weights,
        **{term: 0.0 for term in TERMS if term not in {"contrast", "names", "labels"}},
    )
    return [
        *found,
        Variant("contrast and names only", replace(whole, weights=only)),
        Variant("one teacher: the classifier", whole, teachers=(CLASSIFIER,)),
        Variant("without photographs that have no captions", whole, others=False),
        Variant("without stretched and cropped views", whole, views=ASKED),
        Variant("tails frozen", replace(whole, tail_rate=0.0)),
        Variant(
            "the classifier's tail trained too", replace(whole, classifier_rate=whole.tail_rate)
        ),
    ]


class Found(NamedTuple):
    """What a student finds on dev."""

    text_to_image: Bool[np.ndarray, " N"]
    """For each caption whether its photograph is among the first ten."""
    image_to_text: Bool[np.ndarray, " M"]
    """For each photograph whether one of its captions is."""
    visual: float
    """Overlap of ten nearest neighbours among dev with the ensemble's, in [0, 1]."""


def interval(hits: Shaped[np.ndarray, " N"], group: int) -> tuple[float, float, float]:
    """Percentage of hits and its 95 % interval: percentile bootstrap over photographs.

    `group` hits in a row belong to one photograph.
    """
    rates = 100.0 * hits.reshape(-1, group).mean(axis=1)
    low, high = stats.bootstrap(
        (rates,), np.mean, n_resamples=2000, method="percentile", random_state=0
    ).confidence_interval
    return float(rates.mean()), float(low), float(high)


@torch.no_grad()
def found(
    student: Student, material: ImageMaterial, captions: Float32[np.ndarray, "N K S"]
) -> Found:
    """Hits on dev, and how alike the neighbourhoods are to the ensemble's."""
    maps = material.maps["dev", "whole"]
    images = caption_vectors(student, maps)
    texts = student.texts(torch.from_numpy(captions)).flatten(0, 1).numpy()
    scores = texts @ images.T
    owners = np.repeat(np.arange(len(images)), captions.shape[1])
    own = scores[np.arange(len(scores)), owners]
    text_to_image = (scores >= own[:, None]).sum(axis=1) <= 10
    best = np.where(owners[:, None] == np.arange(len(images)), scores, -np.inf).max(axis=0)
    wrong = np.where(owners[:, None] == np.arange(len(images)), -np.inf, scores)
    image_to_text = (wrong >= best).sum(axis=0) < 10
    visual = student.whitening(student.standardised(pooled(student, maps))).numpy()
    return Found(
        text_to_image, image_to_text, overlap(visual, unit(material.joined("dev", "whole")))
    )


def unit(signals: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "N F"]:
    """Standardised rows of unit length."""
    made = (signals - signals.mean(axis=0)) / (signals.std(axis=0) + 1e-3)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))


def overlap(first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "N F"]) -> float:
    """Share of the ten nearest neighbours that two spaces have in common."""
    neighbours = []
    for vectors in (first, second):
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        neighbours.append(np.argsort(-scores, axis=1)[:, :10])
    pairs = zip(*neighbours, strict=True)
    return float(np.mean([len(set(ours) & set(theirs)) / 10 for ours, theirs in pairs]))


class Bench:
    """Runs variants on one material."""

    def __init__(self, shared: Path, work: Path) -> None:
        self.shared, self.work = shared, work
        stems, _, _ = started(shared / "models")
        self.material = gathered_images(shared / "models", shared / "data", stems, work)
        vectors = {split: np.load(work / f"sentences_{split}.npy") for split in ("train", "dev")}
        self.captions, self.dev_captions = (
            vectors[split].reshape(len(self.material.sets[split]), -1, vectors[split].shape[-1])
            for split in ("train", "dev")
        )

    def student(self, variant: Variant) -> Student:
        """The student of one variant."""
        material = self.material
        work = self.work
        if variant.teachers is not None:
            material = replace(material, listened=variant.teachers)
            work = work / "_".join(variant.teachers)
            work.mkdir(exist_ok=True)
        teacher = trained_ensemble(
            EnsembleTraining(), material, self.captions, self.dev_captions, work
        )
        entering = material.maps["train", "whole"].extractor[:FACTORING].astype(np.float32)
        _, tails, classifier = started(self.shared / "models", torch.from_numpy(entering))
        torch.manual_seed(variant.training.seed)
        student = Student(variant.training, tails, self.captions.shape[2])
        fitted(student, material.maps["train", "whole"])
        taught = lessons(material, self.captions, teacher, classifier, variant.training)
        if not variant.others:
            taught = replace(taught, others=[])
        if variant.views is not None:
            taught = replace(taught, captioned=taught.captioned[: len(variant.views)])
        StudentTrainer(variant.training, student, taught).train()
        return student

    def row(self, variant: Variant, whole: Found | None) -> tuple[dict[str, Any], Found]:
        """A table row: hit@10 with intervals, and the difference from the whole recipe."""
        student = self.student(variant)
        made = found(student, self.material, self.dev_captions)
        per_photograph = self.dev_captions.shape[1]
        row: dict[str, Any] = {
            "variant": variant.name,
            "text_to_image": interval(made.text_to_image, per_photograph),
            "image_to_text": interval(made.image_to_text, 1),
            "neighbours": made.visual,
        }
        if whole is not None:
            pairs = (
                ("text_to_image", made.text_to_image, whole.text_to_image, per_photograph),
                ("image_to_text", made.image_to_text, whole.image_to_text, 1),
            )
            for name, ours, theirs, group in pairs:
                differences = ours.astype(np.float64) - theirs
                row[f"{name}_change"] = interval(differences, group)
        return row, made


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""

    def said(value: Sequence[float] | None, sign: str = "") -> str:
        if value is None:
            return ""
        middle, low, high = (format(number, f"{sign}.1f") for number in value)
        return f"{middle} ({low} to {high})"

    lines = [
        "| variant | text to image hit@10 | change | image to text hit@10 | change |"
        " neighbours shared with the ensemble |",
        "|" + " --- |" * 6,
    ]
    for row in rows:
        cells = [row["variant"]]
        for name in ("text_to_image", "image_to_text"):
            cells += [said(row[name]), said(row.get(f"{name}_change"), "+")]
        lines.append("| " + " | ".join([*cells, f"{row['neighbours']:.3f}"]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="The student with something left out, on dev.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("spectrum").setLevel(logging.INFO)
    stored = chosen.work / "ablations.json"
    rows: list[dict[str, Any]] = json.loads(stored.read_text()) if stored.exists() else []
    bench = Bench(chosen.shared, chosen.work)
    whole: Found | None = None
    for variant in variants():
        # The whole recipe is always run, since the others are paired with its answers.
        if whole is not None and any(row["variant"] == variant.name for row in rows):
            continue
        row, made = bench.row(variant, whole)
        whole = made if whole is None else whole
        rows = [kept for kept in rows if kept["variant"] != variant.name] + [row]
        stored.write_text(json.dumps(rows, indent=1))
        logger.info("%s", row)
    print(table(rows))


if __name__ == "__main__":
    main()
