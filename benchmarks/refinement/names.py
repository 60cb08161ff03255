"""Short queries: a class's name, or a word by itself, among photographs, refined and not.

python -m benchmarks.refinement.names [--shared ../shared] [--work .training] [--stack FILE]

Classes of three collections, asked by "a photo of a NAME" and by "NAME"; then words among the
photographs of Flickr8k dev, where those are right of which at least two captions say the word.
mAP of each way; what refinement gains over the encoder's own vectors with 95 % intervals, by
bootstrap over what is asked.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.refinement.material import (
    Captioned,
    Photographs,
    captioned_split,
    classified_folder,
)
from benchmarks.refinement.measures import Measured, gain, ranked
from benchmarks.refinement.stack import evidence_of, questions, refined
from retrieval.ranking import fitted_ranking
from retrieval.ranking.protocol import Reference
from spectrum.encoders import Encoder, load_encoder
from spectrum.stack.lexicon import words_of
from spectrum.stack.loading import SHIPPED
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.weight_file import TrainedStack, load_stack
from spectrum.training.photographs import classified

CLASSES = ("caltech_half", "clothing/train", "clothing/validation")
FRAMES = ("{}", "a photo of a {}")
OWN, REFINED = "encoder's own", "refined"

MENTIONS = 2
"""Captions of five that say a word, for the photograph to count as showing it."""
FEWEST, MOST = 5, 150
"""Photographs that a word is right for: others are too rare to measure, or say next to nothing."""
EMPTY = frozenset(
    words_of(
        "a an the in on of at with and is are to it its his her their from by for while as into"
        " over through near next other some another one two three four people person man woman up"
        " down out off front behind wearing has that who which be being there them this"
    )
)
"""Words that say next to nothing of what is seen, or are said of too much."""


def measured(
    encoder: Encoder,
    stack: TrainedStack,
    photographs: Photographs,
    texts: Sequence[str],
    relevant: np.ndarray,
) -> dict[str, Measured]:
    """Texts that ask among photographs, which are each other's bank, in every way."""
    vectors = encoder.encode_texts(texts)
    asked = Captioned(photographs, vectors[:, None], tuple(texts))
    raw = photographs.vectors
    reference = Reference(images=raw, texts=vectors, visual_weight=encoder.visual_weight)

    def line(name: str, database: np.ndarray, queries: np.ndarray) -> Measured:
        way = fitted_ranking(name, reference)
        return ranked(way, database, queries, "text", relevant, np.arange(len(texts)))

    alone = np.pad(vectors, ((0, 0), (0, raw.shape[1] - vectors.shape[1])))
    rows = {OWN: line("raw", raw, alone)}
    assert stack.lexicon is not None
    for name, weights in {
        "without the lexicon": stack._replace(lexicon=None, told=None),
        "all taken for sentences": stack._replace(lexicon=replace(stack.lexicon, probe=None)),
        REFINED: stack,
    }.items():
        refiner = StackRefiner(weights)
        evidence = evidence_of(refiner, photographs)
        made = refined(refiner, evidence, evidence, in_bank=True)
        database = made.rows()
        rows[name] = line("spectrum", database, questions(refiner, asked))
    return rows


def cells(rows: Mapping[str, Measured]) -> list[str]:
    """mAP of each way, and what refinement gains over the encoder's own vectors."""
    shown = [f"{100 * float(each.values['mAP'].mean()):.1f}" for each in rows.values()]
    return [*shown, *(gain(rows[REFINED], rows[OWN], metric) for metric in ("mAP", "hit@1"))]


def said_words(captions: Sequence[str], images: int) -> tuple[list[str], np.ndarray]:
    """Words that captions say of some images, and of which: as many captions of each in turn."""
    each = len(captions) // images
    counted = [
        Counter(word for text in captions[start : start + each] for word in set(words_of(text)))
        for start in range(0, len(captions), each)
    ]
    uses = Counter(word for own in counted for word, count in own.items() if count >= MENTIONS)
    words = sorted(w for w, n in uses.items() if FEWEST <= n <= MOST and w not in EMPTY)
    return words, np.array([[own[word] >= MENTIONS for own in counted] for word in words])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--stack", type=Path, default=SHIPPED)
    said = parser.parse_args()
    encoder, stack = load_encoder("embedded"), load_stack(said.stack)
    asked = []
    for folder in CLASSES:
        data = classified_folder(encoder, said.shared, said.work, folder)
        told = classified(said.shared / "data" / folder)
        labels = np.unique([photograph.label for photograph in told])
        names = [label.replace("_", " ").lower() for label in labels]
        right = np.arange(len(labels))[:, None] == data.labels[None]
        asked.append((folder, data.photographs, names, right))
    dev = captioned_split(encoder, said.shared, said.work, "dev")
    words, right = said_words(dev.texts, len(dev.photographs.semantic))
    asked.append(("words, Flickr8k dev", dev.photographs, words, right))
    ways = [OWN, "without the lexicon", "all taken for sentences", REFINED]
    print(f"| asked | n | {' | '.join(ways)} | mAP gained | hit@1 gained |")
    print(f"| --- |{' ---: |' * (1 + len(ways))} --- | --- |")
    for title, photographs, names, right in asked:
        for frame in FRAMES:
            texts = [frame.format(name) for name in names]
            found = measured(encoder, stack, photographs, texts, right)
            print(
                f"| {title}: {frame.format('NAME')} | {len(texts)} | {' | '.join(cells(found))} |"
            )
    print(f"\n{machine_line('torch')}")


if __name__ == "__main__":
    main()
