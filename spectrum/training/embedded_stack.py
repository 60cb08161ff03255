"""Trains the stack of the embedded encoder from captioned photographs, and writes it.

    python -m spectrum.training.embedded_stack [--shared ../shared] [--work .training] [--out FILE]

After the encoder: the stack refines the vectors of the weights that lie in `spectrum/weights`.
"""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from spectrum.encoders import Encoder, EncoderIdentity, load_encoder
from spectrum.stack.learning.story import LearnedStack, learned_stack, write_stack
from spectrum.stack.learning.terms import encoded_terms
from spectrum.stack.levels import visual_levels
from spectrum.stack.loading import SHIPPED
from spectrum.stack.material import CaptionedImages, view_of
from spectrum.stack.settings import StackTraining
from spectrum.training.caption_material import CaptionMaterial, GridFeatures, gathered
from spectrum.training.out_of_fold import semantic_out_of_fold

logger = logging.getLogger(__name__)

TRAINING = StackTraining(alone=20, together=2, integrated=1, patience=8, validation=20)
"""Chosen on a part of the training photographs, with an eye on dev: see docs/refinement.md."""
REFERENCE_TEXTS = 2_400
"""Captions that hubness is measured against: more would find a little more, and take room."""
SIDE = 7
"""Rows and columns of the encoder's grid."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = load_encoder("embedded")
    material = captioned_images(encoder, gathered(encoder, arguments.shared, arguments.work))
    identity = encoder.identity
    made = learned_stack(
        material,
        identity,
        encoder.visual_weight,
        TRAINING,
        checkpoint=arguments.work / "embedded_stack.pt",
    )
    written(arguments.out, made, material, identity, encoder.encode_texts)
    logger.info("%s: %d bytes", arguments.out, arguments.out.stat().st_size)


def written(
    target: Path,
    made: LearnedStack,
    material: CaptionedImages,
    identity: EncoderIdentity,
    encode: Callable[[Sequence[str]], Float32[np.ndarray, "B S"]],
) -> None:
    """Writes a stack with reference texts that are drawn from what it learned from."""
    vectors = material.captions.reshape(-1, material.captions.shape[2])
    texts = [text for own in material.texts for text in own]
    picked = np.random.default_rng(TRAINING.seed).choice(len(texts), REFERENCE_TEXTS, replace=False)
    rows = np.sort(picked)
    references = [texts[row] for row in rows]
    terms = encoded_terms(made.common, encode)
    write_stack(target, made, references, vectors[rows], identity, terms)


def captioned_images(encoder: Encoder, material: CaptionMaterial) -> CaptionedImages:
    """The training photographs, with semantic vectors by heads that have not seen them."""
    said = [list(captions[:5]) for captions in material.captions]
    captions = encoder.encode_texts([text for texts in said for text in texts])
    captions = captions.reshape(len(said), -1, captions.shape[1])
    levels = np.stack([_levels(view) for view in material.views])
    semantic = semantic_out_of_fold(levels, captions, TRAINING.seed)
    views = tuple(
        view_of(
            np.concatenate([semantic, _unit(view.visual)], axis=1),
            view.tokens.reshape(len(view.tokens), SIDE, SIDE, -1),
        )
        for view in material.views
    )
    return CaptionedImages(views=views, captions=captions, texts=tuple(map(tuple, said)))


def _levels(view: GridFeatures) -> Float32[np.ndarray, "N P"]:
    tokens = view.tokens.astype(np.float32)
    grid = torch.from_numpy(tokens.reshape(len(tokens), SIDE, SIDE, -1))
    levels = visual_levels(torch.from_numpy(_unit(view.visual)), grid)
    return torch.cat(levels, dim=-1).numpy()


def _unit(vectors: np.ndarray) -> Float32[np.ndarray, "N W"]:
    wide = vectors.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    main()
