"""THE STORY of the embedded models: from teachers and photographs to the files that ship.

    python -m spectrum.training.embedded --shared ../shared --work .training

Sentences -> the sentence teacher's vectors; tokenizer and sentence tower; photographs -> five image
teachers' signals and the maps that frozen stems make; the ensemble's heads; the student, by
HARMONY's loss; noun block and query gate; ONNX files, identity, captioner and model card. Every
slow stage keeps what it made in the work folder, and is made again only if its settings changed or
its file is gone.
"""

import argparse
import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from tokenizers import Tokenizer
from torch import nn

from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.training import card, export, minilm, mobilenet, quantisation
from spectrum.training.assembly import assembled
from spectrum.training.distillation import Distillation, distil, tower_vectors
from spectrum.training.image_stages import ImageStages, kept, trained_student
from spectrum.training.image_tower import ImageTower
from spectrum.training.material import TAUGHT, Material, gathered
from spectrum.training.measurement import best_visual_weight, encoded, measured
from spectrum.training.photographs import classified
from spectrum.training.query_gate import QueryGate, gate_lessons, trained_gate
from spectrum.training.recipe import EmbeddedTraining
from spectrum.training.sentences import single_nouns
from spectrum.training.stem_maps import calibration
from spectrum.training.student_measures import student_hits
from spectrum.training.text_tower import SentenceTower, TextTower
from spectrum.training.tokenizer import chosen_tokenizer, spelled_embeddings

logger = logging.getLogger(__name__)

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
WEIGHT_FILES = ["image_tower.onnx", "text_tower.onnx", "tokenizer.json"]
PREPROCESSING = (
    "whole frame, aspect kept to the nearest sides that are multiples of 32, about 224 x 224 pixels"
    " in all, bilinear, RGB 8 bit; (x - 128) / 128 inside"
)
LICENCE = "research only: trained on Flickr8k, whose photographs are not openly licensed"


def trained_sentences(
    training: EmbeddedTraining, material: Material, work: Path
) -> tuple[SentenceTower, Tokenizer]:
    """The small sentence tower and its tokenizer, which is also saved in the work folder."""
    texts = [text for kind in TAUGHT for text in material.texts[kind]]
    targets = np.concatenate([material.vectors[kind] for kind in TAUGHT])
    path = work / "tokenizer.json"
    teacher_tokenizer, teacher = minilm.sentence_model()
    if not path.exists():
        chosen_tokenizer(texts, teacher_tokenizer, training.text.pieces).save(str(path))
    tokenizer = Tokenizer.from_file(str(path))
    torch.manual_seed(training.text.seed)
    tower = SentenceTower(training.text.shape, tokenizer.get_vocab_size(), teacher)

    def make() -> None:
        table = teacher.embeddings.word_embeddings.weight.detach().numpy()
        variance = tower.start_table(spelled_embeddings(tokenizer, teacher_tokenizer, table))
        logger.info("%d pieces; table keeps %.3f", tokenizer.get_vocab_size(), variance)
        distil(
            tower,
            tokenizer,
            texts,
            targets,
            training.text,
            nouns=single_nouns(material.texts["nouns"]),
            checkpoint=work / "text_tower.part.pt",
        )

    # A tower reads the numbers of one tokenizer; with another it is not the same tower.
    spelling = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    kept(work / "text_tower.pt", (training.text, len(texts), spelling), tower, make)
    return tower.eval(), tokenizer


def query_gate(training: EmbeddedTraining, material: Material, work: Path) -> QueryGate:
    """The gate that tells names from sentences."""
    gate = QueryGate(material.vectors["nouns"].shape[1], training.gate.shape)

    def make() -> None:
        names, others = gate_lessons(material.texts, material.vectors)
        gate.load_state_dict(trained_gate(names, others, training.gate).state_dict())

    kept(work / "query_gate.pt", training.gate, gate, make)
    return gate.eval()


def write_image_tower(tower: ImageTower, images: ImageStages, work: Path, path: Path) -> None:
    """Writes the image tower with its convolutions in eight bits."""
    side = mobilenet.SIDE_PIXELS
    whole = work / "image_tower.float32.onnx"
    export.exported(
        tower,
        torch.zeros((2, side, side, 3), dtype=torch.uint8),
        {0: "batch", 1: "rows", 2: "columns"},
        ["semantic", "visual", "tokens"],
        whole,
        storage="float32",
    )
    quantisation.quantise(whole, calibration(images.material.sets["train"]), path)
    export.halve_matrices(path)


def write_text_tower(texts: TextTower, path: Path) -> None:
    """Writes the text tower with its weights in eight bits; it computes in float32."""
    export.exported(
        texts,
        torch.ones((2, 7), dtype=torch.int64),
        {0: "batch", 1: "length"},
        ["semantic"],
        path,
        storage="int8",
    )


def write_encoder(training: EmbeddedTraining, shared: Path, weights: Path) -> EmbeddedEncoder:
    """Writes identity.json beside the weight files, omega fitted, and loads the encoder."""
    said: dict[str, object] = {
        "semantic_dimension": training.semantic,
        "visual_dimension": training.tokens + training.naming.rank,
        "token_grid": [7, 7, training.tokens],
        "side_pixels": mobilenet.SIDE_PIXELS,
        "step_pixels": mobilenet.STRIDE,
        "visual_weight": 0.5,
        "preprocessing": PREPROCESSING,
        "licence": LICENCE,
    }
    export.write_identity(weights, said, WEIGHT_FILES)
    encoder = EmbeddedEncoder(str(weights))
    sets = []
    for name in ("caltech_half", "clothing/validation"):
        photographs = classified(shared / "data" / name)
        labels = [photograph.label for photograph in photographs]
        sets.append((encoded(encoder, photographs), labels))
    export.write_identity(
        weights, {**said, "visual_weight": best_visual_weight(sets)}, WEIGHT_FILES
    )
    return EmbeddedEncoder(str(weights))


@torch.inference_mode()
def stage_hits(
    material: Material, images: ImageStages, sentences: SentenceTower, tokenizer: Tokenizer
) -> dict[str, Any]:
    """Hit rates on dev, caption block: by the sentence teacher's texts, by the small tower's."""
    maps = images.material.maps["dev", "whole"]
    teacher = material.captions("dev")
    small = tower_vectors(sentences, tokenizer, material.texts["dev"]).reshape(teacher.shape)
    return {
        "sentence teacher": student_hits(images.student, maps, teacher),
        "text tower, float32": student_hits(images.student, maps, small),
        "cosine": float((small * teacher).sum(axis=-1).mean()),
    }


def parameters(network: nn.Module) -> int:
    """Weights and biases of the network; the names' vectors and other constants are no part."""
    return sum(part.numel() for part in network.parameters())


def made(training: EmbeddedTraining, shared: Path, work: Path, weights: Path) -> dict[str, Any]:
    """Runs all stages, writes the shipped files, and returns what the model card tells."""
    material = gathered(training.texts, shared, work)
    captions, dev_captions = material.captions("train"), material.captions("dev")
    sentences, tokenizer = trained_sentences(training, material, work)

    def heard() -> Float32[np.ndarray, "N K S"]:
        vectors = tower_vectors(sentences, tokenizer, material.texts["train"])
        return vectors.reshape(captions.shape)

    images = trained_student(
        training.student, training.ensemble, shared, work, captions, dev_captions, heard
    )
    tower, projection = assembled(training, material, images, query_gate(training, material, work))
    texts = TextTower(sentences, projection).eval()
    weights.mkdir(parents=True, exist_ok=True)
    write_image_tower(tower, images, work, weights / "image_tower.onnx")
    write_text_tower(texts, weights / "text_tower.onnx")
    shutil.copy(work / "tokenizer.json", weights / "tokenizer.json")
    encoder = write_encoder(training, shared, weights)
    return {
        "retained_variance": images.student.whitening.retained,
        "image_parameters": parameters(tower),
        "text_parameters": parameters(texts),
        "stages": stage_hits(material, images, sentences, tokenizer),
        "figures": measured(encoder, shared),
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
