"""Measures an encoder on the photographs that choices are made on, and prints the table.

python -m spectrum.training.measurement --shared ../shared
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from spectrum.encoders import EncodedImages, Encoder, load_encoder
from spectrum.training.measures import caption_hits, hit_rates, mean_average_precision
from spectrum.training.photographs import Photograph, captioned, classified
from spectrum.training.sentences import photo_of

WEIGHTS = tuple(step / 20 for step in range(21))
"""The values of omega that are tried."""


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


def pair_scores(
    vectors: EncodedImages, visual_weight: float
) -> Float[np.ndarray, "queries database"]:
    """Scores of the odd photographs as queries against the even ones as database.

    sqrt(1 - omega) s.s' + sqrt(omega) v.v', each block of unit length.
    """
    semantic = vectors.semantic[1::2] @ vectors.semantic[::2].T
    visual = vectors.visual[1::2] @ vectors.visual[::2].T
    scores = np.sqrt(1.0 - visual_weight) * semantic + np.sqrt(visual_weight) * visual
    return np.asarray(scores, dtype=np.float64)


def pair_precisions(vectors: EncodedImages, labels: Sequence[str]) -> list[float]:
    """Mean average precision, image to image, for each weight of `WEIGHTS`."""
    classes = np.array(labels)
    right = classes[1::2, None] == classes[None, ::2]
    return [mean_average_precision(pair_scores(vectors, weight), right) for weight in WEIGHTS]


def best_visual_weight(sets: Sequence[tuple[EncodedImages, Sequence[str]]]) -> float:
    """omega: the weight with the best precision image to image, averaged over the sets."""
    precisions = np.mean([pair_precisions(vectors, labels) for vectors, labels in sets], axis=0)
    return WEIGHTS[int(np.argmax(precisions))]


def name_figures(
    encoder: Encoder, image_unit: Float32[np.ndarray, "N D"], labels: Sequence[str]
) -> dict[str, Any]:
    """How class names find photographs, bare and as "a photo of a NAME"."""
    classes = sorted(set(labels))
    right = np.array(classes)[:, None] == np.array(labels)[None, :]
    figures: dict[str, Any] = {"n": len(classes), "images": len(labels)}
    for form, said in (("photo_of", photo_of), ("bare", str)):
        texts = [said(name.replace("_", " ").lower()) for name in classes]
        scores = encoder.encode_texts(texts) @ image_unit.T
        first = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        figures[form] = {
            "hit": hit_rates(scores, right),
            "precision_10": 100.0 * float(np.take_along_axis(right, first, axis=1).mean()),
            "map": mean_average_precision(scores, right),
        }
    return figures


def caption_figures(
    encoder: Encoder, image_unit: Float32[np.ndarray, "N D"], photographs: Sequence[Photograph]
) -> dict[str, Any]:
    """Hit rates between photographs and captions; the first five captions of each."""
    texts = [caption for photograph in photographs for caption in photograph.captions[:5]]
    return {
        "n": len(photographs),
        **caption_hits(image_unit, encoder.encode_texts(texts), 5),
    }


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
    coco = [photo for photo in captioned(data / "coco_boxes") if len(photo.captions) >= 5]
    figures: dict[str, Any] = {
        "flickr8k_dev": caption_figures(encoder, whole, dev),
        "flickr8k_dev_flip": caption_figures(encoder, unit_mean(whole, mirrored), dev),
        "coco_boxes": caption_figures(encoder, encoded(encoder, coco).semantic, coco),
    }
    sample = sorted((data / "imagenet_1k_sample").glob("*.jpg"))
    photographs = [Photograph(path=path, label=path.stem.split("_", 1)[1]) for path in sample]
    figures["imagenet_1k_sample_names"] = name_figures(
        encoder,
        encoded(encoder, photographs).semantic,
        [photograph.label for photograph in photographs],
    )
    for name in ("caltech_half", "clothing/validation"):
        photographs = classified(data / name)
        labels = [photograph.label for photograph in photographs]
        vectors = encoded(encoder, photographs)
        precisions = pair_precisions(vectors, labels)
        chosen = WEIGHTS.index(encoder.visual_weight)
        figures[f"{name}_names"] = name_figures(encoder, vectors.semantic, labels)
        figures[f"{name}_images"] = {
            "n": len(labels) // 2,
            "semantic": precisions[0],
            "visual": precisions[-1],
            "both": precisions[chosen],
        }
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown tables, in per cent."""

    def rates(values: Sequence[float]) -> str:
        return " / ".join(f"{value:.1f}" for value in values)

    lines = [
        "| captions | n | text to image hit@1/5/10 | image to text hit@1/5/10 |",
        "|" + " --- |" * 4,
    ]
    for name, row in figures.items():
        if "text_to_image" in row:
            sides = rates(row["text_to_image"]), rates(row["image_to_text"])
            lines.append(f"| {name} | {row['n']} | {sides[0]} | {sides[1]} |")
    lines += ["", "| class names | n, images | query | hit@1/5/10 | precision@10 | mAP |"]
    lines.append("|" + " --- |" * 6)
    for name, row in figures.items():
        for form, query in (("photo_of", "a photo of a NAME"), ("bare", "NAME")):
            if form in row:
                found = row[form]
                lines.append(
                    f"| {name.removesuffix('_names')} | {row['n']}, {row['images']} | {query} |"
                    f" {rates(found['hit'])} | {found['precision_10']:.1f} | {found['map']:.1f} |"
                )
    lines += ["", "| image to image mAP | queries | semantic | visual | both |", "|" + " --- |" * 5]
    for name, row in figures.items():
        if "both" in row:
            kinds = " | ".join(f"{row[kind]:.1f}" for kind in ("semantic", "visual", "both"))
            lines.append(f"| {name.removesuffix('_images')} | {row['n']} | {kinds} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures an encoder on the shared photographs.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--encoder", default="embedded", help="embedded or embedded:FOLDER")
    parser.add_argument("--json", action="store_true", help="print figures instead of tables")
    chosen = parser.parse_args()
    figures = measured(load_encoder(chosen.encoder), chosen.shared)
    print(json.dumps(figures, indent=1) if chosen.json else table(figures))


if __name__ == "__main__":
    main()
