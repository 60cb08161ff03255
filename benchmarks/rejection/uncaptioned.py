"""What is refused in libraries whose captions nobody named, when asked in words.

python -m benchmarks.rejection.uncaptioned [--shared ../shared] [--false-reject 0.05]

Good queries are of pictures that neither taught what texts let expect nor gave its levels: the odd
half of Flickr8k dev, COCO, Caltech, clothes and the scenes that `spectrum demo` renders. Unknown
names are of the half of ImageNet's that taught nothing.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.rejection.text_sets import (
    CIRCUITS,
    CODE,
    RECEIPTS,
    XRAY,
    absent_names,
    gibberish,
)
from retrieval import Library
from retrieval.rejection.library_gate import refit_if_drifted
from retrieval.rejection.uncaptioned import DETECTOR
from retrieval.rejection.words import WordSupport, words_of
from retrieval.sample.collection import write_collection
from spectrum.encoders.framing import with_article
from spectrum.training.expected_match import caption_pairs, halves, name_of
from spectrum.training.photographs import Photograph, captioned, classified
from spectrum.training.sentences import caption_lines
from spectrum.training.text_noise import with_typos

ASKED = 500
"""Texts of a kind, at most."""
SCENES = 300
Sets = Mapping[str, Sequence[str]]


def refused_share(library: Library, texts: Sequence[str], false_reject: float) -> float:
    """Of texts, the share that the library refuses. AssertionError if somebody else judges."""
    judged = [library.search(text, top=1, false_reject=false_reject).trust for text in texts]
    assert all(trust is not None and trust.detector == DETECTOR for trust in judged)
    return float(np.mean([trust is not None and not trust.accepted for trust in judged]))


def row_of(name: str, paths: Sequence[Path], good: Sets, unknown: Sets, false_reject: float) -> str:
    """A line of the table: a library of these pictures, and what it refuses."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(Path(folder) / "some.library") as library,
    ):
        library.index(*paths)
        refit_if_drifted(library, lambda _: None)
        cells = [
            "; ".join(
                f"{kind} {100 * refused_share(library, texts, false_reject):.1f} ({len(texts)})"
                for kind, texts in sets.items()
            )
            for sets in (good, unknown)
        ]
    return f"| {name}, {len(paths):,} | {' | '.join(cells)} |"


def said_of(photographs: Sequence[Photograph], dice: np.random.Generator) -> Sets:
    """Sentences, words and pairs of words of photographs, the words with and without typos."""
    kinds = caption_pairs([photograph.captions for photograph in photographs], dice)
    some = {kind: _some(pairs.texts, dice) for kind, pairs in kinds.items()}
    return some | {
        f"{kind}, a typo": [with_typos(text, 1, dice) for text in some[kind]]
        for kind in ("sentence", "word")
    }


def names_of(photographs: Sequence[Photograph]) -> list[str]:
    """The classes' names, as words."""
    labels = sorted({photograph.label for photograph in photographs})
    return [" ".join(label.lower().replace("_", " ").replace("-", " ").split()) for label in labels]


def named_sets(names: Sequence[str]) -> Sets:
    """Names as they stand and as photographs are asked for."""
    return {
        "name": names,
        "a photo of": [f"a photo of {with_article(name)}" for name in names],
    }


def rendered(folder: Path) -> list[Photograph]:
    """Scenes of painted shapes, which are no photographs, and their captions."""
    return captioned(write_collection(folder, n_scenes=SCENES).parent)


def _some(texts: Sequence[str], dice: np.random.Generator) -> list[str]:
    return [texts[row] for row in dice.permutation(len(texts))[:ASKED].tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description="Refusals without captions.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--false-reject", type=float, default=0.05)
    said = parser.parse_args()
    data, dice = said.shared.resolve() / "data", np.random.default_rng(0)
    train, dev = captioned(data / "flickr8k", "train"), captioned(data / "flickr8k", "dev")[1::2]
    held = WordSupport.counted([text for each in (*train, *dev) for text in each.captions])
    _, fresh = halves(sorted((data / "imagenet_1k_sample").glob("*.jpg")))
    absent = sorted(set(absent_names(data, held)) & set(map(name_of, fresh)))
    nonsense = {
        "gibberish": gibberish(dice, 300),
        "code, receipts, X-rays, circuits": [*CODE, *RECEIPTS, *XRAY, *CIRCUITS],
    }
    far = {"absent name": absent, **nonsense}
    coco_captions = _some(caption_lines(said.shared), dice)
    coco = sorted((data / "coco_boxes/images").glob("*.jpg"))
    lines = (data / "coco_boxes/captions.jsonl").read_text(encoding="utf-8").splitlines()
    things = sorted({one["category"] for row in map(json.loads, lines) for one in row["objects"]})
    elsewhere = [name for name in absent if not {*words_of(name)} & {*words_of(" ".join(things))}]
    print("| library | good queries refused, % (n) | unknown queries refused, % (n) |")
    print("| --- | --- | --- |")

    def row(name: str, paths: Sequence[Path], good: Sets, unknown: Sets) -> None:
        print(row_of(name, paths, good, unknown, said.false_reject), flush=True)

    spoken = said_of(dev, dice)
    own = [photograph.path for photograph in dev]
    row("Flickr8k dev, odd half", own, spoken, far | {"COCO's captions": coco_captions})
    many = [*own, *(photograph.path for photograph in train)]
    row("the same and train", many, spoken, far | {"COCO's captions": coco_captions})
    good = said_of(captioned(data / "coco_boxes"), dice) | named_sets(things)
    row(
        "COCO",
        coco,
        good,
        {"absent name": elsewhere, **nonsense, "Flickr8k's captions": spoken["sentence"]},
    )
    for folder in ("caltech_half", "clothing/validation"):
        every = classified(data / folder)
        kinds = sorted({photograph.label for photograph in every})[::2]
        here = [photograph for photograph in every if photograph.label in kinds]
        gone = [photograph for photograph in every if photograph.label not in kinds]
        row(folder, [photograph.path for photograph in every], named_sets(names_of(every)), {})
        unknown = named_sets(names_of(gone)) | nonsense | {"COCO's captions": coco_captions}
        row(
            f"{folder}, every other class",
            [photograph.path for photograph in here],
            named_sets(names_of(here)),
            unknown,
        )
    with tempfile.TemporaryDirectory() as folder:
        scenes = rendered(Path(folder) / "scenes")
        spoken = said_of(scenes, dice)
        row("rendered scenes", [scene.path for scene in scenes], spoken, far)
    print(machine_line("numpy", "onnxruntime"))


if __name__ == "__main__":
    main()
