"""THE STORY of a stack: what captioned images teach about refining one encoder's vectors.

Split the images by content hash; gather what the encoder said of them and of their captions; train
the three stages; write the stack with a bank of reference texts; read the file back and measure it
on images that nothing was fitted to. A killed run goes on from what it had kept.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from spectrum.encoders import EncoderIdentity
from spectrum.stack.best_epochs import Epoch, kept_epochs
from spectrum.stack.config import StackConfig
from spectrum.stack.learning.captions import Parts, parts_of, reference_texts
from spectrum.stack.learning.course import Course
from spectrum.stack.learning.figures import measured
from spectrum.stack.learning.terms import Terms, common_words, encoded_terms
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.lexicon_training import LexiconTraining, best_share, learned_lexicon
from spectrum.stack.material import CaptionedImages
from spectrum.stack.sentence_probe import fitted_probe
from spectrum.stack.settings import StackTraining
from spectrum.stack.stack import Stack
from spectrum.stack.training import StackTrainer
from spectrum.stack.weight_file import load_stack, save_stack

LARGEST_VISUAL_WEIGHT = 0.99
"""Of likeness between images: a stack needs some of both blocks."""
MOST_REMEMBERED = 8_192
"""Images of a stack's memory: 256 bytes each in its file."""


class LearnedStack(NamedTuple):
    """A stack after training, and how training went."""

    stack: Stack
    epochs: list[Epoch]
    lexicon: Lexicon | None
    """What words look like; None where the material has no texts, or they do not help."""
    common: tuple[str, ...] = ()
    """The words of the lexicon that are said most often."""


def learned(course: Course, captions: Mapping[str, Sequence[str]], target: Path) -> dict[str, Any]:
    """Trains a stack on images that are in the course's cache, writes `target`, returns the report.

    `captions` holds at least one of each image, by content hash. Raises TooFewImagesError, and
    OSError if a file cannot be written.
    """
    parts = parts_of(list(captions), course.training.validation)
    material = course.material(parts.learned, captions)
    made = learned_stack(
        material,
        course.encoder.identity,
        course.encoder.visual_weight,
        course.training,
        checkpoint=course.checkpoint(parts.learned, captions),
        watch=_watch(course),
    )
    chosen = reference_texts(captions, parts.learned, course.training.seed)
    texts = course.said(chosen)
    terms = encoded_terms(made.common, course.said)
    write_stack(target, made, chosen, texts, course.encoder.identity, terms)
    report = _facts(course, parts, material, made, len(texts))
    return report | _measured(course, parts.held_out, captions, target)


def learned_stack(
    material: CaptionedImages,
    encoder: EncoderIdentity,
    visual_weight: float,
    training: StackTraining,
    *,
    checkpoint: Path | None = None,
    watch: Callable[[Epoch], None] | None = None,
) -> LearnedStack:
    """A stack for an encoder's vectors, from any material of its widths; seeded.

    The material need not be an encoder's own outputs: where the encoder has learned from these
    images itself, give features from encoders that have not. ValueError for too few images.
    """
    torch.manual_seed(training.seed)
    count = len(material.captions)
    remembered = min(count - count // training.validation, MOST_REMEMBERED)
    stack = Stack(stack_config(material, encoder, visual_weight, remembered))
    trainer = StackTrainer(stack, material, training)
    epochs = trainer.run(checkpoint, watch)
    lexicon = _lexicon(trainer)
    common = () if lexicon is None else common_words(material.texts, lexicon)
    return LearnedStack(stack, epochs, lexicon, common)


def _lexicon(trainer: StackTrainer) -> Lexicon | None:
    """Learned from what the stack was, with the share that held-out images like best."""
    material, rows = trainer.material, trainer.learned.tolist()
    if not material.texts:
        return None
    lexicon = learned_lexicon(
        [view.features[rows] for view in material.views],
        [material.texts[row] for row in rows],
        LexiconTraining(seed=trainer.training.seed),
    )
    if lexicon is None:
        return None
    held = trainer.held.tolist()
    images, said = trainer.held_out().numpy(), [material.texts[row] for row in held]
    share = best_share(lexicon, images, said, material.captions[held])
    return replace(lexicon, share=share) if share else None


def write_stack(
    target: Path,
    made: LearnedStack,
    references: Sequence[str],
    vectors: Float32[np.ndarray, "R S"],
    encoder: EncoderIdentity,
    terms: Terms | None = None,
) -> None:
    """Writes what was learned, with the texts that hubness is measured against. Raises OSError.

    `references` are sentences and `vectors` theirs; without `terms`, words by themselves, all that
    is asked counts as a sentence.
    """
    lexicon, told, alone = made.lexicon, None, None
    if lexicon is not None:
        told = torch.from_numpy(lexicon.coefficients(references))
        if terms is not None:
            words = np.concatenate([terms.alone, terms.framed])
            lexicon = replace(lexicon, probe=fitted_probe(words, vectors))
            alone = torch.from_numpy(terms.alone)
    texts = torch.from_numpy(vectors)
    save_stack(target, made.stack, texts, encoder.fingerprint, lexicon, told, alone)


def stack_config(
    material: CaptionedImages,
    encoder: EncoderIdentity,
    visual_weight: float,
    remembered: int = 0,
) -> StackConfig:
    """The shape of a stack for this encoder; `visual_weight` in [0, 1] is Encoder.visual_weight.

    `remembered` images are in its memory where the encoder has a visual block to know them by.
    """
    has_visual = encoder.visual_dimension > 0
    return StackConfig(
        semantic_width=encoder.semantic_dimension,
        visual_width=encoder.visual_dimension,
        token_width=material.views[0].tokens.shape[-1],
        visual_weight=min(visual_weight, LARGEST_VISUAL_WEIGHT) if has_visual else 0.0,
        remembered=remembered if has_visual else 0,
    )


def _watch(course: Course) -> Callable[[Epoch], None]:
    """Moves the progress to an epoch's place; stages that end early are jumped over."""
    training = course.training
    stages = (training.alone, training.together, training.integrated)
    course.progress.stage("training", sum(stages))
    done = 0

    def watch(epoch: Epoch) -> None:
        nonlocal done
        place = sum(stages[: epoch.stage - 1]) + epoch.epoch
        course.progress.advance(place - done)
        done = place

    return watch


def _measured(
    course: Course, hashes: Sequence[str], captions: Mapping[str, Sequence[str]], target: Path
) -> dict[str, Any]:
    """What the written file holds, and what it does for images that were held out."""
    said = [text for hash in hashes for text in captions[hash]]
    owners = np.repeat(np.arange(len(hashes)), [len(captions[hash]) for hash in hashes])
    texts = course.said(said)
    trained = load_stack(target)
    course.progress.stage("measuring", len(hashes))
    view = course.images.views(hashes)[0]
    return {
        "stack": {"bytes": target.stat().st_size, "weights_hash": trained.weights_hash},
        "held_out": measured(trained, view, texts, said, owners, course.progress.advance),
    }


def _facts(
    course: Course, parts: Parts, material: CaptionedImages, made: LearnedStack, n_texts: int
) -> dict[str, Any]:
    """The part of the report that is known without measuring."""
    identity, training = course.encoder.identity, course.training
    validation = len(parts.learned) // training.validation
    return {
        "encoder": {
            "name": identity.name,
            "fingerprint": identity.fingerprint,
            "semantic_dimension": identity.semantic_dimension,
            "visual_dimension": identity.visual_dimension,
            "grid": list(course.views.grid),
            "licence": identity.licence,
        },
        "images": {
            "training": len(parts.learned) - validation,
            "validation": validation,
            "held_out": len(parts.held_out),
            "views": len(material.views),
        },
        "captions": {"per_image": material.captions.shape[1], "reference": n_texts},
        "lexicon": {
            "words": 0 if made.lexicon is None else len(made.lexicon.words),
            "share": 0.0 if made.lexicon is None else made.lexicon.share,
        },
        "settings": asdict(training),
        "config": asdict(made.stack.config),
        "epochs": [_said(epoch) for epoch in made.epochs],
        "kept": {str(stage): parts for stage, parts in kept_epochs(made.epochs).items()},
    }


def _said(epoch: Epoch) -> dict[str, Any]:
    """As JSON knows numbers: the start has no training loss."""
    said = epoch._asdict()
    if math.isnan(epoch.training_loss):
        said["training_loss"] = None
    return said
