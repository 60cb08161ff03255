"""THE STORY of the embedded encoder: from teachers and photographs to the files that ship.

    python -m spectrum.training.embedded --shared ../shared --work .training

Photographs -> the image teacher's features; sentences -> the sentence teacher's vectors; caption
head; whitening; noun block; tokenizer and sentence tower; ONNX files, identity and model card.
Every slow stage keeps what it made in the work folder, and is made again only if its settings
changed or its file is gone.
"""

import argparse
import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16
from tokenizers import Tokenizer

from spectrum.encoders import EncodedImages
from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.training import card, export, minilm, mobilenet
from spectrum.training.distillation import Distillation, distil, tower_vectors
from spectrum.training.head_training import HeadMaterial, HeadTrainer, HeadTraining
from spectrum.training.heads import TextProjection, Whitening
from spectrum.training.image_tower import ImageTower
from spectrum.training.material import Material, TextCounts, gathered
from spectrum.training.measurement import best_visual_weight, measured
from spectrum.training.measures import caption_hits
from spectrum.training.naming import (
    NamedClasses,
    Naming,
    noun_block,
    noun_directions,
    refitted_classifier,
)
from spectrum.training.text_tower import SentenceTower, TextTower
from spectrum.training.tokenizer import spelled_embeddings, trained_tokenizer

logger = logging.getLogger(__name__)

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
WEIGHT_FILES = ["image_tower.onnx", "text_tower.onnx", "tokenizer.json"]
PREPROCESSING = "whole frame squashed to 224 x 224, bilinear, RGB 8 bit; (x - 128) / 128 inside"
LICENCE = "research only: trained on Flickr8k, whose photographs are not openly licensed"


@dataclass(frozen=True, kw_only=True)
class EmbeddedTraining:
    """All settings of the embedded encoder."""

    head: HeadTraining = field(default_factory=HeadTraining)
    """The caption block."""
    naming: Naming = field(default_factory=Naming)
    """The noun block."""
    visual: int = 256
    """P, width of the visual vector."""
    texts: TextCounts = field(default_factory=TextCounts)
    """What the sentence tower reads."""
    text: Distillation = field(default_factory=Distillation)
    """The tokenizer and the sentence tower."""

    @property
    def semantic(self) -> int:
        """Width of the semantic vector, both blocks."""
        return self.head.shape.width + self.naming.width


def kept(path: Path, settings: object, module: torch.nn.Module, make: Callable[[], None]) -> None:
    """Loads the module from `path` if it was made with these settings; else makes and saves it."""
    if path.exists():
        saved = torch.load(path, weights_only=True)
        if saved["settings"] == repr(settings):
            module.load_state_dict(saved["state"])
            logger.info("%s: made before", path)
            return
    make()
    torch.save({"settings": repr(settings), "state": module.state_dict()}, path)
    logger.info("%s: made", path)


def trained_head(training: EmbeddedTraining, material: Material, work: Path) -> HeadTrainer:
    """The caption head and the texts' way to its block."""
    trainer = HeadTrainer(
        training.head,
        HeadMaterial(
            features=material.features["train"],
            captions=material.captions("train"),
            dev_features=material.features["dev"][0],
            dev_captions=material.captions("dev"),
        ),
    )
    parts = torch.nn.ModuleList([trainer.standardised, trainer.head, trainer.projection])
    kept(work / "head.pt", training.head, parts, trainer.train)
    trainer.head.eval()
    return trainer


def trained_sentences(
    training: EmbeddedTraining, material: Material, work: Path
) -> tuple[SentenceTower, Tokenizer]:
    """The small sentence tower and its tokenizer, which is also saved in the work folder."""
    kinds = ("train", "coco", "nouns", "words", "phrases")
    texts = [text for kind in kinds for text in material.texts[kind]]
    targets = np.concatenate([material.vectors[kind] for kind in kinds])
    path = work / "tokenizer.json"
    if not path.exists():
        trained_tokenizer(texts, training.text.pieces).save(str(path))
    tokenizer = Tokenizer.from_file(str(path))
    teacher_tokenizer, teacher = minilm.sentence_model()
    torch.manual_seed(training.text.seed)
    tower = SentenceTower(training.text.shape, tokenizer.get_vocab_size(), teacher)

    def make() -> None:
        table = teacher.embeddings.word_embeddings.weight.detach().numpy()
        variance = tower.start_table(spelled_embeddings(tokenizer, teacher_tokenizer, table))
        logger.info("%d pieces; table keeps %.3f", tokenizer.get_vocab_size(), variance)
        distil(tower, tokenizer, texts, targets, training.text)

    # A tower reads the numbers of one tokenizer; with another it is not the same tower.
    spelling = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    kept(work / "text_tower.pt", (training.text, len(texts), spelling), tower, make)
    return tower.eval(), tokenizer


def assembled(
    training: EmbeddedTraining, material: Material, head: HeadTrainer
) -> tuple[ImageTower, TextProjection, dict[str, float]]:
    """The image tower and the texts' projection, with the parts that are fitted and not trained."""
    features = material.features["train"][0]
    whitening = Whitening(training.visual)
    whitening.fit(head.standardised(torch.from_numpy(features.astype(np.float32))))
    weight, bias = noun_directions(material.vectors["nouns"], training.naming.width)
    named = NamedClasses(training.visual, noun_block(material.class_names(), weight, bias))
    explained = refitted_classifier(
        training.naming,
        material.classifier(),
        features,
        head.standardised,
        whitening,
        named.classes,
    )
    share = training.naming.share
    projection = TextProjection(
        weight.shape[1], training.head.shape.width, training.naming.width, share
    )
    with torch.no_grad():
        projection.captions.load_state_dict(head.projection.state_dict())
        projection.nouns.weight.copy_(torch.from_numpy(weight))
        projection.nouns.bias.copy_(torch.from_numpy(bias))
    tower = ImageTower(
        material.teacher.backbone, head.standardised, head.head, whitening, named, share
    )
    facts = {"retained_variance": whitening.retained, "logits_explained": explained}
    return tower.eval(), projection.eval(), facts


@torch.inference_mode()
def image_vectors(tower: ImageTower, features: Float16[np.ndarray, "N F"]) -> EncodedImages:
    """The tower's vectors of photographs whose pooled features are known."""
    semantic, visual = tower.vectors(torch.from_numpy(features.astype(np.float32)))
    return EncodedImages(semantic=semantic.numpy(), visual=visual.numpy(), tokens=None)


def write_towers(images: ImageTower, texts: TextTower, tokenizer: Path, weights: Path) -> None:
    """Writes the three weight files."""
    weights.mkdir(parents=True, exist_ok=True)
    side = mobilenet.SIDE_PIXELS
    export.exported(
        images,
        torch.zeros((2, side, side, 3), dtype=torch.uint8),
        {0: "batch"},
        ["semantic", "visual", "tokens"],
        weights / "image_tower.onnx",
    )
    export.exported(
        texts,
        torch.ones((2, 7), dtype=torch.int64),
        {0: "batch", 1: "length"},
        ["semantic"],
        weights / "text_tower.onnx",
    )
    shutil.copy(tokenizer, weights / "tokenizer.json")


def identity(training: EmbeddedTraining, visual_weight: float) -> dict[str, object]:
    """What identity.json says, but for the hash."""
    return {
        "semantic_dimension": training.semantic,
        "visual_dimension": training.visual,
        "token_grid": [7, 7, mobilenet.FEATURES],
        "side_pixels": mobilenet.SIDE_PIXELS,
        "visual_weight": visual_weight,
        "preprocessing": PREPROCESSING,
        "licence": LICENCE,
    }


@torch.inference_mode()
def stage_hits(
    material: Material,
    images: ImageTower,
    texts: TextTower,
    tokenizer: Tokenizer,
) -> dict[str, Any]:
    """Hit rates on dev with the sentence teacher's texts, and with the small tower's."""
    image_unit = image_vectors(images, material.features["dev"][0]).semantic
    small = torch.from_numpy(tower_vectors(texts.sentences, tokenizer, material.texts["dev"]))
    teacher = torch.from_numpy(material.vectors["dev"])
    return {
        "sentence teacher": caption_hits(image_unit, texts.projection(teacher).numpy()),
        "text tower, float32": caption_hits(image_unit, texts.projection(small).numpy()),
        "cosine": float((small * teacher).sum(dim=1).mean()),
    }


def made(training: EmbeddedTraining, shared: Path, work: Path, weights: Path) -> dict[str, Any]:
    """Runs all stages, writes the shipped files, and returns what the model card tells."""
    material = gathered(training.texts, shared, work)
    head = trained_head(training, material, work)
    sentences, tokenizer = trained_sentences(training, material, work)
    images, projection, fitted = assembled(training, material, head)
    texts = TextTower(sentences, projection).eval()
    write_towers(images, texts, work / "tokenizer.json", weights)
    sets = [
        (image_vectors(images, material.features[name][0]), labels)
        for name, labels in material.labels.items()
    ]
    said = identity(training, best_visual_weight(sets))
    export.write_identity(weights, said, WEIGHT_FILES)
    return {
        **fitted,
        "image_parameters": sum(part.numel() for part in images.state_dict().values()),
        "text_parameters": sum(part.numel() for part in texts.state_dict().values()),
        "stages": stage_hits(material, images, texts, tokenizer),
        "figures": measured(EmbeddedEncoder(str(weights)), shared),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the embedded encoder, stage by stage.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument(
        "--text-epochs", type=int, default=Distillation.epochs, help="fewer for a quick try"
    )
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(chosen.work / "embedded.log")],
    )
    # The exporter's own messages are many; those of this package are what a run is followed by.
    logging.getLogger("spectrum").setLevel(logging.INFO)
    training = EmbeddedTraining(text=Distillation(epochs=chosen.text_epochs))
    logger.info("%s", training)
    facts = made(training, chosen.shared, chosen.work, chosen.weights)
    (chosen.work / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    text = card.model_card(training, facts, chosen.weights)
    (chosen.weights / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    logger.info("%s", json.dumps(facts["stages"]))


if __name__ == "__main__":
    # Run by name, this file is __main__; its log belongs to the package's all the same.
    logger = logging.getLogger("spectrum.training.embedded")
    main()
