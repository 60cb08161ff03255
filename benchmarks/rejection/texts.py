"""Text queries: every detector on seven unknown sets and short ones, and what follows from it.

python -m benchmarks.rejection.texts CACHE [--every 2] [--seed 0] [--part 0 --counted others]

Weights of the default were chosen on the even ones of all queries, with the odd ones in sight;
figures are those of the odd ones, and the even ones' are beside for the detectors named by --only.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from benchmarks.machine import machine_line
from benchmarks.rejection.tables import rate_line, separation_table, verdict
from benchmarks.rejection.text_sets import short_sets, text_sets
from benchmarks.rejection.vectors import flickr, image_vectors
from retrieval.evaluation.rejection import aurc, hit_of_kept
from retrieval.rejection.company import TextEncoder
from retrieval.rejection.contest import Contestant, contestant, detector_names
from retrieval.rejection.detectors import Sample
from retrieval.rejection.gate import Head, group_of
from retrieval.rejection.text_fitting import KnownTexts, text_evidence, text_head
from retrieval.trust import framework_detectors
from spectrum.encoders import load_encoder
from spectrum.encoders.caption_words import CaptionWords
from spectrum.training.caption_words import KEPT_APART, counted_words
from spectrum.training.sentences import caption_lines

NEAR = (
    *("absent noun", "noun swapped for an absent one", "noun swapped for a rare one"),
    "another photo source",
)


def selective(found: list[Contestant], correct: np.ndarray, seed: int = 0) -> str:
    """hit@1 of the 80 % most trusted, beside that by max cosine, differences paired."""
    base = next(one for one in found if one.detector == "max-cosine")
    rng = np.random.default_rng(seed)
    lines = [f"\nSelective retrieval, hit@1 of all: {100 * correct.mean():.1f} %"]
    for one in found:
        drawn = []
        for _ in range(300):
            rows = rng.integers(len(correct), size=len(correct))
            drawn.append(
                hit_of_kept(one.known[rows], correct[rows], 0.8)
                - hit_of_kept(base.known[rows], correct[rows], 0.8)
            )
        low, high = 100 * np.quantile(drawn, (0.025, 0.975))
        lines.append(
            f"- {one.detector}: {100 * hit_of_kept(one.known, correct, 0.8):.1f} % of the kept,"
            f" [{low:+.1f}, {high:+.1f}] beyond max cosine; AURC {aurc(one.known, correct):.3f}"
        )
    return "\n".join(lines)


def other_source(
    data: Path, encode: TextEncoder, part: int | None, counted: str
) -> tuple[list[str], CaptionWords | None]:
    """COCO's captions to ask with, and the words at large to calibrate with; None: as shipped.

    Nine of ten captions are counted, so the counts know the source that is asked for. What they are
    worth for scenes that nobody counted: captions are parted by two-means of their vectors, those
    of one `part` are asked, and `counted` are all but those asked, the others' part, or none.
    """
    lines = caption_lines(data.parent)
    if part is None:
        return lines[::KEPT_APART], None
    parts = KMeans(2, n_init=4, random_state=0).fit_predict(encode(lines))
    mine = [line for line, own in zip(lines, parts, strict=True) if own == part]
    others = [line for line, own in zip(lines, parts, strict=True) if own != part]
    rest = [line for place, line in enumerate(mine) if place % KEPT_APART]
    print(f"asked: {mine[0]!r} and its like; counted: {counted}")
    kinds = {"all": [*others, *rest], "others": others, "none": []}
    return mine[::KEPT_APART], counted_words(kinds[counted])


class Asked(NamedTuple):
    """Known and unknown queries as the gate sees them, with the names of their thresholds."""

    known: Sample
    unknown: dict[str, Sample]
    groups: np.ndarray
    unknown_groups: dict[str, np.ndarray]

    @classmethod
    def of(
        cls, head: Head, encode: TextEncoder, known: list[str], unknown: dict[str, list[str]]
    ) -> "Asked":
        """What the head sees of them."""
        return cls(
            head.of_texts(known, encode),
            {name: head.of_texts(some, encode) for name, some in unknown.items()},
            np.array(list(map(group_of, known))),
            {name: np.array(list(map(group_of, some))) for name, some in unknown.items()},
        )

    def every_second(self, first: int) -> "Asked":
        """One half."""
        return Asked(
            self.known.rows(np.arange(first, len(self.groups), 2)),
            {n: s.rows(np.arange(first, len(s.vectors), 2)) for n, s in self.unknown.items()},
            self.groups[first::2],
            {name: each[first::2] for name, each in self.unknown_groups.items()},
        )

    def judged(self, head: Head) -> Contestant:
        """What the head says of them."""
        groups = self.groups, self.unknown_groups
        return contestant(head, self.known, self.unknown, 0.05, groups)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--every", type=int, default=1, help="one of so many queries")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--part", type=int, choices=(0, 1), help="kind of COCO's scenes asked for")
    parser.add_argument("--counted", choices=("all", "others", "none"), default="all")
    parser.add_argument("--seed", type=int, default=0, help="of voids, splits and training")
    arguments = parser.parse_args()
    data, every = arguments.data, arguments.every
    encode = load_encoder("embedded").encode_texts
    train, dev = (flickr(data, split)[1] for split in ("train", "dev"))
    texts = [text for captions in train for text in captions]
    asked = [text for captions in dev for text in captions]
    coco, large = other_source(data, encode, arguments.part, arguments.counted)
    sets, forbidden = text_sets(data, texts, asked, coco)
    asked_rows = np.repeat(np.arange(len(dev)), [len(captions) for captions in dev])
    asked, asked_rows = asked[::every], asked_rows[::every]
    sets = {name: some[::every] if len(some) > 1000 else some for name, some in sets.items()}
    images = image_vectors(data, arguments.cache, "flickr_train")[:, :400]
    rows = np.repeat(np.arange(len(train)), [len(captions) for captions in train])
    started, cpu = time.perf_counter(), time.process_time()
    evidence = text_evidence(
        KnownTexts(texts, rows.astype(np.int64)),
        np.ascontiguousarray(images),
        encode,
        false_reject=0.05,
        forbidden=forbidden,
        seed=arguments.seed,
        large=large,
    )
    spent = time.perf_counter() - started, time.process_time() - cpu
    print(f"evidence: {spent[0]:.0f} s, {spent[1]:.0f} s of processor", flush=True)
    sentences = Asked.of(evidence.head, encode, asked, sets)
    phrases = Asked.of(evidence.head, encode, *short_sets(data, texts, asked))
    found: list[list[Contestant]] = [[], []]
    for name in arguments.only or detector_names("text", evidence.head.columns):
        head = text_head(evidence, name, framework_detectors())
        for queries, table in zip((sentences, phrases), found, strict=True):
            table.append(queries.every_second(1).judged(head))
            print(f"all queries: {rate_line(queries.judged(head))}", flush=True)
            if arguments.only:
                print(f"chosen on:\n{separation_table([queries.every_second(0).judged(head)])}")
    print(separation_table(found[0]))
    print(verdict(found[0], NEAR, default="void-mixture"))
    print(f"\nShort queries:\n{separation_table(found[1])}")
    own = image_vectors(data, arguments.cache, "flickr_dev")[:, :400]
    correct = (encode(asked) @ own.T).argmax(axis=1) == asked_rows
    if any(one.detector == "max-cosine" for one in found[0]):
        print(selective(found[0], correct[1::2]))
    print(machine_line("torch", "numpy", "onnxruntime"))


if __name__ == "__main__":
    main()
