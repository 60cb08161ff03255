"""Painted pictures, and a teacher that knows their colours."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from indexer.pipeline import stored_vectors
from spectrum.encoders import RgbImage
from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.students.knowledge import Distillation
from spectrum.students.settings import StudentTraining
from tests.spectrum.encoders.conftest import no_network, tiny_models, unreachable
from tests.stand_ins import ColourEncoder

__all__ = ["no_network", "tiny_models", "unreachable"]


class Album:
    """Pictures by content hash."""

    def __init__(self, images: Sequence[RgbImage]) -> None:
        self.images = {
            hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest(): image for image in images
        }
        self.hashes = list(self.images)

    def decoded(self, hashes: Sequence[str]) -> Iterator[tuple[str, RgbImage]]:
        yield from ((hash, self.images[hash]) for hash in hashes)

    def ask(self, distillation: Distillation) -> None:
        """Fills the cache, as the command does."""
        paired = distillation.paired
        prepared = [paired.prepare(image) for image in self.images.values()]
        distillation.pictures.add(self.hashes, stored_vectors(paired, prepared))


@pytest.fixture(scope="session")
def album() -> Album:
    """40 pictures: a ground of one colour, a square of another."""
    random = np.random.default_rng(5)
    made = []
    for _ in range(40):
        image = np.empty((48, 64, 3), dtype=np.uint8)
        image[:] = random.integers(0, 256, 3)
        row, column = random.integers(0, 24, 2)
        image[row : row + 20, column : column + 20] = random.integers(0, 256, 3)
        made.append(image)
    return Album(made)


@pytest.fixture(scope="session")
def base() -> EmbeddedEncoder:
    return EmbeddedEncoder()


@pytest.fixture
def distillation(base: EmbeddedEncoder, tmp_path: Path) -> Callable[..., Distillation]:
    """A distillation of few texts; settings by keyword."""

    def make(teacher: object = None, **settings: float) -> Distillation:
        training = StudentTraining(**({"epochs": 3, "generic_texts": 60} | settings))
        return Distillation(
            teacher=teacher or ColourEncoder(),  # type: ignore[arg-type]
            base=base,
            work=tmp_path / "work",
            training=training,
        )

    return make
