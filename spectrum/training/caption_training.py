"""THE STORY of the captioner: trained on the tokens of an encoder, written as files that ship.

    python -m spectrum.training.caption_training --shared ../shared --work .training

Grids of the photographs -> vocabulary -> cross entropy, epoch by epoch, best epoch by CIDEr on
dev -> captioner.onnx and captioner.json. What is slow is kept in the work folder: the grids by the
encoder's fingerprint, the training after every epoch, so that a killed run goes on where it was.
"""

import argparse
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from spectrum.captioners.decoding import Past, Search, Sentence, beam
from spectrum.captioners.embedded import EmbeddedCaptioner
from spectrum.encoders import Encoder
from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.training.caption_confidence import (
    confirmed_shares,
    fitted_confidence,
    plain_words,
)
from spectrum.training.caption_export import write_captioner
from spectrum.training.caption_material import CaptionMaterial, GridFeatures, gathered
from spectrum.training.caption_measurement import BEAM, baselines, measured
from spectrum.training.caption_trainer import CaptionTrainer, CaptionTraining
from spectrum.training.captioner import CaptionNetwork
from spectrum.training.photographs import captioned

logger = logging.getLogger(__name__)

LENGTH_POWERS = (0.0, 0.3, 0.5, 0.7, 1.0)


def trained_captioner(
    training: CaptionTraining, material: CaptionMaterial, work: Path
) -> CaptionTrainer:
    """The trained captioner; kept in the work folder after every epoch and taken up there."""
    trainer = CaptionTrainer(training, material, work / "captioner.pt")
    trainer.train()
    return trainer


@torch.inference_mode()
def beams(network: CaptionNetwork, features: GridFeatures, width: int) -> list[list[Sentence]]:
    """All sentences that a beam finishes, for each photograph."""
    network.eval()

    def step(past: Past, words: Int64[np.ndarray, " N"]) -> tuple[Any, Past]:
        log_probs, *remembered = network.step(
            image, (torch.from_numpy(past[0]), torch.from_numpy(past[1])), torch.from_numpy(words)
        )
        return log_probs.numpy(), (remembered[0].numpy(), remembered[1].numpy())

    nothing = network.nothing_said(1)[0].numpy()
    found = []
    for tokens, semantic in zip(features.tokens, features.semantic, strict=True):
        image = network.image_caches(
            torch.from_numpy(tokens[None].astype(np.float32)),
            torch.from_numpy(semantic[None].astype(np.float32)),
        )
        search = Search(longest=network.shape.longest)
        found.append(beam(step, (nothing, nothing), width, search))
    return found


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What is fitted on the dev photographs after training."""

    length_power: float
    """How much longer sentences are favoured: the best CIDEr of a beam of 3."""
    confidence: tuple[float, float]
    """Offset and slope from the mean log-probability of its sentences."""


def fitted(trainer: CaptionTrainer) -> Fitted:
    """The length power, and with it the confidence."""
    material = trainer.material
    found = beams(trainer.network, material.dev, BEAM)

    def best(power: float) -> list[Sentence]:
        return [max(all_of, key=lambda one: one.likelihood(power)) for all_of in found]

    def said(sentences: list[Sentence]) -> list[str]:
        return [trainer.vocabulary.sentence(one.ids) for one in sentences]

    tried = {power: trainer.cider.mean(said(best(power))) for power in LENGTH_POWERS}
    logger.info("CIDEr of a beam of %d by length power: %s", BEAM, tried)
    power = max(tried, key=lambda one: tried[one])
    shares = confirmed_shares(
        said(best(power)), material.dev_captions, plain_words(material.captions)
    )
    mean_log_probs = np.array([one.mean_log_prob for one in best(power)])
    return Fitted(length_power=power, confidence=fitted_confidence(mean_log_probs, shares))


def made(
    training: CaptionTraining, encoder: Encoder, shared: Path, work: Path, weights: Path
) -> dict[str, Any]:
    """Trains the captioner of an encoder, writes its files to `weights`, and measures them.

    `weights` has to hold the encoder's own files already.
    """
    material = gathered(encoder, shared, work)
    trainer = trained_captioner(training, material, work)
    after = fitted(trainer)
    write_captioner(
        trainer.network,
        trainer.vocabulary,
        weights,
        length_power=after.length_power,
        confidence=after.confidence,
        reduction=material.reduction,
    )
    dev = captioned(shared / "data/flickr8k", "dev")
    found, visual = measured(EmbeddedCaptioner(str(weights)), dev)
    return {
        "parameters": sum(part.numel() for part in trainer.network.parameters()),
        "history": trainer.history,
        "baselines": baselines(
            material.views[0].visual, material.captions, visual, material.dev_captions
        ),
        "fitted": asdict(after),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the captioner of an embedded encoder.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED, help="an embedded encoder's folder; written to"
    )
    parser.add_argument(
        "--epochs", type=int, default=CaptionTraining.epochs, help="fewer for a quick try"
    )
    parser.add_argument("--threads", type=int, default=2, help="of torch and of the encoder")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(chosen.work / "captioner.log")],
    )
    logging.getLogger("spectrum").setLevel(logging.INFO)
    torch.set_num_threads(chosen.threads)
    training = CaptionTraining(epochs=chosen.epochs)
    logger.info("%s", training)
    encoder = EmbeddedEncoder(str(chosen.weights), threads=chosen.threads)
    facts = made(training, encoder, chosen.shared, chosen.work, chosen.weights)
    text = json.dumps(facts, indent=1)
    (chosen.work / "captioner_facts.json").write_text(text, encoding="utf-8")
    logger.info("%s", text)


if __name__ == "__main__":
    # Run by name, this file is __main__; its log belongs to the package's all the same.
    logger = logging.getLogger("spectrum.training.caption_training")
    main()
