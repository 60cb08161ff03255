"""Names: "a photo of a NAME" among photographs of many classes, refined and not.

python -m benchmarks.refinement.names [--shared ../shared] [--work .training] [--stack FILE]

Differences are to the encoder's own vectors, with 95 % intervals by bootstrap over names.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.refinement.material import Captioned, classified_folder
from benchmarks.refinement.measures import Measured, ranked, table
from benchmarks.refinement.stack import evidence_of, questions, refined
from retrieval.ranking import fitted_ranking
from retrieval.ranking.hubness import folded
from retrieval.ranking.protocol import Reference
from spectrum.encoders import Encoder, load_encoder
from spectrum.stack.loading import SHIPPED
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.weight_file import load_stack
from spectrum.training.photographs import classified

CLASSES = ("caltech_half", "clothing/train", "clothing/validation")


def measured(encoder: Encoder, stack: Path, shared: Path, work: Path, folder: str) -> str:
    """The table of one collection, whose photographs are each other's bank."""
    data = classified_folder(encoder, shared, work, folder)
    labels = np.unique([photograph.label for photograph in classified(shared / "data" / folder)])
    texts = tuple(f"a photo of a {label.replace('_', ' ').lower()}" for label in labels)
    vectors = encoder.encode_texts(texts)
    asked = Captioned(data.photographs, vectors[:, None], texts)
    relevant = np.arange(len(labels))[:, None] == data.labels[None]
    raw = data.photographs.vectors
    reference = Reference(images=raw, texts=vectors, visual_weight=encoder.visual_weight)

    def line(name: str, database: np.ndarray, queries: np.ndarray) -> Measured:
        way = fitted_ranking(name, reference)
        return ranked(way, database, queries, "text", relevant, np.arange(len(labels)))

    alone = np.pad(vectors, ((0, 0), (0, raw.shape[1] - vectors.shape[1])))
    rows = {"the encoder's own vectors": line("raw", raw, alone)}
    trained = load_stack(stack)
    for name, weights in {
        "refined, without the lexicon": trained._replace(lexicon=None, told=None),
        "refined": trained,
    }.items():
        refiner = StackRefiner(weights)
        evidence = evidence_of(refiner, data.photographs)
        made = refined(refiner, evidence, evidence, in_bank=True)
        database = folded(made.vectors, made.hubness)
        rows[name] = line("spectrum", database, questions(refiner, asked))
    return table(rows, ("hit@1", "hit@10", "mAP"), ("hit@1", "mAP"), "the encoder's own vectors")


def main() -> None:
    parser = argparse.ArgumentParser(description="Names among refined vectors.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--stack", type=Path, default=SHIPPED)
    said = parser.parse_args()
    encoder = load_encoder("embedded")
    for folder in CLASSES:
        print(f"\n### Names, {folder}\n")
        print(measured(encoder, said.stack, said.shared, said.work, folder), flush=True)
    print(f"\n{machine_line('torch')}")


if __name__ == "__main__":
    main()
