"""Measures an encoder on the photographs that choices are made on, and prints the table.

    python -m spectrum.training.measurement --shared ../shared --work .training

With a work folder also what single image teachers reach on the same queries.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32
from PIL import Image

from spectrum.encoders import EncodedImages, Encoder, load_encoder
from spectrum.training.ensemble import SIGNALS, cached_signals
from spectrum.training.estimates import (
    average_precisions,
    hits,
    left_out,
    percentage,
    precisions,
)
from spectrum.training.measurement_tables import table, teacher_table
from spectrum.training.measures import mean_average_precision
from spectrum.training.photographs import Photograph, captioned, classified
from spectrum.training.sentences import photo_of

WEIGHTS = tuple(step / 20 for step in range(21))
"""The values of omega that are tried."""
CUTOFFS = (1, 5, 10)
CAPTIONS = 5
"""Captions of a photograph that are asked with: its first ones."""
CLASSIFIED = ("caltech_half", "clothing/validation")
"""Sets on which images ask for images."""


def encoded(
    encoder: Encoder, photographs: Sequence[Photograph], *, flipped: bool = False
) -> EncodedImages:
    """The encoder's vectors of photographs, or of their mirror images."""
    prepared = []
    for photograph in photographs:
        with Image.open(photograph.path) as opened:
            image = np.array(opened.convert("RGB"))
        prepared.append(encoder.prepare(np.ascontiguousarray(image[:, ::-1]) if flipped else image))
    return encoder.encode_images(prepared)


def alike(labels: Sequence[str]) -> Bool[np.ndarray, "N N"]:
    """Which items are of one class."""
    classes = np.array(labels)
    return np.asarray(classes[:, None] == classes[None, :])


def all_scores(vectors: EncodedImages, visual_weight: float) -> Float[np.ndarray, "N N"]:
    """Scores of all photographs as queries against all as database.

    sqrt(1 - omega) s.s' + sqrt(omega) v.v', each block of unit length.
    """
    semantic = vectors.semantic @ vectors.semantic.T
    visual = vectors.visual @ vectors.visual.T
    scores = np.sqrt(1.0 - visual_weight) * semantic + np.sqrt(visual_weight) * visual
    return np.asarray(scores, dtype=np.float64)


def pair_scores(
    vectors: EncodedImages, visual_weight: float
) -> Float[np.ndarray, "queries database"]:
    """The same, of the odd photographs as queries against the even ones as database."""
    return all_scores(vectors, visual_weight)[1::2, ::2]


def pair_precisions(vectors: EncodedImages, labels: Sequence[str]) -> list[float]:
    """Mean average precision, image to image, for each weight of `WEIGHTS`."""
    right = alike(labels)[1::2, ::2]
    return [mean_average_precision(pair_scores(vectors, weight), right) for weight in WEIGHTS]


def best_visual_weight(sets: Sequence[tuple[EncodedImages, Sequence[str]]]) -> float:
    """omega: the weight with the best precision image to image, averaged over the sets."""
    precisions = np.mean([pair_precisions(vectors, labels) for vectors, labels in sets], axis=0)
    return WEIGHTS[int(np.argmax(precisions))]


def image_figures(
    vectors: EncodedImages, labels: Sequence[str], visual_weight: float
) -> dict[str, Any]:
    """Mean average precision image to image: odd ask for even, and each asks for all others."""
    right = alike(labels)
    figures: dict[str, Any] = {"n": len(labels) // 2}
    others: dict[str, Any] = {"n": len(labels)}
    for block, weight in (("semantic", 0.0), ("visual", 1.0), ("both", visual_weight)):
        scores = all_scores(vectors, weight)
        found = percentage(average_precisions(scores[1::2, ::2], right[1::2, ::2]))
        figures[block], figures[f"{block}_interval"] = found.value, list(found[1:])
        others[block] = list(percentage(left_out(scores, right)))
    return {**figures, "leave_one_out": others}


def name_figures(
    encoder: Encoder, image_unit: Float32[np.ndarray, "N D"], labels: Sequence[str]
) -> dict[str, Any]:
    """How class names find photographs, bare and as "a photo of a NAME". In per cent.

    Lists of three are for the cutoffs 1, 5 and 10; an `_interval` is a lower and an upper end.
    """
    classes = sorted(set(labels))
    right = np.array(classes)[:, None] == np.array(labels)[None, :]
    figures: dict[str, Any] = {"n": len(classes), "images": len(labels)}
    for form, said in (("photo_of", photo_of), ("bare", str)):
        texts = [said(name.replace("_", " ").lower()) for name in classes]
        scores = encoder.encode_texts(texts) @ image_unit.T
        found = [percentage(hits(scores, right, cutoff)) for cutoff in CUTOFFS]
        figures[form] = {
            "hit": [rate.value for rate in found],
            "hit_interval": [list(rate[1:]) for rate in found],
        }
        for name, values in (
            ("precision_5", precisions(scores, right, 5)),
            ("precision_10", precisions(scores, right, 10)),
            ("map", average_precisions(scores, right)),
        ):
            mean = percentage(values)
            figures[form] |= {name: mean.value, f"{name}_interval": list(mean[1:])}
    return figures


def caption_figures(
    encoder: Encoder, image_unit: Float32[np.ndarray, "N D"], photographs: Sequence[Photograph]
) -> dict[str, Any]:
    """Hit rates in per cent between photographs and captions; the first five captions of each."""
    texts = [caption for photograph in photographs for caption in photograph.captions[:CAPTIONS]]
    owners = np.repeat(np.arange(len(photographs)), CAPTIONS)
    right = owners[:, None] == np.arange(len(photographs))
    scores = encoder.encode_texts(texts) @ image_unit.T
    figures: dict[str, Any] = {"n": len(photographs)}
    for direction, asked, wanted, group in (
        ("text_to_image", scores, right, CAPTIONS),
        ("image_to_text", scores.T, right.T, 1),
    ):
        found = [percentage(hits(asked, wanted, cutoff), group) for cutoff in CUTOFFS]
        figures[direction] = [rate.value for rate in found]
        figures[f"{direction}_interval"] = [list(rate[1:]) for rate in found]
    return figures


def unit_mean(
    first: Float32[np.ndarray, "N D"], second: Float32[np.ndarray, "N D"]
) -> Float32[np.ndarray, "N D"]:
    """The unit vectors of the sums."""
    total = first + second
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), dtype=np.float32)


def measured(encoder: Encoder, shared: Path) -> dict[str, Any]:
    """All figures: captions on Flickr8k dev and COCO, names and image to image on classes."""
    data = shared / "data"
    dev = captioned(data / "flickr8k", "dev")
    whole = encoded(encoder, dev).semantic
    mirrored = encoded(encoder, dev, flipped=True).semantic
    coco = [photo for photo in captioned(data / "coco_boxes") if len(photo.captions) >= CAPTIONS]
    figures: dict[str, Any] = {
        "flickr8k_dev": caption_figures(encoder, whole, dev),
        "flickr8k_dev_flip": caption_figures(encoder, unit_mean(whole, mirrored), dev),
        "coco_boxes": caption_figures(encoder, encoded(encoder, coco).semantic, coco),
    }
    sample = sorted((data / "imagenet_1k_sample").glob("*.jpg"))
    photographs = [Photograph(path=path, label=path.stem.split("_", 1)[1]) for path in sample]
    labels = [photograph.label for photograph in photographs]
    figures["imagenet_1k_sample_names"] = name_figures(
        encoder, encoded(encoder, photographs).semantic, labels
    )
    for name in CLASSIFIED:
        photographs = classified(data / name)
        labels = [photograph.label for photograph in photographs]
        vectors = encoded(encoder, photographs)
        figures[f"{name}_names"] = name_figures(encoder, vectors.semantic, labels)
        figures[f"{name}_images"] = image_figures(vectors, labels, encoder.visual_weight)
    # Training saw the photographs of clothing/train, but none of their labels.
    clothes = [*classified(data / "clothing/train"), *classified(data / "clothing/validation")]
    figures["clothing/train and validation_names"] = name_figures(
        encoder, encoded(encoder, clothes).semantic, [photograph.label for photograph in clothes]
    )
    return figures


def cosines(features: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "N N"]:
    """Cosine of each row with each; rows of nothing but zeros have 0 with all."""
    wide = features.astype(np.float64)
    unit = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit @ unit.T)


def feature_figures(
    spaces: dict[str, Float[np.ndarray, "N _"]], labels: Sequence[str], ours: str
) -> dict[str, Any]:
    """Image to image mAP of feature spaces, each photograph asking for all others, in per cent.

    By name of the space: `raw` and `centred` (the set's mean subtracted) with intervals, and how
    much the space `ours`, raw as it ships, is `ahead` of the better of the two, query by query.
    """
    right = alike(labels)
    found: dict[str, Any] = {}
    reached: dict[str, Float[np.ndarray, " Q"]] = {}
    for name, features in spaces.items():
        wide = features.astype(np.float64)
        raw = left_out(cosines(wide), right)
        centred = left_out(cosines(wide - wide.mean(axis=0)), right)
        reached[name] = raw if name == ours or raw.mean() >= centred.mean() else centred
        found[name] = {"raw": list(percentage(raw)), "centred": list(percentage(centred))}
    for name, row in found.items():
        if name != ours:
            row["ahead"] = list(percentage(reached[ours] - reached[name]))
    return found


def teacher_figures(shared: Path, work: Path, encoder: Encoder | None = None) -> dict[str, Any]:
    """Image to image, each single teacher's features beside the encoder's visual vector.

    By set: `n` and the `rows` of `feature_figures`. The same queries and database for all. The
    teachers' signals are kept in `work`, as signals_SET_whole.npz with a dash for a slash. Without
    an encoder the one that ships is measured.
    """
    encoder = load_encoder("embedded") if encoder is None else encoder
    ours = "visual vector, shipped"
    figures = {}
    for name in CLASSIFIED:
        photographs = classified(shared / "data" / name)
        stored = work / f"signals_{name.replace('/', '-')}_whole.npz"
        said = cached_signals(shared / "models", photographs, "whole", stored)
        spaces = {ours: encoded(encoder, photographs).visual}
        spaces |= {signal: said[signal] for signal in SIGNALS}
        labels = [photograph.label for photograph in photographs]
        figures[name] = {"n": len(labels), "rows": feature_figures(spaces, labels, ours)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures an encoder on the shared photographs.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--encoder", default="embedded", help="embedded or embedded:FOLDER")
    parser.add_argument("--work", type=Path, help="folder of the image teachers' signals")
    parser.add_argument("--json", action="store_true", help="print figures instead of tables")
    chosen = parser.parse_args()
    encoder = load_encoder(chosen.encoder)
    figures = measured(encoder, chosen.shared)
    teachers = teacher_figures(chosen.shared, chosen.work, encoder) if chosen.work else None
    if chosen.json:
        print(json.dumps({"figures": figures, "teachers": teachers}, indent=1))
    else:
        print(table(figures) + ("\n" + teacher_table(teachers) if teachers else ""))


if __name__ == "__main__":
    main()
