"""Pictures of two colours, captions that name them, and what an encoder of colours makes of it."""

from pathlib import Path

import numpy as np

from indexer.pipeline import stored_vectors
from spectrum.encoders import RgbImage
from spectrum.stack.learning.course import Course
from spectrum.stack.settings import StackTraining
from tests.stand_ins import COLOURS, ColourEncoder


def painted(count: int, seed: int = 4) -> list[tuple[RgbImage, list[str]]]:
    """Different pictures, the left half of one colour and the right of another."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        left, right = (str(name) for name in random.choice(list(COLOURS), 2))
        image = np.empty((16, 24, 3), dtype=np.int64)
        image[:, :12], image[:, 12:] = COLOURS[left], COLOURS[right]
        image += random.integers(-40, 40, 3)
        image[0, 0] = number
        said = [f"{left} beside {right}", f"a {left} and {right} flag", left][: 2 + number % 2]
        made.append((np.clip(image, 0, 255).astype(np.uint8), said))
    return made


def course_of(folder: Path, **settings: int) -> Course:
    """A short course of the encoder of colours."""
    short = {"alone": 1, "together": 1, "integrated": 1}
    return Course(
        encoder=ColourEncoder(), work=folder / "work", training=StackTraining(**(short | settings))
    )


def taught(course: Course, count: int = 30) -> dict[str, list[str]]:
    """Fills the course's cache, as the command does; returns the captions by key."""
    keys = [f"{number:03}" for number in range(count)]
    pictures = painted(count)
    prepared = [course.views.prepare(image) for image, _ in pictures]
    course.keep(keys, stored_vectors(course.views, prepared))
    return {key: said for key, (_, said) in zip(keys, pictures, strict=True)}
