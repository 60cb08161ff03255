"""Filters over a large library: milliseconds a query, and whether every answer is the right one.

OMP_NUM_THREADS=1 python benchmarks/filters.py [PICTURES] [QUERIES] [FOLDER]

Makes a library of random vectors of 904 dimensions in FOLDER (a temporary one unless named), with
folders, dates, cameras, sizes and captions of which each filter below picks some. An answer is
right if it holds the 10 best of the pictures that fit, by a plain matrix product; or all that fit.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from filled_library import SEMANTIC, RandomEncoder, fill, isotropic
from machine import machine_line

from indexer.captions import CaptionRow, store_captions
from indexer.rows import now
from indexer.searchable_text import searchable_folder, searchable_name
from indexer.vectors import single_query
from retrieval import Library

TOP = 10
CAPTIONS_AT_ONCE = 5_000
FILTERS: dict[str, Callable[[int], bool]] = {
    'folder:"Trip 007"': lambda i: i % 100 == 7,
    "folder:/photos/2019": lambda i: (i % 100) // 10 == 3,
    "name~077": lambda i: "077" in f"{i:08}",
    "path~'trip 007/img_'": lambda i: i % 100 == 7,
    "taken=2019-03": lambda i: _taken(i).strftime("%Y-%m") == "2019-03",
    "camera~coolpix": lambda i: i % 97 == 5,
    "width>5990": lambda i: 1000 + i * 7 % 5000 > 5990,
    "size>9.9MB": lambda i: 100_000 + i * 37 % 10_000 * 990 > 9_900_000,
    "megapixels>34": lambda i: (1000 + i * 7 % 5000) * (1000 + i * 11 % 5000) > 34e6,
    "caption~giraffe": lambda i: i % 100 == 11,
    "format=png": lambda i: i % 100 == 13,
    'folder:"Trip 007" and taken>=2018 and not camera~coolpix': lambda i: (
        i % 100 == 7 and _taken(i).year >= 2018 and i % 97 != 5
    ),
    'folder:"Trip 007" or camera~coolpix': lambda i: i % 100 == 7 or i % 97 == 5,
    "name=img_00000004.jpg or name=img_00000005.jpg": lambda i: i in (4, 5),
    "width>99999": lambda i: False,
    "orientation=landscape": lambda i: i * 7 % 5000 > i * 11 % 5000,
}
"""Filter -> whether it fits picture i."""


def _taken(i: int) -> datetime:
    return datetime(2016, 1, 1) + timedelta(hours=i * 13 % (24 * 365 * 8))


def filled(library: Library, n: int) -> np.ndarray:
    """Makes the library; returns the vectors."""
    vectors = isotropic(0, n)
    fill(
        library,
        RandomEncoder.identity,
        0,
        n,
        lambda first, some: vectors[first : first + some],
        content=_content,
        location=_location,
    )
    for start in range(0, n, CAPTIONS_AT_ONCE):
        numbers = range(start, min(start + CAPTIONS_AT_ONCE, n))
        words = ["a giraffe on a plain" if i % 100 == 11 else "two dogs on grass" for i in numbers]
        captions = [
            CaptionRow(content_id=i + 1, text=text, model="benchmark")
            for i, text in zip(numbers, words, strict=True)
        ]
        store_captions(library.catalogue, captions)
    return vectors


def _content(i: int) -> dict[str, object]:
    rng = np.random.default_rng(i)
    return {
        "id": i + 1,
        "hash": f"{i:032}",
        "width": 1000 + i * 7 % 5000,
        "height": 1000 + i * 11 % 5000,
        "format": "PNG" if i % 100 == 13 else "JPEG",
        "added_at": now(),
        "taken_at": _taken(i),
        "camera": "nikon coolpix" if i % 97 == 5 else "canon eos r5",
        "facts_version": 1,
        "difference_hash": int(rng.integers(-(2**63), 2**63 - 1)),
    }


def _location(i: int) -> dict[str, object]:
    path = f"/photos/{2016 + (i % 100) // 10}/Trip {i % 100:03}/IMG_{i:08}.jpg"
    return {
        "path": path,
        "folder": searchable_folder(path),
        "name": searchable_name(path),
        "size_bytes": 100_000 + i * 37 % 10_000 * 990,
        "mtime_ns": i,
        "state": "present",
        "changed_at": now(),
        "content_id": i + 1,
    }


def timed(
    library: Library, where: str, queries: int
) -> tuple[list[float], list[float], list[list[int]]]:
    """Milliseconds of each query without the filter and with it, in turn, and the latter's hits."""
    everything, some, hits = [], [], []
    for seed in range(-1, queries):  # the first is not counted
        for milliseconds, chosen in ((everything, None), (some, where)):
            start = time.process_time()
            answer = library.search(str(max(seed, 0)), top=TOP, where=chosen)
            milliseconds.append(1000 * (time.process_time() - start))
        hits.append([hit.image_id - 1 for hit in answer.hits])
    return everything[1:], some[1:], hits[1:]


def right(vectors: np.ndarray, fitting: np.ndarray, hits: list[list[int]]) -> bool:
    """Whether every answer is the best of the fitting pictures, by a plain product."""
    encoder = RandomEncoder()
    for seed, found in enumerate(hits):
        scores = vectors[fitting][:, :SEMANTIC] @ encoder.encode_texts([str(seed)])[0]
        best = fitting[np.argsort(-scores, kind="stable")[:TOP]]
        if best.tolist() != found:
            return False
    return True


def cells_of(milliseconds: list[float]) -> tuple[str, str]:
    """Median and spread."""
    spread = f"{min(milliseconds):.1f}–{max(milliseconds):.1f}"
    return f"{statistics.median(milliseconds):.1f}", spread


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    queries = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[3] if len(sys.argv) > 3 else temporary)
        with Library.open(folder / "filters.library", encoder=RandomEncoder()) as library:
            vectors = filled(library, n)
            library.search("0")  # publishes the vectors
            single_query.SEARCHES_PER_SKETCH = sys.maxsize  # every vector is read
            print("| filter | fit | ms with it | min–max | ms without | min–max | exact |")
            print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
            for where, fits in FILTERS.items():
                fitting = np.flatnonzero([fits(i) for i in range(n)])
                everything, some, hits = timed(library, where, queries)
                exact = "yes" if right(vectors, fitting, hits) else "NO"
                cells = [f"`{where}`", f"{len(fitting):,}", *cells_of(some), *cells_of(everything)]
                print("|", " | ".join([*cells, exact]), "|", flush=True)
            single_query.SEARCHES_PER_SKETCH = 0
            by_sketch, _, _ = timed(library, "width>99999", queries)
    print(f"\n{n:,} pictures, {queries} queries each, the {TOP} best; medians of processor time,")
    print("from the filter's text to the answer. Without a filter every vector is read; by a")
    print("sketch of them it takes {} ms ({}).".format(*cells_of(by_sketch)))
    print(machine_line("faiss-cpu", "sqlalchemy", "pyparsing"))


if __name__ == "__main__":
    main()
