"""Whether the promise holds in a library of 1,000 photographs that the encoder never saw.

python -m benchmarks.rejection.small_library [--shared ../shared] [--seed 0]

Flickr8k's dev photographs; two captions of each calibrate, others of theirs are asked.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from retrieval import Library
from retrieval.rejection.library_gate import CalibrationOptions, calibrate
from retrieval.rejection.words import naming_words, words_of
from spectrum.training.photographs import Photograph, captioned

ASKED = 300
PIECES = 200
UNKNOWN = ("walrus", "two giraffes", "a photo of a submarine", "asdkjh qwe", "invoice total due")


def pieces_of(texts: Sequence[str], dice: np.random.Generator) -> dict[str, list[str]]:
    """Single naming words, neighbouring pairs of them, three words in a row, and keywords."""
    spelled = [words_of(text) for text in texts]
    naming = list(map(naming_words, texts))

    def runs(lines: list[list[str]], length: int) -> list[str]:
        some = [words for words in lines if len(words) >= length]
        rows = dice.permutation(len(some))[:PIECES].tolist()
        starts = [int(dice.integers(len(some[row]) - length + 1)) for row in rows]
        found = zip(rows, starts, strict=True)
        return [" ".join(some[row][start : start + length]) for row, start in found]

    def picked(length: int) -> list[str]:
        some = [list(dict.fromkeys(words)) for words in naming]
        some = [words for words in some if len(words) >= length]
        rows = dice.permutation(len(some))[:PIECES].tolist()
        places = [sorted(dice.permutation(len(some[row]))[:length].tolist()) for row in rows]
        chosen = zip(rows, places, strict=True)
        return [" ".join(some[row][place] for place in own) for row, own in chosen]

    return {
        "single naming words": runs(naming, 1),
        "pairs of naming words": runs(naming, 2),
        "three words in a row": runs(spelled, 3),
        "three keywords": picked(3),
        "four keywords": picked(4),
    }


def calibrated(library: Library, told: Sequence[Photograph], folder: Path) -> None:
    """The library, its photographs indexed and two captions of each known."""
    library.index(*(photograph.path for photograph in told))
    captions = folder / "captions.jsonl"
    rows = (
        {"image": str(photograph.path), "captions": list(photograph.captions[:2])}
        for photograph in told
    )
    captions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    calibrate(library, CalibrationOptions(captions=captions))


def main() -> None:
    parser = argparse.ArgumentParser(description="The promise in a small library.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    told = captioned(said.shared.resolve() / "data/flickr8k", "dev")
    dice = np.random.default_rng(said.seed)
    others = [photograph.captions[2] for photograph in told]
    asked = [others[row] for row in dice.permutation(len(others))[:ASKED].tolist()]
    sets = {"captions": asked, **pieces_of(others, dice)}
    sets["a photo of, and a pair"] = [
        f"a photo of {text}" for text in sets["pairs of naming words"]
    ]
    with (
        tempfile.TemporaryDirectory() as made,
        Library.open(Path(made) / "small.library") as library,
    ):
        calibrated(library, told, Path(made))
        print("| asked | n | refused | % |\n| --- | ---: | ---: | ---: |")
        for name, texts in sets.items():
            judged = [library.search(text).trust for text in texts]
            refused = sum(not trust.accepted for trust in judged if trust is not None)
            print(f"| {name} | {len(texts)} | {refused} | {100 * refused / len(texts):.1f} |")
        for text in UNKNOWN:
            trust = library.search(text).trust
            print(text, "accepted" if trust is None or trust.accepted else "refused", sep=": ")
    print(machine_line("torch", "numpy"))


if __name__ == "__main__":
    main()
