"""Text queries: every detector on seven unknown sets, the win rule, selective retrieval.

python -m benchmarks.rejection.texts CACHE [--every 2] [--seed 0]

Weights of the default were chosen on the even ones of all queries, with the odd ones in sight;
figures are those of the odd ones, and the even ones' are beside for the detectors named by --only.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.rejection.tables import rate_line, separation_table, verdict
from benchmarks.rejection.text_sets import text_sets
from benchmarks.rejection.vectors import flickr, image_vectors
from retrieval.evaluation.rejection import aurc, hit_of_kept
from retrieval.rejection.contest import Contestant, contestant, detector_names
from retrieval.rejection.gate import group_of
from retrieval.rejection.text_fitting import KnownTexts, text_evidence, text_head
from retrieval.trust import framework_detectors
from spectrum.encoders import load_encoder

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--every", type=int, default=1, help="one of so many queries")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0, help="of voids, splits and training")
    arguments = parser.parse_args()
    data, every = arguments.data, arguments.every
    encode = load_encoder("embedded").encode_texts
    train, dev = (flickr(data, split)[1] for split in ("train", "dev"))
    texts = [text for captions in train for text in captions]
    asked = [text for captions in dev for text in captions]
    coco = (data / "text" / "coco_val2017_captions.txt").read_text("utf-8").splitlines()
    sets, forbidden = text_sets(data, texts, asked, [line for line in coco if line.strip()][::10])
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
    )
    spent = time.perf_counter() - started, time.process_time() - cpu
    print(f"evidence: {spent[0]:.0f} s, {spent[1]:.0f} s of processor", flush=True)
    known = evidence.head.sample(encode(asked), asked, encode)
    samples = {
        name: evidence.head.sample(encode(some), some, encode) for name, some in sets.items()
    }
    groups = {name: np.array(list(map(group_of, some))) for name, some in sets.items()}
    mine = np.array(list(map(group_of, asked)))
    found = []
    for name in arguments.only or detector_names("text", evidence.head.columns):
        head = text_head(evidence, name, framework_detectors())
        odd, even = (
            contestant(
                head,
                known.rows(np.arange(half, len(mine), 2)),
                {n: s.rows(np.arange(half, len(s.vectors), 2)) for n, s in samples.items()},
                0.05,
                (mine[half::2], {n: each[half::2] for n, each in groups.items()}),
            )
            for half in (1, 0)
        )
        found.append(odd)
        whole = contestant(head, known, samples, 0.05, (mine, groups))
        print(f"all queries: {rate_line(whole)}", flush=True)
        if arguments.only:
            print(f"chosen on:\n{separation_table([even])}", flush=True)
    print(separation_table(found))
    print(verdict(found, NEAR, default="void-mixture"))
    own = image_vectors(data, arguments.cache, "flickr_dev")[:, :400]
    correct = (encode(asked) @ own.T).argmax(axis=1) == asked_rows
    correct = correct[1::2]
    if any(one.detector == "max-cosine" for one in found):
        print(selective(found, correct))
    print(machine_line("torch", "numpy", "onnxruntime"))


if __name__ == "__main__":
    main()
