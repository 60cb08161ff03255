"""SPECTRUM's refined vectors of photographs, made as the index makes them."""

from itertools import groupby
from pathlib import Path

import numpy as np

from benchmarks.refinement.material import Captioned, Photographs
from retrieval.ranking.neighbours import nearest_rows
from spectrum.encoders import EncodedImages, Encoder
from spectrum.stack.lexicon import text_questions
from spectrum.stack.loading import DEFAULT_BUDGET, load_refiner, modules_within
from spectrum.stack.protocol import ImageEvidence, Refined, Refiner
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.weight_file import load_stack

ANCHORS_PER_BATCH = 64


def refiner_of(encoder: Encoder, file: Path | None) -> Refiner | None:
    """The stack in a file of weights, with all its modules; by default the encoder's, if any."""
    if file is None:
        return load_refiner(encoder.identity, DEFAULT_BUDGET)
    return StackRefiner(load_stack(file), modules_within("best", None))


def questions(refiner: Refiner, data: Captioned) -> np.ndarray:
    """What captions ask refined vectors with, as a search does: [t; 0], and their words."""
    width = data.photographs.vectors.shape[1]
    sentences = data.captions.reshape(-1, data.captions.shape[-1])
    return text_questions(refiner.lexicon, data.texts, sentences, width)


def evidence_of(refiner: Refiner, photographs: Photographs) -> ImageEvidence:
    """Phase 1; photographs together that follow one another with grids of one size."""
    made = []
    rows = range(len(photographs.semantic))
    for _, some in groupby(rows, key=lambda row: photographs.tokens[row].shape):
        encoded = [photographs.encoded(row) for row in some]
        together = EncodedImages(*(np.concatenate(parts) for parts in zip(*encoded, strict=True)))
        made.append(refiner.evidence(together))
    return ImageEvidence(
        np.concatenate([each.local for each in made]),
        np.concatenate([each.prompts for each in made]),
    )


def refined(
    refiner: Refiner, anchors: ImageEvidence, bank: ImageEvidence, *, in_bank: bool
) -> Refined:
    """Phase 2 of `anchors` among their nearest of `bank`; if `in_bank`, anchor i is its row i."""
    k = refiner.identity.neighbours
    alike = refiner.likeness(anchors.local), refiner.likeness(bank.local)
    nearest = nearest_rows(*alike, k, without_itself=in_bank).ids
    made = []
    for start in range(0, len(nearest), ANCHORS_PER_BATCH):
        some = slice(start, start + ANCHORS_PER_BATCH)
        local = np.concatenate([anchors.local[some, None], bank.local[nearest[some]]], axis=1)
        prompts = np.concatenate([anchors.prompts[some, None], bank.prompts[nearest[some]]], axis=1)
        made.append(refiner.refine(local, prompts, np.ones(local.shape[:2], dtype=np.bool_)))
    vectors, offsets = zip(*made, strict=True)
    return Refined(np.concatenate(vectors), np.concatenate(offsets))
