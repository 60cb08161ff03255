"""What the embedded encoder is bad at, against chance: a Markdown table, or JSON with --json.

python benchmarks/encoder_limits.py [--shared ../shared] [--encoder embedded] [--json]

Pictures of our own come first: rendered scenes and printed words, whose ground truth is exact. Then
photographs and nouns of other languages, which are skipped where ../shared is absent. Percentages
with 95 % intervals by bootstrap over pictures or queries; an answer that is tied counts as wrong.
Faces are not measured: there is no licensed set here. Do not use the encoder to recognise people.
"""

import argparse
import json
import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from limit_words import LANGUAGES, NOUNS, READ, UNCOUNTED, article, counted
from machine import machine_line
from PIL import Image, ImageDraw, ImageFont

from retrieval.sample.layout import Draft, laid_out
from retrieval.sample.painter import paint
from retrieval.sample.scene import COLOURS, SHAPES, Background, Kind, Relation, Scene
from spectrum.encoders import Encoder, load_encoder
from spectrum.training.estimates import hits, percentage
from spectrum.training.measurement import encoded
from spectrum.training.measurement_tables import limits_table
from spectrum.training.photographs import Photograph, classified

PICTURES = 200
"""Rendered scenes for each question."""
PLACES: tuple[Background, ...] = ("grass", "beach", "desert", "forest", "table")
PER_CHOICE = 20
"""Printed words among which one is to be found."""
APART = 0.25
"""Share of a photograph's width by which the middles of two boxes differ, at least."""
NOT_MEASURED = (
    "Faces: not measured, since no licensed set is here; do not use it to recognise people."
)

Row = dict[str, Any]


def row(
    what: str, pictures: str, right: np.ndarray, chance: float, beside: str = "", group: int = 1
) -> Row:
    """One line of the table; figures in per cent."""
    found = percentage(right, group)
    return {
        "what": what,
        "pictures": pictures,
        "n": len(right),
        "right": list(found),
        "chance": chance,
        "beside": beside,
    }


def chosen(
    encoder: Encoder, image_unit: np.ndarray, captions: Sequence[Sequence[str]]
) -> np.ndarray:
    """For each image whether the first of its captions, the true one, is the most alike."""
    width = len(captions[0])
    texts = encoder.encode_texts([text for choice in captions for text in choice])
    scores = np.einsum("nkd,nd->nk", texts.reshape(len(captions), width, -1), image_unit)
    return np.asarray(scores[:, 0] > scores[:, 1:].max(axis=1))


def rendered(encoder: Encoder, scenes: Sequence[Scene]) -> np.ndarray:
    """Semantic vectors of painted scenes."""
    pixels = [encoder.prepare(paint(scene).pixels) for scene in scenes]
    return encoder.encode_images(pixels).semantic


def drawn_scenes(count: int, related: bool, seed: int) -> Iterator[Scene]:
    """Scenes of `count` equal things, or of one beside another of other shape and colour."""
    rng = np.random.default_rng(seed)
    colours = [colour for colour in COLOURS if colour != "white"]
    while True:
        shapes = rng.permutation(list(SHAPES))[:2]
        paints = rng.permutation(colours)[:2]
        kinds = [
            Kind(shape=shape, colour=colour, texture="plain", size="large" if related else "small")
            for shape, colour in zip(shapes.tolist(), paints.tolist(), strict=True)
        ]
        sides: tuple[Relation, ...] = ("left of", "right of")
        draft = Draft(
            subject=kinds[0],
            count=count,
            other=kinds[1] if related else None,
            relation=sides[int(rng.integers(2))] if related else None,
            background=PLACES[int(rng.integers(len(PLACES)))],
            lighting="day",
            portrait=False,
        )
        scene = laid_out(rng, draft)
        if scene is not None:
            yield scene


def named(kind: Kind) -> str:
    """A kind in two words."""
    return f"{kind.colour} {kind.shape}"


def counting(encoder: Encoder) -> Row:
    """Rendered: which of four numbers fits a picture of one to four equal things."""
    scenes = []
    for count in (1, 2, 3, 4):
        endless = drawn_scenes(count, related=False, seed=count)
        scenes += [next(endless) for _ in range(PICTURES // 4)]
    captions = [
        [
            counted(named(scene.subject), number)
            for number in sorted((1, 2, 3, 4), key=lambda number: number != scene.count)
        ]
        for scene in scenes
    ]
    right = chosen(encoder, rendered(encoder, scenes), captions)
    return row("which number of things, 1 to 4", "rendered", right, 25.0)


def sides(first: str, second: str, relation: Relation) -> tuple[str, str, str]:
    """A true caption, the same with its things swapped, and the same with the other side."""
    wrong: Relation = "right of" if relation == "left of" else "left of"
    a, b = article(first), article(second)
    return f"{a} to the {relation} {b}", f"{b} to the {relation} {a}", f"{a} to the {wrong} {b}"


def relations(encoder: Encoder) -> list[Row]:
    """Rendered: who is on which side, and which colour belongs to which shape."""
    endless = drawn_scenes(1, related=True, seed=11)
    scenes = [next(endless) for _ in range(PICTURES)]
    images = rendered(encoder, scenes)
    said, bound = [], []
    for scene in scenes:
        subject, other = scene.subject, scene.other
        assert other is not None
        assert scene.relation is not None
        said.append(sides(named(subject), named(other), scene.relation))
        both = (f"{subject.colour} {subject.shape}", f"{other.colour} {other.shape}")
        crossed = (f"{other.colour} {subject.shape}", f"{subject.colour} {other.shape}")
        bound.append([" and ".join(map(article, pair)) for pair in (both, crossed)])
    return [
        row(f"left or right: {what}", "rendered", chosen(encoder, images, pairs), 50.0)
        for what, pairs in (
            ("things swapped", [(true, swapped) for true, swapped, _ in said]),
            ("sides swapped", [(true, other) for true, _, other in said]),
        )
    ] + [row("which colour has which shape", "rendered", chosen(encoder, images, bound), 50.0)]


def printed(word: str) -> np.ndarray:
    """A white picture that shows a word in black, in Pillow's own font."""
    image = Image.new("RGB", (320, 224), "white")
    font = ImageFont.load_default(size=64)
    ImageDraw.Draw(image).text((160, 112), word, fill="black", font=font, anchor="mm")
    return np.asarray(image)


def reading(encoder: Encoder) -> Row:
    """Printed words: which of twenty pictures shows the word that is asked for."""
    images = encoder.encode_images([encoder.prepare(printed(word)) for word in READ]).semantic
    texts = encoder.encode_texts([f"a sign that says {word}" for word in READ])
    right = np.concatenate(
        [
            hits(texts[part] @ images[part].T, np.eye(PER_CHOICE, dtype=bool), 1)
            for part in np.arange(len(READ)).reshape(-1, PER_CHOICE)
        ]
    )
    return row("which of 20 pictures shows a word", "printed", right, 100.0 / PER_CHOICE)


def boxes(folder: Path) -> Iterator[tuple[Photograph, float, dict[str, list[float]]]]:
    """Photographs, their widths, and the middles of the boxes of each category."""
    for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if not told["objects"]:
            continue
        middles: dict[str, list[float]] = {}
        crowded = {thing["category"] for thing in told["objects"] if thing["iscrowd"]}
        for thing in told["objects"]:
            left, _, width, _ = thing["bbox"]
            middles.setdefault(thing["category"], []).append(left + width / 2)
        countable = {
            name: where
            for name, where in sorted(middles.items())
            if name not in crowded | UNCOUNTED
        }
        yield Photograph(path=folder / told["image"]), told["box_wh"][0], countable


def photographed(encoder: Encoder, folder: Path) -> list[Row]:
    """Photographs: how many of the commonest category, and who is on which side."""
    numbered, said = [], []
    for photograph, width, middles in boxes(folder):
        most = max(middles, key=lambda name: len(middles[name]), default=None)
        if most is not None and len(middles[most]) <= 4:
            order = sorted((1, 2, 3, 4), key=lambda number: number != len(middles[most]))
            numbered.append((photograph, order[0], [counted(most, number) for number in order]))
        alone = [name for name, where in middles.items() if len(where) == 1]
        pairs = [(abs(middles[a][0] - middles[b][0]), a, b) for a in alone for b in alone if a < b]
        if pairs and max(pairs)[0] >= APART * width:
            _, a, b = max(pairs)
            relation: Relation = "left of" if middles[a][0] < middles[b][0] else "right of"
            said.append((photograph, sides(a, b, relation)))
    counts = [count for _, count, _ in numbered]
    images = encoded(encoder, [photograph for photograph, _, _ in numbered]).semantic
    right = chosen(encoder, images, [captions for _, _, captions in numbered])
    commonest, often = Counter(counts).most_common(1)[0]
    always = f"{100.0 * often / len(counts):.1f} if always {counted('thing', commonest)}"
    found = [row("which number of things, 1 to 4", "photographs", right, 25.0, always)]
    images = encoded(encoder, [photograph for photograph, _ in said]).semantic
    for what, place in (("things swapped", 1), ("sides swapped", 2)):
        pairs_said = [(texts[0], texts[place]) for _, texts in said]
        right = chosen(encoder, images, pairs_said)
        found.append(row(f"left or right: {what}", "photographs", right, 50.0))
    return found


def spelled(word: str) -> str:
    """A word without case and accents."""
    return unicodedata.normalize("NFKD", word.lower()).encode("ascii", "ignore").decode()


def languages(encoder: Encoder, folder: Path) -> list[Row]:
    """Caltech photographs: nouns of other languages that are not spelled as in English."""
    photographs = classified(folder)
    images = encoded(encoder, photographs).semantic
    labels = np.array([photograph.label for photograph in photographs])
    found = []
    for place, language in enumerate(LANGUAGES, start=1):
        asked = {
            name: words
            for name, words in NOUNS.items()
            if spelled(words[place]) != spelled(words[0])
        }
        right = np.array(list(asked))[:, None] == labels[None, :]
        foreign, english = (
            encoder.encode_texts([words[where] for words in asked.values()]) @ images.T
            for where in (place, 0)
        )
        for cutoff in (1, 5):
            missed = [
                math.comb(len(labels) - int(many), cutoff) / math.comb(len(labels), cutoff)
                for many in right.sum(axis=1)
            ]
            theirs = 100.0 * hits(english, right, cutoff).mean()
            said = f"{theirs:.1f} in English"
            what = f"{language} nouns, hit@{cutoff}"
            chance = 100.0 * (1.0 - float(np.mean(missed)))
            right_ones = hits(foreign, right, cutoff)
            found.append(row(what, "photographs", right_ones, chance, said))
    return found


def measured(encoder: Encoder, shared: Path) -> dict[str, Any]:
    """All rows; those that need photographs only where they lie."""
    rows = [counting(encoder), *relations(encoder), reading(encoder)]
    for name, asked in (("coco_boxes", photographed), ("caltech_half", languages)):
        folder = shared / "data" / name
        if folder.is_dir():
            rows += asked(encoder, folder)
        else:
            print(f"{folder} is absent: what it is asked with is skipped", file=sys.stderr)
    return {
        "weights_hash": encoder.identity.weights_hash,
        "rows": rows,
        "not_measured": NOT_MEASURED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What the embedded encoder is bad at.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--encoder", default="embedded", help="embedded or embedded:FOLDER")
    parser.add_argument("--json", action="store_true", help="print figures instead of the table")
    said = parser.parse_args()
    found = measured(load_encoder(said.encoder), said.shared)
    if said.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print(limits_table(found))
        print(NOT_MEASURED)
        print(machine_line("onnxruntime", "Pillow"))


if __name__ == "__main__":
    main()
