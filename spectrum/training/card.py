"""The model card of the embedded models, written from what was measured.

    python -m spectrum.training.card --shared ../shared --work .training

writes it anew after a measurement that came later than the training.
"""

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spectrum.captioners import Captioner, ModelUnavailableError, load_captioner
from spectrum.encoders import load_encoder
from spectrum.training import card_sections as sections
from spectrum.training.card_text import DATA, FIGURES, HEAD, LIMITS, MADE, WHAT
from spectrum.training.measurement import measured, teacher_figures
from spectrum.training.recipe import EmbeddedTraining

logger = logging.getLogger(__name__)

FACTS = {
    "captioner": "captioner_facts.json",
    "ablations": "ablations.json",
    "text_robustness": "text_robustness.json",
    "limits": "limits.json",
}
"""Files of the work folder that later measurements leave there, by the fact they hold."""
WEIGHT_FILES = (
    *("image_tower.onnx", "text_tower.onnx", "tokenizer.json", "identity.json"),
    *("captioner.onnx", "captioner.json", "caption_words.txt.gz", "expected_match.safetensors"),
)
SAMPLES = 20


def settings(training: Any, name: str = "") -> Iterator[str]:
    """All settings, one a line, as `student.head.width = 304`."""
    for field in fields(training):
        value = getattr(training, field.name)
        path = f"{name}.{field.name}".lstrip(".")
        if is_dataclass(value):
            yield from settings(value, path)
        else:
            yield f"{path} = {value}"


def later_facts(work: Path) -> dict[str, Any]:
    """What measurements after the training left in the work folder, as far as they were made."""
    return {
        fact: json.loads((work / file).read_text(encoding="utf-8"))
        for fact, file in FACTS.items()
        if (work / file).exists()
    }


def caption_samples(
    captioner: Captioner, shared: Path, seed: int = 0
) -> list[tuple[str, str, float]]:
    """File name, caption and confidence of twenty photographs of coco_boxes, drawn by seed."""
    folder = shared / "data/coco_boxes/images"
    paths = sorted(folder.glob("*.jpg"))
    drawn = np.random.default_rng(seed).choice(len(paths), size=SAMPLES, replace=False)
    made = []
    for number in sorted(drawn.tolist()):
        with Image.open(paths[number]) as opened:
            pixels = captioner.prepare(np.array(opened.convert("RGB")))
        (caption,) = captioner.caption([pixels])
        made.append((paths[number].name, caption.text, caption.confidence))
    return made


def what_section(
    training: Any, facts: dict[str, Any], identity: dict[str, Any], pieces: int
) -> str:
    """What the models are."""
    kept = facts.get("retained_variance") or 0.0
    shape = training.gate.shape
    return WHAT.format(
        semantic=identity["semantic_dimension"],
        visual=identity["visual_dimension"],
        retained=f" (they hold {100.0 * kept:.1f} % of the variance)" if kept else "",
        grid=" x ".join(map(str, identity["token_grid"])),
        pieces=pieces,
        captions=training.student.head.width,
        nouns=training.naming.width,
        classes=training.student.classes,
        labels=training.naming.labels,
        caption_share=shape.caption_share,
        name_share=shape.name_share,
        share=training.naming.share,
        visual_weight=identity["visual_weight"],
    )


def model_card(training: Any, facts: dict[str, Any], weights: Path) -> str:
    """The card as Markdown, from the settings, the facts and the written files.

    Facts of the training run have to be there: image_parameters, text_parameters, stages, figures.
    Others (teachers, captioner, caption_samples, ablations, text_robustness, limits) may be absent;
    the card then names the command that makes them.
    """
    identity = json.loads((weights / "identity.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((weights / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = len(tokenizer["model"]["vocab"])
    captioner = facts.get("captioner")
    contents = {
        "image_tower.onnx": f"{facts['image_parameters']:,}",
        "text_tower.onnx": f"{facts['text_parameters']:,}",
        "tokenizer.json": f"{pieces:,} pieces",
    }
    if captioner:
        contents["captioner.onnx"] = f"{captioner['parameters']:,}"
    present = [name for name in WEIGHT_FILES if (weights / name).exists()]
    sizes = {name: (weights / name).stat().st_size for name in present}
    told = [*settings(training)]
    seeds = [line for line in told if ".seed = " in line]
    figures = facts["figures"]
    parts = [
        HEAD,
        sections.file_section(sizes, contents),
        f"Encoder's weights hash (BLAKE2b-128): `{identity['weights_hash']}`.\n",
        MADE,
        what_section(training, facts, identity, pieces),
        DATA,
        FIGURES,
        sections.figure_section(figures),
        sections.stage_section(facts["stages"], figures["flickr8k_dev"]),
        sections.teacher_section(facts.get("teachers")),
        sections.robustness_section(facts.get("text_robustness")),
        sections.caption_section(captioner, facts.get("caption_samples")),
        sections.ablation_section(facts.get("ablations")),
        LIMITS,
        sections.limit_section(facts.get("limits"), identity["weights_hash"]),
        "## Seeds and settings\n",
        f"Seeds: {', '.join(seeds)}. Views of photographs are drawn from file names.\n",
        "".join(f"    {line}\n" for line in told),
    ]
    return "\n".join(parts)


def main() -> None:
    # The story imports this module, so its folder is asked for here.
    from spectrum.training.embedded import WEIGHTS

    parser = argparse.ArgumentParser(description="Writes the model card anew.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--measure", action="store_true", help="measure the encoder's figures anew")
    chosen = parser.parse_args()
    path = chosen.work / "facts.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    encoder = load_encoder(f"embedded:{chosen.weights}")
    if chosen.measure:
        facts["figures"] = measured(encoder, chosen.shared)
    if chosen.measure or "teachers" not in facts:
        facts["teachers"] = teacher_figures(chosen.shared, chosen.work, encoder)
        path.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    facts |= later_facts(chosen.work)
    try:
        captioner = load_captioner(f"embedded:{chosen.weights}")
        facts["caption_samples"] = caption_samples(captioner, chosen.shared)
    except ModelUnavailableError as error:
        # Figures of a captioner that is absent or learnt from another tower aren't these files'.
        logger.warning("the card tells nothing of captions: %s", error)
        facts.pop("captioner", None)
    text = model_card(EmbeddedTraining(), facts, chosen.weights)
    (chosen.weights / "MODEL_CARD.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
