"""A query at 100,000 pictures: milliseconds from its encoded parts to ranked hits, way by way.

OMP_NUM_THREADS=1 python benchmarks/rerank_latency.py [--pictures N] [--queries N] [--folder FOLDER]

Makes a library of vectors like a real collection's (see `filled_library.py`), all of them refined
and captioned, in FOLDER (a temporary one unless named; one that is there is used as it is). Words
and pictures are encoded by the embedded encoder, so the vectors asked with are real ones. "Without
encoding" is what follows the encoding of the query's parts, which is timed by itself. Negation
holds the 200 best candidates against the unwanted words, `superglobal` scores 400 again; all the
others score 80 or so. The ways take turns, and are warm: an open library has been asked before.
Seconds of the clock and of the processor are told: on a busy machine only the second say much.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filled_library import Photographs, fill
from machine import machine_line
from PIL import Image

from indexer.banks import RefinedRow, begin_bank, make_current, store_refined
from indexer.captions import CaptionRow, store_captions
from indexer.vectors.single_query import SEARCHES_PER_SKETCH
from retrieval import ImagePart, Library, Query, TextPart
from spectrum.encoders import load_encoder

PER_TRANSACTION = 5_000
THINGS = ["dog", "cat", "horse", "boat", "child", "ball", "cyclist", "bird"]
PLACES = ["on grass", "near water", "at night", "in the snow", "by a red car"]


def caption(i: int) -> str:
    return f"a {THINGS[i % len(THINGS)]} {PLACES[i // 8 % len(PLACES)]}"


def filled(folder: Path, n: int) -> None:
    """Makes the library, unless it is there: refined vectors are the encoder's, hubness random."""
    encoder, photographs = load_encoder("embedded"), Photographs(n)
    with Library.open(folder, encoder=encoder) as library:
        if library.catalogue.space() is not None:
            return
        fill(library, encoder.identity, 0, n, photographs)
        catalogue, space = library.catalogue, library.space
        members = np.arange(1, n + 1)
        bank = begin_bank(catalogue, space, stack="0" * 32, budget="best", members=members)
        rng = np.random.default_rng(2)
        for start in range(0, n, PER_TRANSACTION):
            ids = members[start : start + PER_TRANSACTION]
            hubness = rng.uniform(0.2, 0.3, size=len(ids)).tolist()
            rows = [
                RefinedRow(
                    content_id=id, vector=vector, hubness=(hub, hub), neighbours=members[:10]
                )
                for id, vector, hub in zip(
                    ids.tolist(), catalogue.vectors(ids, space), hubness, strict=True
                )
            ]
            store_refined(catalogue, space, bank, rows)
            said = [
                CaptionRow(content_id=id, text=caption(id), model="benchmark")
                for id in ids.tolist()
            ]
            store_captions(catalogue, said)
        make_current(catalogue, space, bank)


def asked(seed: int) -> Iterator[tuple[str, str, Query]]:
    """What is asked, by which ranking, and a query like it."""
    rng = np.random.default_rng(seed)
    words = TextPart(text=caption(seed))
    without = TextPart(text=THINGS[(seed + 3) % len(THINGS)], weight=-1.0)
    picture = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    image = ImagePart(image=picture.resize((320, 240)))
    plain = {"words": (words,), "an image": (image,)}
    composed = {
        "an image with words": (image, words),
        "words without words": (words, without),
        "an image without words": (image, without),
    }
    for name, parts in {**plain, **composed}.items():
        yield name, "spectrum", Query(parts=parts)
    for intent in ("but red", "the same colour"):
        yield f"an image, intent '{intent}'", "spectrum", Query(parts=(image,), intent=intent)
    both = Query(parts=(image, without), intent="but red")
    yield "an image, intent 'but red', without words", "spectrum", both
    for ranking in ("raw", "alpha-qe", "superglobal"):
        for name, parts in plain.items():
            yield name, ranking, Query(parts=parts)


class Timed(NamedTuple):
    """Of one query, in milliseconds."""

    stages: dict[str, float]
    """By the clock."""
    processor: float
    """Of all but encoding."""

    @property
    def encoding(self) -> float:
        return self.stages["encode"]

    @property
    def ranking(self) -> float:
        return sum(self.stages.values()) - self.encoding


def measured(library: Library, queries: int) -> dict[tuple[str, str], list[Timed]]:
    """Of each way, each query."""
    found = defaultdict(list)
    # The first open stores, fill caches, and search each store often enough for its sketch: `raw`
    # searches twice a round.
    for seed in range(-2 - SEARCHES_PER_SKETCH // 2, queries):
        for name, ranking, query in asked(max(seed, 0)):
            begun, used = time.perf_counter(), time.process_time()
            answer = library.search(query, ranking=ranking, false_reject=None)
            begun, used = time.perf_counter() - begun, time.process_time() - used
            assert len(answer.hits) == 10
            if seed >= 0:
                stages = {name: 1000 * each for name, each in answer.seconds.items()}
                # Encoding is nothing but computing: its share of both is the same.
                rest = 1 - answer.seconds["encode"] / begun
                found[name, ranking].append(Timed(stages, 1000 * used * rest))
    return found


def cells_of(timed: list[Timed]) -> list[str]:
    ranking = [each.ranking for each in timed]
    whole = [each.ranking + each.encoding for each in timed]
    stages = [
        statistics.median(each.stages.get(stage, 0.0) for each in timed)
        for stage in ("expand", "compose", "search", "score")
    ]
    medians = [statistics.median(ranking), float(np.percentile(ranking, 95))]
    medians += [statistics.median(each.processor for each in timed)]
    medians += [statistics.median(whole), float(np.percentile(whole, 95)), *stages]
    return [f"{each:.1f}" for each in medians]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a query costs that is ranked again.")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (said.folder or Path(temporary)) / "rerank.library"
        filled(folder, said.pictures)
        with Library.open(folder, encoder=load_encoder("embedded")) as library:
            found = measured(library, said.queries)
    heads = "asked,ranking,ms,95 of 100,processor ms,with encoding,95 of 100"
    stages = "expand,compose,search,score"
    print("|", " | ".join([*heads.split(","), *stages.split(",")]), "|")
    print("| --- | --- |" + " ---: |" * 9)
    for (name, ranking), timed in found.items():
        print("|", " | ".join([name, f"`{ranking}`", *cells_of(timed)]), "|")
    print(
        f"\n{said.pictures:,} pictures, {said.queries} queries of each way, the 10 best; medians,"
    )
    print("and what 95 of 100 stay under; the last four are parts of the third.")
    print(machine_line("faiss-cpu", "sqlalchemy", "numpy"))


if __name__ == "__main__":
    main()
