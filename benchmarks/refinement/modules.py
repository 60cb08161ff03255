"""What each module of the stack is worth: the whole without it, on the same vectors.

python -m benchmarks.refinement.modules [--shared ../shared] [--work .training] [--stack FILE]

Differences are to the whole: where a module helps, what is left without it is below 0.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import machine_line
from benchmarks.refinement import classes
from benchmarks.refinement.material import Captioned, Classified, captioned_split, classified_folder
from benchmarks.refinement.measures import Measured, ranked, table, together
from benchmarks.refinement.stack import evidence_of, questions, refined
from retrieval.ranking import fitted_ranking
from retrieval.ranking.protocol import Reference
from spectrum.encoders import load_encoder
from spectrum.stack import MODULES
from spectrum.stack.loading import SHIPPED
from spectrum.stack.protocol import Refiner
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.weight_file import load_stack

CLASSES = ("caltech_half", "clothing/validation")
CERTAIN = 30.0
"""A logit whose sigmoid is 1 to float32."""


def variants(path: Path) -> dict[str, Refiner]:
    """The whole stack, and what is left of it without each part."""
    whole = StackRefiner(load_stack(path))
    without = {
        f"without {module.upper()}": StackRefiner(
            load_stack(path), tuple(name for name in MODULES if name != module)
        )
        for module in MODULES
    }
    factual = load_stack(path)
    with torch.no_grad():
        factual.stack.castle.standard_share_logit.fill_(CERTAIN)
    only_hubness = StackRefiner(load_stack(path), ())
    wordless = StackRefiner(load_stack(path)._replace(lexicon=None, told=None))
    return {
        "the whole": whole,
        **without,
        "without the counterfactual term": StackRefiner(factual),
        "without the lexicon": wordless,
        "no module: hubness and the lexicon": only_hubness,
    }


def captions_found(refiner: Refiner, dev: Captioned, visual_weight: float) -> Measured:
    """Text to image on dev, whose photographs are the bank."""
    evidence = evidence_of(refiner, dev.photographs)
    made = refined(refiner, evidence, evidence, in_bank=True)
    n = len(dev.photographs.semantic)
    clusters = np.repeat(np.arange(n), dev.captions.shape[1])
    reference = Reference(images=made.vectors, texts=dev.captions[0], visual_weight=visual_weight)
    return ranked(
        fitted_ranking("spectrum", reference),
        made.rows(),
        questions(refiner, dev),
        "text",
        clusters[:, None] == np.arange(n)[None],
        clusters,
    )


def likes_found(refiner: Refiner, data: Classified, visual_weight: float, splits: int) -> Measured:
    """Image to image, with queries that the database has not seen."""
    refinement = classes.Refinement(
        evidence_of(refiner, data.photographs), partial(refined, refiner)
    )
    parts = []
    for seed in range(splits):
        split = classes.parted(np.arange(len(data.labels)), np.random.default_rng([seed, 0]))
        parts.append(
            classes.asked(
                partial(fitted_ranking, "spectrum"), data, split, visual_weight, refinement,
                folds=True,
            )
        )  # fmt: skip
    return together(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description="What each module of the stack is worth.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--stack", type=Path, default=SHIPPED)
    said = parser.parse_args()
    encoder = load_encoder("embedded")
    weight = encoder.visual_weight
    refiners = variants(said.stack)
    dev = captioned_split(encoder, said.shared, said.work, "dev")
    print("\n### Text to image, Flickr8k dev\n")
    found = {name: captions_found(each, dev, weight) for name, each in refiners.items()}
    metrics = ("hit@1", "hit@10", "mAP")
    print(table(found, metrics, metrics, "the whole"), flush=True)
    for folder in CLASSES:
        data = classified_folder(encoder, said.shared, said.work, folder)
        print(f"\n### Image to image, {folder}\n")
        found = {name: likes_found(r, data, weight, said.splits) for name, r in refiners.items()}
        print(table(found, ("hit@1", "mAP"), ("hit@1", "mAP"), "the whole"), flush=True)
    print(f"\n{machine_line('torch')}")


if __name__ == "__main__":
    main()
