"""SPECTRUM on encoders of other quality: is the gain an artefact of the encoder that ships?

python -m benchmarks.refinement.bases [--shared ../shared] [--work .training] [--only NAME ...]

For each encoder of `benchmarks.refinement.other_encoders` a stack is trained as the shipped one is,
by the same trainer with the same settings, and measured on Flickr8k dev beside the encoder's own
vectors and the best fixed fusion; the shipped encoder and stack stand beside them. A quarter of an
hour of one thread an encoder where --work has none of it. A stack's modules are kept there, and go
on from the last stage that was finished; its lexicon and reference texts are made anew. What is
kept for this begins with `bases_`; signals, sentences and grids are those of `make models`.
"""

import argparse
import logging
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.refinement.captions import Guesses, guesses
from benchmarks.refinement.material import Captioned, captioned_split
from benchmarks.refinement.measures import Measured, gain, ranked
from benchmarks.refinement.other_encoders import OTHERS, OtherEncoder, Seen, Shared, seen_by
from benchmarks.refinement.stack import evidence_of, questions, refined
from retrieval.ranking import fitted_ranking
from retrieval.ranking.blocks import unit
from retrieval.ranking.protocol import Reference
from spectrum.encoders import load_encoder
from spectrum.one_thread import one_thread
from spectrum.stack.learning.story import learned_stack
from spectrum.stack.loading import SHIPPED
from spectrum.stack.protocol import Refiner
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.weight_file import load_stack
from spectrum.training.embedded_stack import TRAINING, written

logger = logging.getLogger(__name__)

SHARES = (0.0, 0.25, 0.5, 1.0)
"""Of the predicted caption and of the neighbours' captions, among which the fixed fusion's are."""
METRICS = ("hit@1", "hit@5", "hit@10", "mAP")
RESAMPLES = 2_000
RAW, FUSION, REFINED = "raw", "best fixed fusion", "SPECTRUM"


class Ratio(NamedTuple):
    """How much larger a mean is than another, and its 95 % interval."""

    value: float
    low: float
    high: float


def relative_gain(measured: Measured, over: Measured, metric: str, *, seed: int = 0) -> Ratio:
    """mean(measured) / mean(over) - 1 of the same queries, images resampled with all their queries.

    Percentile interval of the ratio of sums, which weighs an image by its queries as the mean does.
    ValueError where `over` finds so little that a resample has nothing of it.
    """
    _, cluster = np.unique(over.clusters, return_inverse=True)
    new, old = (
        np.bincount(cluster, weights=each.values[metric].astype(np.float64))
        for each in (measured, over)
    )
    drawn = np.random.default_rng(seed).integers(len(new), size=(RESAMPLES, len(new)))
    found_before = old[drawn].sum(axis=1)
    if not found_before.all():
        raise ValueError(f"{metric} is 0 for too many images: give a difference, not a ratio")
    ratios = new[drawn].sum(axis=1) / found_before - 1
    low, high = np.quantile(ratios, [0.025, 0.975]).tolist()
    return Ratio(float(new.sum() / old.sum() - 1), low, high)


def stack_of(other: OtherEncoder, seen: Seen, shared: Shared) -> Path:
    """The stack's file. Its modules go on from what a run before has kept."""
    made = learned_stack(
        seen.material,
        seen.identity,
        shared.encoder.visual_weight,
        TRAINING,
        checkpoint=shared.work / f"{other.stem}_stack.pt",
    )
    path = shared.work / f"{other.stem}.stack"
    written(path, made, seen.material, seen.identity, seen.encode_texts)
    share = 0.0 if made.lexicon is None else made.lexicon.share
    logger.info("%s: the lexicon's share is %.1f", path, share)
    return path


def found(
    name: str, vectors: np.ndarray, asked: np.ndarray, dev: Captioned, bank: np.ndarray
) -> Measured:
    """The captions of dev ask stored vectors; by a way to rank whose bank of texts is `bank`."""
    n, each = dev.captions.shape[:2]
    owners = np.repeat(np.arange(n), each)
    way = fitted_ranking(name, Reference(images=vectors, texts=bank, visual_weight=0.0))
    return ranked(way, vectors, asked, "text", owners[:, None] == np.arange(n)[None], owners)


def sentences(dev: Captioned) -> np.ndarray:
    """[t; 0] of the captions."""
    flat = dev.captions.reshape(-1, dev.captions.shape[2])
    return np.pad(flat, ((0, 0), (0, dev.photographs.visual.shape[1])))


def best_fusion(
    dev: Captioned, guessed: Guesses, bank: np.ndarray
) -> tuple[tuple[float, float], Measured]:
    """The fixed fusion of largest mAP, and its shares of predicted and of neighbours' captions.

    Hubness is taken off in all of them. They are chosen on what they are measured with, which
    flatters the line that SPECTRUM has to pass.
    """
    asked, made = sentences(dev), {}
    for a, b in product(SHARES, SHARES):
        moved = dev.photographs.semantic + a * guessed.predicted + b * guessed.neighbours
        vectors = np.concatenate([unit(moved), dev.photographs.visual], axis=1)
        made[a, b] = found("hubness", vectors, asked, dev, bank)
    shares = max(made, key=lambda each: float(made[each].values["mAP"].mean()))
    return shares, made[shares]


def measured(refiner: Refiner, train: Captioned, dev: Captioned) -> dict[str, Measured]:
    """The encoder's own vectors, the best fixed fusion and SPECTRUM, for the same captions."""
    bank = train.captions.reshape(-1, train.captions.shape[2])
    shares, fused = best_fusion(dev, guesses(train, dev), bank)
    logger.info("the best fixed fusion has shares %s", shares)
    evidence = evidence_of(refiner, dev.photographs)
    made = refined(refiner, evidence, evidence, in_bank=True)
    stored = made.rows()
    return {
        RAW: found("raw", dev.photographs.vectors, sentences(dev), dev, bank),
        f"{FUSION} ({shares[0]:g}, {shares[1]:g})": fused,
        REFINED: found("spectrum", stored, questions(refiner, dev), dev, bank),
    }


def relative_table(rows: Mapping[str, Mapping[str, Measured]]) -> str:
    """Every encoder's lines: the metrics, and what they are above raw, in per cent of it."""
    compared = ("hit@1", "hit@10", "mAP")
    heads = [*METRICS, *(f"{metric} above raw, %" for metric in compared)]
    lines = [
        f"| encoder | | {' | '.join(heads)} |",
        f"| --- | --- |{' ---: |' * len(METRICS)}{' --- |' * len(compared)}",
    ]
    for name, own in rows.items():
        for way, each in own.items():
            cells = [f"{100 * each.values[metric].mean():.1f}" for metric in METRICS]
            for metric in compared:
                ratio = relative_gain(each, own[RAW], metric)
                percents = [f"{100 * value:+.1f}" for value in ratio]
                cells.append("–" if way == RAW else "{} [{}, {}]".format(*percents))
            lines.append(f"| {name if way == RAW else ''} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def fusion_table(rows: Mapping[str, Mapping[str, Measured]]) -> str:
    """What SPECTRUM is above raw and above the best fixed fusion, in points."""
    compared = ("hit@1", "hit@10", "mAP")
    lines = [
        f"| encoder | SPECTRUM, in points against | {' | '.join(compared)} |",
        f"| --- | --- |{' --- |' * len(compared)}",
    ]
    for name, own in rows.items():
        for way in (way for way in own if way != REFINED):
            cells = [gain(own[REFINED], own[way], metric) for metric in compared]
            lines.append(f"| {name if way == RAW else ''} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


@one_thread()
def main() -> None:
    parser = argparse.ArgumentParser(description="SPECTRUM on encoders of other quality.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--only", nargs="+", choices=(*OTHERS, "shipped"), help="default: all")
    said = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = load_encoder("embedded")
    shared = Shared.of(encoder, said.shared, said.work)
    rows: dict[str, dict[str, Measured]] = {}
    for name, other in OTHERS.items():
        if said.only is None or name in said.only:
            logger.info("%s", other.name)
            seen = seen_by(other, shared)
            refiner = StackRefiner(load_stack(stack_of(other, seen, shared)))
            rows[other.name] = measured(refiner, seen.train, seen.dev)
            print(f"\n{relative_table({other.name: rows[other.name]})}\n", flush=True)
    if said.only is None or "shipped" in said.only:
        train, dev = (captioned_split(encoder, said.shared, said.work, s) for s in ("train", "dev"))
        shipped = measured(StackRefiner(load_stack(SHIPPED)), train, dev)
        rows["the encoder that ships"] = shipped
    print(f"\n### Text to image, Flickr8k dev, encoders of other quality\n\n{relative_table(rows)}")
    print(f"\n{fusion_table(rows)}\n\n{machine_line('torch', 'numpy')}")


if __name__ == "__main__":
    main()
