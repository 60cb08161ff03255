"""Files in, outcomes out: in order, a batch at a time, and one bad file harms no other."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from indexer.build import BuildOptions
from indexer.file_content import Limits, content_hash
from indexer.pipeline import Flow, encoded_batches, stored_vectors
from indexer.records import EncodedFile, FailedFile, Outcome, RecognisedFile
from indexer.walk import FoundFile
from retrieval import Library
from spectrum.encoders import EncodedImages, ModelUnavailableError
from tests.stand_ins import ColourEncoder

Paint = Callable[..., Path]


@pytest.fixture
def files(tmp_path: Path, paint: Paint) -> list[FoundFile]:
    """Eleven pictures of eleven sizes."""
    made = [paint(tmp_path / f"{i:02}.png", "red", size=(20 + i, 20)) for i in range(11)]
    return [found(path) for path in made]


def found(path: Path) -> FoundFile:
    seen = path.stat()
    return FoundFile(path=str(path), size_bytes=seen.st_size, mtime_ns=seen.st_mtime_ns)


def batches(
    files: Sequence[FoundFile],
    encoder: ColourEncoder,
    batch_size: int = 4,
    known: frozenset[str] = frozenset(),
) -> list[list[Outcome]]:
    flow = Flow(batch_size=batch_size, workers=3)
    return list(
        encoded_batches(files, encoder, is_encoded=known.__contains__, limits=Limits(), flow=flow)
    )


def names(outcomes: Sequence[Outcome]) -> list[str]:
    return [Path(outcome.path).name for outcome in outcomes]


@pytest.mark.parametrize("batch_size", [1, 3, 4, 11, 100])
def test_batches_follow_the_order_of_files(files: list[FoundFile], batch_size: int) -> None:
    encoder = ColourEncoder()
    made = batches(files, encoder, batch_size)
    assert [name for batch in made for name in names(batch)] == [f"{i:02}.png" for i in range(11)]
    assert all(isinstance(outcome, EncodedFile) for batch in made for outcome in batch)
    assert [len(batch) for batch in made] == encoder.batches
    assert encoder.batches[:-1] == [batch_size] * (len(made) - 1)


def test_nothing_at_all() -> None:
    assert batches([], ColourEncoder()) == []


def test_known_pictures_are_not_decoded(files: list[FoundFile]) -> None:
    known = frozenset(content_hash(Path(file.path).read_bytes()) for file in files[3:])
    encoder = ColourEncoder()
    (made,) = batches(files, encoder, known=known)
    assert encoder.n_prepared == 3
    assert sum(isinstance(outcome, RecognisedFile) for outcome in made) == 8


def test_a_long_row_of_other_outcomes_is_cut_too(files: list[FoundFile]) -> None:
    """Otherwise a million moved files would be one transaction."""
    known = frozenset(content_hash(Path(file.path).read_bytes()) for file in files)
    made = batches(files * 4, ColourEncoder(), batch_size=1, known=known)
    assert [len(batch) for batch in made] == [16, 16, 12]


def test_no_more_than_two_batches_are_in_memory(files: list[FoundFile]) -> None:
    in_flight, most = 0, 0
    lock = threading.Lock()

    class Watched(ColourEncoder):
        def prepare(self, image: np.ndarray) -> np.ndarray:
            nonlocal in_flight, most
            with lock:
                in_flight += 1
                most = max(most, in_flight)
            return super().prepare(image)

        def encode_images(
            self, pixels: Sequence[np.ndarray], *, tokens: bool = False
        ) -> EncodedImages:
            nonlocal in_flight
            with lock:
                in_flight -= len(pixels)
            return super().encode_images(pixels, tokens=tokens)

    batches(files * 5, Watched(), batch_size=2)
    assert most <= Flow(batch_size=2).ahead + 2


class Picky(ColourEncoder):
    """Fails for any batch with an image of one of these widths."""

    def __init__(self, *widths: int, stage: str = "encode") -> None:
        super().__init__()
        self.widths = widths
        self.stage = stage

    def prepare(self, image: np.ndarray) -> np.ndarray:
        if self.stage == "prepare" and image.shape[1] in self.widths:
            raise ValueError("no such\n width")
        return np.full((8, 8, 3), image.shape[1], dtype=np.float32)

    def encode_images(self, pixels: Sequence[np.ndarray], *, tokens: bool = False) -> EncodedImages:
        if self.stage == "encode" and any(p[0, 0, 0] in self.widths for p in pixels):
            raise RuntimeError("no such\n width")
        return super().encode_images(pixels, tokens=tokens)


@pytest.mark.parametrize("stage", ["prepare", "encode"])
@pytest.mark.parametrize("bad", [(20,), (25,), (30,), (20, 21, 26), tuple(range(20, 31))])
def test_only_the_culprits_fail(files: list[FoundFile], stage: str, bad: tuple[int, ...]) -> None:
    outcomes = [one for batch in batches(files, Picky(*bad, stage=stage)) for one in batch]
    lost = {Path(o.path).name: o for o in outcomes if isinstance(o, FailedFile)}
    assert sorted(lost) == [f"{width - 20:02}.png" for width in bad]
    assert {(o.stage, o.message) for o in lost.values()} == {("encode", "no such width")}
    encoder = Picky()
    for outcome in outcomes:
        if isinstance(outcome, EncodedFile):
            pixels = encoder.prepare(np.zeros((20, outcome.width, 3), dtype=np.uint8))
            np.testing.assert_allclose(
                outcome.vector, stored_vectors(encoder, [pixels])[0], atol=1e-6
            )


def test_a_model_that_is_not_here_is_no_fault_of_an_image(files: list[FoundFile]) -> None:
    class Absent(ColourEncoder):
        def encode_images(
            self, pixels: Sequence[np.ndarray], *, tokens: bool = False
        ) -> EncodedImages:
            raise ModelUnavailableError("no weights")

    with pytest.raises(ModelUnavailableError, match="no weights"):
        batches(files, Absent())


def test_vectors_that_were_not_promised_are_refused(files: list[FoundFile]) -> None:
    class Wide(ColourEncoder):
        def encode_images(
            self, pixels: Sequence[np.ndarray], *, tokens: bool = False
        ) -> EncodedImages:
            images = super().encode_images(pixels, tokens=tokens)
            return images._replace(visual=images.semantic)

    (outcome,) = batches(files[:1], Wide())[0]
    assert isinstance(outcome, FailedFile)
    assert outcome.message == "the encoder gave vectors of shape (1, 8), not (1, 16)"


def test_files_that_change_between_walk_and_read(
    library: Library, tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk is stale for three of five; the next run finds everything as it is by then."""
    folder = tmp_path / "p"
    for i in range(5):
        paint(folder / f"{i}.png", "red", size=(20 + i, 20))
    real = encoded_batches

    def late(*arguments: object, **named: object) -> object:
        (folder / "1.png").unlink()
        (folder / "2.png").unlink()
        (folder / "2.png").mkdir()
        paint(folder / "3.png", "blue", size=(50, 50))
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("indexer.build.encoded_batches", late)
    report = library.index(folder)
    assert (report.encoded, report.failed) == (3, 2)
    reasons = {Path(row.path).name: row.message for row in library.failures()}
    assert reasons == {"1.png": "vanished: no such file", "2.png": "a folder, not a file"}
    assert Path(library.search("blue", top=1).hits[0].path).name == "3.png"
    monkeypatch.undo()
    report = library.index(folder, options=BuildOptions(prune=True))
    assert (report.encoded, report.recognised, report.failed_standing) == (0, 1, 0)
    assert library.failures() == []
    assert library.status().present == 3


def test_times_of_change_are_compared_not_believed(
    library: Library, tmp_path: Path, paint: Paint
) -> None:
    """A future time is as good as any. Same size and same time is taken for the same picture."""
    picture = paint(tmp_path / "p" / "a.bmp", "red")
    os.utime(picture, ns=(0, 2**62))
    assert library.index(tmp_path / "p").encoded == 1
    assert library.index(tmp_path / "p").unchanged == 1
    paint(picture, "blue")
    os.utime(picture, ns=(0, 2**62))
    assert library.index(tmp_path / "p").unchanged == 1
    os.utime(picture, ns=(0, -(10**9)))
    assert library.index(tmp_path / "p").encoded == 1
