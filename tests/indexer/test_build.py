"""A library follows its folders: new, unchanged, changed, moved, copied, gone, returned files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.build import BuildOptions, Progress
from indexer.errors import LibraryBusyError, LibraryError, RootLostError
from indexer.pipeline import Flow
from retrieval import Library
from tests.stand_ins import ColourEncoder

Paint = Callable[..., Path]


def found(library: Library, words: str, top: int = 1) -> list[str]:
    return [Path(hit.path).name for hit in library.search(words, top=top).hits]


def vectors_by_path(library: Library) -> dict[str, np.ndarray]:
    ids = library.catalogue.searchable_ids(library.space.id)
    paths = library.catalogue.paths_of(ids.tolist())
    stored = library.catalogue.vectors(ids, library.space)
    return {path: v for id, v in zip(ids.tolist(), stored, strict=True) for path in paths[id]}


def test_every_image_finds_itself(library: Library, pictures: Path) -> None:
    report = library.index(pictures)
    assert (report.encoded, report.failed) == (5, 0)
    for colour in ("red", "green", "blue", "white", "yellow"):
        assert found(library, colour) == [f"{colour}.png"]


def test_unchanged_files_are_not_opened(
    library: Library, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.index(pictures)
    opened: list[object] = []
    monkeypatch.setattr("indexer.pipeline.read_file", lambda *a: opened.append(a))
    monkeypatch.setattr("indexer.build.read_file", lambda *a: opened.append(a))
    report = library.index(pictures)
    assert (report.unchanged, report.to_do, opened) == (5, 0, [])


def test_the_batch_size_changes_nothing(tmp_path: Path, pictures: Path) -> None:
    stored = []
    for batch_size in (1, 2, 64):
        with Library.open(tmp_path / f"{batch_size}.library", encoder=ColourEncoder()) as library:
            library.index(pictures, options=BuildOptions(flow=Flow(batch_size=batch_size)))
            stored.append(vectors_by_path(library))
    for other in stored[1:]:
        assert other.keys() == stored[0].keys()
        for path, vector in other.items():
            np.testing.assert_allclose(vector, stored[0][path], atol=1e-6)


def test_a_changed_file_is_encoded_again(library: Library, pictures: Path, paint: Paint) -> None:
    library.index(pictures)
    paint(pictures / "red.png", "blue", size=(41, 30))
    assert library.index(pictures).encoded == 1
    assert set(found(library, "blue", top=2)) == {"blue.png", "red.png"}
    assert library.status().images == 5


def test_moved_and_copied_files_cost_nothing(
    library: Library, pictures: Path, encoder: ColourEncoder
) -> None:
    library.index(pictures)
    prepared = encoder.n_prepared
    (pictures / "red.png").rename(pictures / "crimson.png")
    shutil.copy(pictures / "blue.png", pictures / "azure.png")
    report = library.index(pictures)
    assert (report.encoded, report.recognised, report.missing) == (0, 2, 1)
    assert encoder.n_prepared == prepared
    assert found(library, "red") == ["crimson.png"]
    hit = library.search("blue", top=1).hits[0]
    assert [Path(p).name for p in (hit.path, *hit.copies)] == ["azure.png", "blue.png"]


def test_a_renamed_folder_is_a_move_not_a_loss(
    library: Library, tmp_path: Path, paint: Paint
) -> None:
    for i in range(4):
        paint(tmp_path / "root" / "old" / f"{i}.png", "red", size=(40 + i, 30))
    library.index(tmp_path / "root")
    (tmp_path / "root" / "old").rename(tmp_path / "root" / "new")
    report = library.index(tmp_path / "root")
    assert (report.recognised, report.missing, report.encoded) == (4, 4, 0)
    assert library.status().images == 4


def test_a_file_that_is_gone_is_missing_and_comes_back(
    library: Library, pictures: Path, tmp_path: Path, encoder: ColourEncoder
) -> None:
    library.index(pictures)
    prepared = encoder.n_prepared
    (pictures / "red.png").rename(tmp_path / "red.png")
    assert library.index(pictures).missing == 1
    assert "red.png" not in found(library, "red", top=10)
    assert [Path(path).name for path, _ in library.catalogue.missing()] == ["red.png"]
    (tmp_path / "red.png").rename(pictures / "red.png")
    assert library.index(pictures).returned == 1
    assert found(library, "red") == ["red.png"]
    assert encoder.n_prepared == prepared


def test_prune_deletes_what_is_gone_and_its_vectors(library: Library, pictures: Path) -> None:
    library.index(pictures)
    for name in ("red", "green", "blue"):
        (pictures / f"{name}.png").unlink()
    with pytest.raises(RootLostError, match="lost 3 files"):
        library.index(pictures)
    assert library.status().present == 5
    report = library.index(pictures, options=BuildOptions(prune=True))
    status = library.status()
    assert (report.deleted, status.present, status.missing, status.deleted) == (3, 2, 0, 3)
    assert len(library.catalogue.searchable_ids(library.space.id)) == 2


def test_the_number_of_a_deleted_picture_never_comes_back(
    library: Library, tmp_path: Path, paint: Paint
) -> None:
    """The FAISS cache knows pictures by number: a second life would show the first's vector."""
    picture = paint(tmp_path / "p" / "a.png", "red")
    library.index(tmp_path / "p")
    library.search("red")
    picture.unlink()
    library.index(tmp_path / "p", options=BuildOptions(prune=True))
    paint(picture, "blue")
    library.index(tmp_path / "p")
    hit = library.search("blue").hits[0]
    assert hit.similarity == pytest.approx(1.0, abs=1e-5)


def test_an_unplugged_disk_changes_nothing(library: Library, pictures: Path) -> None:
    library.index(pictures)
    away = pictures.rename(pictures.parent / "away")
    with pytest.raises(RootLostError, match="plugged in"):
        library.index(pictures)
    pictures.mkdir()
    with pytest.raises(RootLostError, match="holds no image"):
        library.index(pictures)
    pictures.rmdir()
    away.rename(pictures)
    assert library.index(pictures).unchanged == 5


def test_a_folder_that_never_was_is_an_error(library: Library, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        library.index(tmp_path / "never")


def test_the_middle_one_fails_and_its_companions_keep_their_own_vectors(
    tmp_path: Path, paint: Paint
) -> None:
    """The fault an indexer really has: after a failure, rows and vectors slip apart."""

    class Fragile(ColourEncoder):
        def encode_images(self, pixels, *, tokens=False):  # type: ignore[no-untyped-def]
            if any(p[0, 0, 1] == 1 and p[0, 0, 0] == 0 for p in pixels):
                raise RuntimeError("no green, please")
            return super().encode_images(pixels, tokens=tokens)

    for colour in ("blue", "green", "red"):
        paint(tmp_path / "p" / f"{colour}.png", colour)
    with Library.open(tmp_path / "f.library", encoder=Fragile()) as library:
        report = library.index(tmp_path / "p")
        assert (report.encoded, report.failed) == (2, 1)
        assert found(library, "blue") == ["blue.png"]
        assert found(library, "red") == ["red.png"]
        (failure,) = library.failures()
        assert (Path(failure.path).name, failure.stage, failure.message) == (
            "green.png",
            "encode",
            "no green, please",
        )


def test_a_failed_file_waits_for_a_change(library: Library, pictures: Path, paint: Paint) -> None:
    (pictures / "bad.jpg").write_text("hello")
    assert library.index(pictures).failed == 1
    again = library.index(pictures)
    assert (again.failed, again.failed_standing, again.to_do) == (0, 1, 0)
    retried = library.index(pictures, options=BuildOptions(retry_failed=True))
    assert (retried.failed, library.failures()[0].attempts) == (1, 2)
    (pictures / "bad.jpg").unlink()
    paint(pictures / "bad.jpg", "red", size=(50, 50))
    assert library.index(pictures).failed_standing == 0
    assert library.failures() == []


def test_a_good_file_that_goes_bad_is_no_longer_found(library: Library, pictures: Path) -> None:
    library.index(pictures)
    (pictures / "red.png").write_bytes(b"\x89PNG broken")
    assert library.index(pictures).failed == 1
    assert "red.png" not in found(library, "red", top=10)


def test_a_vector_that_is_not_finite_is_a_failure(tmp_path: Path, paint: Paint) -> None:
    class Broken(ColourEncoder):
        def encode_images(self, pixels, *, tokens=False):  # type: ignore[no-untyped-def]
            images = super().encode_images(pixels, tokens=tokens)
            return images._replace(semantic=images.semantic * np.float32(np.nan))

    paint(tmp_path / "p" / "a.png")
    with Library.open(tmp_path / "n.library", encoder=Broken()) as library:
        assert library.index(tmp_path / "p").failed == 1
        assert "not finite" in library.failures()[0].message


def test_a_stop_keeps_what_is_done(library: Library, pictures: Path) -> None:
    class StopAfterOne(Progress):
        def stop_requested(self) -> bool:
            return True

    options = BuildOptions(flow=Flow(batch_size=2))
    report = library.index(pictures, options=options, progress=StopAfterOne())
    assert (report.interrupted, report.encoded) == (True, 2)
    assert library.status().images == 2
    assert library.index(pictures).encoded == 3


def test_overlapping_roots_count_a_file_once(library: Library, pictures: Path) -> None:
    report = library.index(pictures.parent, pictures)
    assert report.encoded == 5
    assert library.index(pictures).unchanged == 5


def test_a_dry_run_changes_nothing(library: Library, pictures: Path) -> None:
    report = library.index(pictures, options=BuildOptions(dry_run=True))
    assert (report.to_do, report.encoded) == (5, 0)
    assert library.status().present == 0


def test_another_encoder_is_refused(tmp_path: Path, library: Library, pictures: Path) -> None:
    library.index(pictures)
    with (
        Library.open(library.folder, encoder=ColourEncoder(weights="second")) as other,
        pytest.raises(LibraryError, match="other weights of 'colours'.*cannot be compared"),
    ):
        other.search("red")
    with (
        Library.open(library.folder, encoder=ColourEncoder("tints", "third")) as other,
        pytest.raises(LibraryError, match="the encoder 'colours', not 'tints'"),
    ):
        other.index(pictures)


def test_one_writer_at_a_time(library: Library, pictures: Path) -> None:
    class Second(Progress):
        def start(self, total: int) -> None:
            with (
                Library.open(library.folder, encoder=ColourEncoder()) as other,
                pytest.raises(LibraryBusyError, match=f"process {os.getpid()} is indexing"),
            ):
                other.index(pictures)

    assert library.index(pictures, progress=Second()).encoded == 5


def test_names_that_are_no_text(library: Library, tmp_path: Path, paint: Paint) -> None:
    names = [b"two words.png", b"new\nline.png", "\N{CAT FACE}.png".encode(), b"\xff\xfe.png"]
    for i, name in enumerate(names):
        made = paint(tmp_path / "p" / f"{i}.png", "red", size=(40 + i, 30))
        os.rename(made, os.path.join(os.fsencode(tmp_path / "p"), name))
    assert library.index(tmp_path / "p").encoded == 4
    hits = library.search("red").hits
    assert {os.path.basename(os.fsencode(hit.path)) for hit in hits} == set(names)
