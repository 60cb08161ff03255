"""What the gate adds to a query: milliseconds of judging one that is encoded already.

python -m benchmarks.rejection.speed LIBRARY [--shared ../shared] [--queries 150]

LIBRARY is calibrated, with captions or without. Asked are captions of Flickr8k's dev split, and
the library's own pictures; three rounds, since a word is encoded when it is first met. Without
captions, whole searches are timed for what judging takes of them: pictures are looked up for it.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from benchmarks.machine import machine_line
from retrieval import Library
from retrieval.rejection.library_gate import load_gate
from spectrum.training.photographs import captioned

ROUNDS = 3
RATE = 0.05


def medians(judge: Callable[[int], object], queries: int) -> tuple[float, float]:
    """Milliseconds by the clock, and of this thread's processor time."""
    clock, processor = [], []
    for query in range(queries):
        begun, used = time.perf_counter(), time.thread_time()
        judge(query)
        clock.append(time.perf_counter() - begun)
        processor.append(time.thread_time() - used)
    return 1e3 * float(np.median(clock)), 1e3 * float(np.median(processor))


def ids_of(library: Library) -> Int64[np.ndarray, " N"]:
    """The pictures that can be found."""
    return library.catalogue.searchable_ids(library.space.id)


def searched(library: Library, texts: Sequence[str]) -> float:
    """Median milliseconds of judging, of searches in words."""
    judging = [library.search(text).seconds["judge"] for text in texts]
    return 1e3 * float(np.median(judging))


def main() -> None:
    parser = argparse.ArgumentParser(description="What the gate adds to a query.")
    parser.add_argument("library", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--queries", type=int, default=150)
    said = parser.parse_args()
    told = captioned(said.shared / "data/flickr8k", "dev")[: said.queries]
    texts = [photograph.captions[1] for photograph in told]
    with Library.open(said.library, create=False) as library:
        gate = load_gate(library)
        if gate is None:
            raise SystemExit(f"{said.library}: run 'spectrum calibrate' first")
        if "text" not in gate.heads:
            words = [text.split()[1] for text in texts]
            for kind, asked in (("a sentence", texts), ("a word", words)):
                library.search(asked[0])
                print(
                    f"{kind}, {len(ids_of(library)):,} pictures: {searched(library, asked):.2f} ms"
                )
            print(f"\nMedians of {len(texts)} queries. {machine_line('numpy')}")
            return
        encode = library.encoder.encode_texts
        vectors = encode(texts)
        ids = ids_of(library)[: said.queries]
        images = library.catalogue.vectors(ids, library.space)
        print("| judged | ms | processor ms |\n| --- | ---: | ---: |")
        for place in range(ROUNDS):
            clock, processor = medians(
                lambda row: gate.text_trust(texts[row], vectors[row], encode, RATE), len(texts)
            )
            print(f"| a text, round {place + 1} | {clock:.2f} | {processor:.2f} |")
        # Judged without their frame, which takes an encoding more.
        framed = [f"a photo of {text}" for text in texts]
        seen = encode(framed)
        clock, processor = medians(
            lambda row: gate.text_trust(framed[row], seen[row], encode, RATE), len(framed)
        )
        print(f"| a text after 'a photo of' | {clock:.2f} | {processor:.2f} |")
        clock, processor = medians(lambda row: gate.image_trust(images[row], RATE), len(images))
        print(f"| an image | {clock:.2f} | {processor:.2f} |")
    print(f"\nMedians of {len(texts)} queries. {machine_line('numpy')}")


if __name__ == "__main__":
    main()
