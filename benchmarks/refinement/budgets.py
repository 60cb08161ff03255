"""What the modules of the shipped stack cost and are worth: what `--budget` chooses from.

python -m benchmarks.refinement.budgets [--shared ../shared] [--work .training] [--seed 0]
                                        [--rounds 5] [--out FILE.json] [--plot FILE.svg]

It writes `spectrum/weights/stack.profile.json`, unless --out names another file.

Asked are the captions of the one training photograph in twenty that the stack did not learn from
(it chose the epochs). The encoder has learned from all of them, so they stand there with semantic
vectors by heads that have not seen them, as the stack was trained. What is made once is kept in
--work. Every subset is timed once a round, by the processor's time, and the least counts: others
were disturbed by what else the machine does.
"""

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from retrieval.evaluation.frontier import named_subsets, said_modules, write_frontier
from retrieval.profiling import CaptionQueries, Measured, profiled
from spectrum.encoders import EncodedImages, Encoder, load_encoder
from spectrum.stack.loading import SHIPPED, load_subsets
from spectrum.stack.selection import ModuleCost, frontier, profile_beside, write_profile
from spectrum.training.caption_material import gathered
from spectrum.training.embedded_stack import TRAINING, captioned_images

logger = logging.getLogger(__name__)


def held_out(encoder: Encoder, shared: Path, work: Path) -> tuple[EncodedImages, CaptionQueries]:
    """The photographs that the stack was not taught, and what people said of them."""
    kept = work / f"budgets_{encoder.identity.fingerprint[:12]}_{TRAINING.validation}.npz"
    if not kept.exists():
        material = captioned_images(encoder, gathered(encoder, shared, work))
        # As `StackTrainer` parts them.
        rows = np.arange(TRAINING.validation - 1, len(material.captions), TRAINING.validation)
        view = material.views[0]
        unfinished = kept.with_name(f".{os.getpid()}.npz")
        np.savez(
            unfinished,
            features=np.asarray(view.features[rows], dtype=np.float32),
            tokens=np.asarray(view.tokens[rows], dtype=np.float16),
            captions=material.captions[rows],
            texts=np.array([material.texts[row] for row in rows.tolist()]),
        )
        unfinished.rename(kept)
    with np.load(kept) as held:
        features, tokens, captions = held["features"], held["tokens"], held["captions"]
        texts = held["texts"]
    n, each, width = captions.shape
    queries = CaptionQueries(
        vectors=np.ascontiguousarray(captions.reshape(n * each, width), dtype=np.float32),
        owners=np.repeat(np.arange(n, dtype=np.int64), each),
        texts=tuple(texts.ravel().tolist()),
    )
    blocks = (np.ascontiguousarray(block) for block in np.split(features, [width], axis=1))
    return EncodedImages(*blocks, tokens), queries


def quietest(rounds: Sequence[Measured]) -> Measured:
    """The least time of each subset and module; accuracies are the same in every round."""
    profiles = [each.profile for each in rounds]
    subsets = tuple(
        replace(same[0], milliseconds=min(each.milliseconds for each in same))
        for same in zip(*(profile.subsets for profile in profiles), strict=True)
    )
    modules = {
        name: ModuleCost(
            first=min(profile.modules[name].first for profile in profiles),
            second=min(profile.modules[name].second for profile in profiles),
        )
        for name in profiles[0].modules
    }
    return replace(rounds[0], profile=replace(profiles[0], subsets=subsets, modules=modules))


def table(measured: Measured) -> str:
    """The subsets that nothing beats and those with a name, in Markdown."""
    subsets = measured.profile.subsets
    named = named_subsets(subsets)
    shown = {each.modules: each for each in (*frontier(subsets), *named.values())}
    lines = [
        "| modules | ms an image | MRR | hit@10 | `--budget` |",
        "| --- | ---: | --- | ---: | --- |",
    ]
    for each in sorted(shown.values(), key=lambda each: each.milliseconds):
        names = ", ".join(name for name, subset in named.items() if subset == each)
        lines.append(
            f"| {said_modules(each.modules)} | {each.milliseconds:.2f}"
            f" | {100 * each.accuracy:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}]"
            f" | {100 * measured.hits[each.modules].value:.1f} | {names} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="The profile of the shipped stack.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--out", type=Path, default=profile_beside(SHIPPED))
    parser.add_argument("--plot", type=Path, help="write the frontier's plot, an .svg")
    parser.add_argument("--rounds", type=int, default=5, help="how often each subset is timed")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    said = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = load_encoder("embedded")
    encoded, queries = held_out(encoder, said.shared, said.work)
    refiner_of = load_subsets(encoder.identity)
    measured = quietest(
        [profiled(refiner_of, encoded, queries, seed=said.seed) for _ in range(said.rounds)]
    )
    write_profile(measured.profile, said.out)
    if said.plot is not None:
        write_frontier(measured, said.plot)
    n, asked = measured.profile.n_images, measured.profile.n_queries
    print(f"\n{asked:,} captions among {n:,} photographs.\n\n{table(measured)}")
    print(f"\n{machine_line('torch')}")


if __name__ == "__main__":
    main()
