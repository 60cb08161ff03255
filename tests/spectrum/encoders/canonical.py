"""Writes down what the shipped encoder makes of some drawn images and texts.

    python -m tests.spectrum.encoders.canonical

For new weights only: the vectors of shipped ones never change.
"""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw

from spectrum.encoders.embedded import EmbeddedEncoder

CANONICAL = Path(__file__).with_name("canonical_vectors.json")
IMAGES = {"landscape": (400, 300), "portrait": (300, 400), "square": (224, 224)}
"""Width and height, by name; each is drawn from its place in this table."""
TEXTS = ("a dog on the beach", "owl", "Two children climb the red stairs of an old house.", "")
DIGITS = 5
"""Decimals kept of each number."""


def drawn(seed: int, size: tuple[int, int]) -> Image.Image:
    """An image of coloured ellipses, rectangles and lines."""
    random = np.random.default_rng(seed)

    def colour() -> tuple[int, int, int]:
        red, green, blue = (int(value) for value in random.integers(0, 256, 3))
        return red, green, blue

    image = Image.new("RGB", size, colour())
    draw = ImageDraw.Draw(image)
    for number in range(24):
        across, down = (np.sort(random.integers(0, side, 2)).tolist() for side in size)
        box = (across[0], down[0], across[1], down[1])
        if number % 3 == 0:
            draw.ellipse(box, fill=colour())
        elif number % 3 == 1:
            draw.rectangle(box, fill=colour())
        else:
            draw.line(box, fill=colour(), width=5)
    return image


def canonical_vectors(encoder: EmbeddedEncoder) -> dict[str, Float32[np.ndarray, " D"]]:
    """Vectors by what they are of: semantic and visual ones of images, semantic ones of texts."""
    images = [np.asarray(drawn(seed, size)) for seed, size in enumerate(IMAGES.values())]
    encoded = encoder.encode_images([encoder.prepare(image) for image in images])
    vectors = {}
    for number, name in enumerate(IMAGES):
        vectors[f"{name}, semantic"] = encoded.semantic[number]
        vectors[f"{name}, visual"] = encoded.visual[number]
    for text, vector in zip(TEXTS, encoder.encode_texts(TEXTS), strict=True):
        vectors[f"text: {text}"] = vector
    return vectors


def main() -> None:
    vectors = canonical_vectors(EmbeddedEncoder())
    lines = [
        f"{json.dumps(name)}: {json.dumps([round(float(value), DIGITS) for value in vector])}"
        for name, vector in vectors.items()
    ]
    CANONICAL.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
