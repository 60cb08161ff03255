"""Measures a captioner on photographs with people's captions, beside two baselines.

    python -m spectrum.training.caption_measurement --captioner embedded --shared ../shared

prints a Markdown table, with --json all figures and the captions of twenty other photographs.
"""

import argparse
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from spectrum.captioners import Caption, ModelUnavailableError, load_captioner
from spectrum.captioners.embedded import EmbeddedCaptioner
from spectrum.captioners.vocabulary import spelled
from spectrum.encoders import EncodedImages, Encoder
from spectrum.encoders.protocol import RgbImage
from spectrum.training.caption_confidence import (
    calibration_error,
    confirmed_shares,
    plain_words,
)
from spectrum.training.caption_material import BATCH
from spectrum.training.caption_measures import figures
from spectrum.training.card import caption_samples
from spectrum.training.measurement_tables import rows
from spectrum.training.photographs import Photograph, captioned, seen

BEAM = 3
"""The width that is measured beside greedy search."""
WIDTHS = {"greedy": 1, f"beam {BEAM}": BEAM}
CORES = os.cpu_count() or 1


def nearest_captions(
    train_unit: Float[np.ndarray, "N V"],
    captions: Sequence[Sequence[str]],
    asked_unit: Float[np.ndarray, "M V"],
) -> list[str]:
    """Baseline: the first caption of the training photograph that looks most alike."""
    nearest = (asked_unit.astype(np.float32) @ train_unit.astype(np.float32).T).argmax(axis=1)
    return [captions[int(row)][0] for row in nearest]


def commonest_caption(captions: Sequence[Sequence[str]]) -> str:
    """Baseline: the caption that people wrote most often, read without case and punctuation."""
    counts = Counter(" ".join(spelled(text)) for texts in captions for text in texts)
    return min(counts, key=lambda text: (-counts[text], text))


def baselines(
    train_unit: Float[np.ndarray, "N V"],
    captions: Sequence[Sequence[str]],
    asked_unit: Float[np.ndarray, "M V"],
    references: Sequence[Sequence[str]],
) -> dict[str, dict[str, Any]]:
    """The figures of both baselines: of training photographs' captions, for M others."""
    nearest = nearest_captions(train_unit, captions, asked_unit)
    commonest = commonest_caption(captions)
    return {
        "nearest photograph's caption": figures(nearest, references),
        f"always '{commonest}'": figures([commonest] * len(references), references),
    }


class Stopwatch:
    """Seconds by the clock and of all cores' work, by name."""

    def __init__(self) -> None:
        self.wall_seconds: defaultdict[str, float] = defaultdict(float)
        self.cpu_seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Adds what passes until the end of the block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall_seconds[name] += time.perf_counter() - wall
        self.cpu_seconds[name] += time.process_time() - cpu


def decoded(photograph: Photograph) -> RgbImage:
    """The photograph's pixels."""
    with Image.open(photograph.path) as opened:
        return np.array(opened.convert("RGB"))


def encoded(encoder: Encoder, images: Sequence[RgbImage], *, tokens: bool) -> EncodedImages:
    """Images through the encoder one by one, as many at a time as there are cores."""

    def one(image: RgbImage) -> EncodedImages:
        return encoder.encode_images([encoder.prepare(image)], tokens=tokens)

    with ThreadPoolExecutor(CORES) as pool:
        made = list(pool.map(one, images))
    grids = [one.tokens for one in made if one.tokens is not None]
    return EncodedImages(
        semantic=np.concatenate([one.semantic for one in made]),
        visual=np.concatenate([one.visual for one in made]),
        tokens=np.concatenate(grids) if grids else None,
    )


def measured(
    captioner: EmbeddedCaptioner, photographs: Sequence[Photograph]
) -> tuple[dict[str, Any], Float[np.ndarray, "N V"]]:
    """Figures of greedy and beam search, and the photographs' visual vectors, unit length.

    Every image is encoded once and both searches read it. Speeds are of the whole way from the
    decoded image, encoding included, by the clock (`captions_per_second`) and by the work of all
    cores (`cpu_seconds_per_caption`). Raises ValueError for fewer than two photographs.
    """
    captioner.caption([captioner.prepare(decoded(photographs[0]))])  # loads the weights
    watch = Stopwatch()
    captions: dict[str, list[Caption]] = {name: [] for name in WIDTHS}
    visual = []
    for start in range(0, len(photographs), BATCH):
        images = [decoded(photograph) for photograph in photographs[start : start + BATCH]]
        with watch.of("encoding"):
            batch = encoded(captioner.encoder, images, tokens=True)
        visual.append(batch.visual)
        for name, width in WIDTHS.items():
            with watch.of(name):
                captions[name] += captioner.caption_encoded(batch, beam=width)
    references = [photograph.captions for photograph in photographs]
    found: dict[str, Any] = {"n": len(photographs), "cores": CORES}
    for name, written in captions.items():
        found[name] = {
            **quality(written, references),
            **speed(watch, name, len(written)),
        }
    return found, np.concatenate(visual)


def quality(written: Sequence[Caption], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    """How good the captions of one search are, and how far their confidences can be believed."""
    texts = [caption.text for caption in written]
    confidences = np.array([caption.confidence for caption in written])
    shares = confirmed_shares(texts, references, plain_words(references))
    return {
        **figures(texts, references),
        "confirmed_share": float(shares.mean()),
        "calibration_error": calibration_error(confidences, shares),
        "confidence_correlation": correlation(confidences, shares),
    }


def correlation(ones: Float[np.ndarray, " N"], others: Float[np.ndarray, " N"]) -> float | None:
    """Pearson's; None where one of both does not vary."""
    if np.ptp(ones) == 0.0 or np.ptp(others) == 0.0:
        return None
    return float(np.corrcoef(ones, others)[0, 1])


def speed(watch: Stopwatch, name: str, count: int) -> dict[str, float]:
    """Seconds of a search and of the encoding before it, and captions a second."""
    wall, cpu = watch.wall_seconds, watch.cpu_seconds
    return {
        "encoding_wall_seconds": wall["encoding"],
        "encoding_cpu_seconds": cpu["encoding"],
        "search_wall_seconds": wall[name],
        "search_cpu_seconds": cpu[name],
        "captions_per_second": count / (wall["encoding"] + wall[name]),
        "cpu_seconds_per_caption": (cpu["encoding"] + cpu[name]) / count,
    }


def train_vectors(
    encoder: Encoder, photographs: Sequence[Photograph], work: Path
) -> Float[np.ndarray, "N V"]:
    """Visual vectors of the training photographs; those of the training if it left them."""
    kept = work / f"grids_{encoder.identity.fingerprint[:12]}_train_whole_visual.npy"
    if kept.exists():
        return np.asarray(np.load(kept))
    made = []
    for start in range(0, len(photographs), BATCH):
        images = [seen(photograph.path, "whole") for photograph in photographs[start:][:BATCH]]
        made.append(encoded(encoder, images, tokens=False).visual)
    return np.concatenate(made)


def all_figures(captioner: EmbeddedCaptioner, shared: Path, work: Path) -> dict[str, Any]:
    """The captioner and both baselines on Flickr8k dev, and captions of twenty of coco_boxes."""
    folder = shared / "data/flickr8k"
    dev = captioned(folder, "dev")
    train = [photo for split in ("train", "extra") for photo in captioned(folder, split)]
    found, visual = measured(captioner, dev)
    examples = caption_samples(captioner, shared)
    return {
        "captioner": captioner.identity.name,
        "weights_hash": captioner.identity.weights_hash,
        **found,
        "baselines": baselines(
            train_vectors(captioner.encoder, train, work),
            [photo.captions for photo in train],
            visual,
            [photo.captions for photo in dev],
        ),
        "examples": [{"image": name, "caption": text} for name, text, _ in examples],
    }


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown, with 95 % intervals over photographs."""

    def cell(row: dict[str, Any], name: str, form: str) -> str:
        if name not in row:
            return "-"
        ends = row.get(f"{name}_interval")
        said = format(row[name], form)
        return f"{said} ({ends[0]:{form}} to {ends[1]:{form}})" if ends else said

    columns = {
        "bleu_4": ("BLEU-4", ".3f"),
        "cider": ("CIDEr", ".3f"),
        "calibration_error": ("calibration error", ".3f"),
        "captions_per_second": ("captions/s", ".1f"),
        "cpu_seconds_per_caption": ("CPU s/caption", ".3f"),
    }
    kinds = {name: found[name] for name in WIDTHS} | found["baselines"]
    lines = [
        [name, *(cell(row, key, form) for key, (_, form) in columns.items())]
        for name, row in kinds.items()
    ]
    heads = ["captions by", *(head for head, _ in columns.values())]
    signature = found["greedy"]["bleu_signature"]
    told = [[one["image"], one["caption"]] for one in found["examples"]]
    return (
        rows(heads, lines)
        + f"\nFlickr8k dev, n = {found['n']}, {found['cores']} cores, BLEU: `{signature}`\n\n"
        + rows(["photograph of coco_boxes", "caption"], told)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measures a captioner on Flickr8k's dev images.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"), help="vectors kept there")
    parser.add_argument("--captioner", default="embedded", help="embedded or embedded:FOLDER")
    parser.add_argument("--json", action="store_true", help="all figures instead of a table")
    chosen = parser.parse_args(arguments)
    try:
        captioner = load_captioner(chosen.captioner)
        if not isinstance(captioner, EmbeddedCaptioner):
            parser.error(f"'{chosen.captioner}' is not embedded; only such captioners are measured")
        found = all_figures(captioner, chosen.shared, chosen.work)
    except ModelUnavailableError as error:
        raise SystemExit(str(error)) from error
    print(json.dumps(found, indent=1) if chosen.json else table(found), end="\n" * chosen.json)


if __name__ == "__main__":
    main()
