"""Ways to rank, on the same vectors in the same run: tables in Markdown.

python -m benchmarks.refinement [--shared ../shared] [--work .training] [--splits 5] [--encoder E]
                                [--stack FILE]

Each photograph and text is encoded once and kept in --work. Differences are paired, query by query;
their 95 % intervals are by bootstrap over photographs, whose captions or splits go together.
"""

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.refinement import captions, classes
from benchmarks.refinement.control import controlled
from benchmarks.refinement.material import (
    captioned_split,
    classified_folder,
    coco_texts,
)
from benchmarks.refinement.measures import table
from benchmarks.refinement.stack import evidence_of, questions, refined, refiner_of
from spectrum.encoders import Encoder, load_encoder
from spectrum.stack.protocol import Refined, Refiner

CLASSES = ("caltech_half", "clothing/validation")


def text_to_image(encoder: Encoder, refiner: Refiner | None, shared: Path, work: Path) -> None:
    """Two bases: the encoder's own semantic vectors, and those of a weaker head."""
    train, dev = (captioned_split(encoder, shared, work, split) for split in ("train", "dev"))
    banks = {
        "training captions": train.captions.reshape(-1, train.captions.shape[-1]),
        "COCO's captions": coco_texts(encoder, shared, work),
    }
    guessed = captions.guesses(train, dev)
    stored: Mapping[str, tuple[Refined, np.ndarray]] = {}
    if refiner is not None:
        evidence = evidence_of(refiner, dev.photographs)
        made = refined(refiner, evidence, evidence, in_bank=True)
        stored = {"`spectrum`": (made, questions(refiner, dev))}
        stored |= controlled(encoder, shared, work, dev, refiner.lexicon)
    bases = {
        "the encoder's own vectors": (dev.photographs.semantic, stored),
        "a weaker head on the same features": (captions.weaker_semantic(train, dev), {}),
    }
    for base, (semantic, stored) in bases.items():
        rows = captions.measured(semantic, dev, guessed, banks, encoder.visual_weight, stored)
        print(f"\n### Text to image, {base}\n")
        metrics = ("hit@1", "hit@5", "hit@10", "mAP")
        print(table(rows, metrics, ("hit@1", "hit@10", "mAP"), "`raw`"))
        print("\nAgainst the fixed fusion:\n")
        name = "fixed fusion: both, then `hubness`"
        few = {key: rows[key] for key in (name, "`hubness`", "`spectrum`") if key in rows}
        print(table(few, ("mAP",), ("hit@1", "hit@10", "mAP"), name), flush=True)
        if stored:
            print("\nSPECTRUM against what is learned without context:\n")
            few = {key: rows[key] for key in rows if "control" in key}
            few |= {"`spectrum`": rows["`spectrum`"]}
            print(table(few, ("mAP",), ("hit@1", "hit@10", "mAP"), "`spectrum`"), flush=True)


def image_to_image(
    encoder: Encoder, refiner: Refiner | None, shared: Path, work: Path, splits: int
) -> None:
    """Queries by what is seen, as the encoder weighs it, and by what could be said of it."""
    for name in CLASSES:
        data = classified_folder(encoder, shared, work, name)
        for base, weight in {
            f"omega = {encoder.visual_weight}, the encoder's": encoder.visual_weight,
            "omega = 0, semantic blocks alone": 0.0,
        }.items():
            refinement = None
            if refiner is not None and weight:
                evidence = evidence_of(refiner, data.photographs)
                refinement = classes.Refinement(evidence, partial(refined, refiner))
            rows, chosen = classes.measured(data, splits, weight, refinement)
            n, n_classes = len(data.labels), len(np.unique(data.labels))
            print(
                f"\n### Image to image, {name}, {base}\n\n{n} photographs, {n_classes} classes.\n"
            )
            print(table(rows, ("hit@1", "mAP"), ("mAP",), "`raw`"))
            tuned = "`alpha-qe+dba`, k chosen"
            few = {tuned: rows[tuned]} | {key: rows[key] for key in rows if "spectrum" in key}
            if len(few) > 1:
                print(f"\n{table(few, ('hit@1', 'mAP'), ('mAP',), tuned)}")
            ks = [f"{key} {', '.join(map(str, each))}" for key, each in chosen.items()]
            print(f"\nk, split by split: {'; '.join(ks)}.", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ways to rank, on the same vectors.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--encoder", default="embedded")
    parser.add_argument("--stack", type=Path, help="weights that refine, beside those that ship")
    said = parser.parse_args()
    encoder = load_encoder(said.encoder)
    refiner = refiner_of(encoder, said.stack)
    text_to_image(encoder, refiner, said.shared, said.work)
    image_to_image(encoder, refiner, said.shared, said.work, said.splits)
    print(f"\n{machine_line('numpy')}")


if __name__ == "__main__":
    main()
