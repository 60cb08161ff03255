"""Killed at any moment, a library loses one batch of work at most, and nothing else."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import Library
from tests.stories.doomed_runs import (
    BATCH_SIZE,
    CountingEncoder,
    contents_of,
    doomed_run,
    exit_code,
    n_lines,
    options,
    run,
    started,
    vectors_of,
)

N_PICTURES = 40


def draw(folder: Path, names: range) -> None:
    folder.mkdir(exist_ok=True)
    for i in names:
        colours = np.random.default_rng(i).integers(0, 256, (2, 2, 3), dtype=np.uint8)
        picture = Image.fromarray(colours).resize((16 + i % 5, 16), Image.Resampling.NEAREST)
        picture.save(folder / f"{i:03}.png")


def change(folder: Path) -> None:
    """Some files go, some move, some change, some come."""
    for i in range(3):
        (folder / f"{i:03}.png").unlink()
    for i in range(10, 15):
        (folder / f"{i:03}.png").rename(folder / f"moved-{i:03}.png")
    for i in range(20, 26):
        draw(folder, range(i + 200, i + 201))
        (folder / f"{i + 200:03}.png").replace(folder / f"{i:03}.png")
    shutil.copy(folder / "030.png", folder / "copy.png")
    draw(folder, range(60, 70))


def indexed(library: Path, pictures: Path, tally: Path) -> Library:
    opened = Library.open(library, encoder=CountingEncoder(tally))
    opened.index(pictures, options=options(prune=True))
    return opened


def assert_alike(library: Library, other: Library) -> None:
    assert contents_of(library) == contents_of(other)
    vectors, others = vectors_of(library), vectors_of(other)
    assert vectors.keys() == others.keys()
    for path, vector in vectors.items():
        np.testing.assert_allclose(vector, others[path], atol=1e-6)
    for words in ("red", "blue"):
        hits, other_hits = (one.search(words, top=5).hits for one in (library, other))
        np.testing.assert_allclose(
            [hit.similarity for hit in hits], [hit.similarity for hit in other_hits], atol=1e-6
        )


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Library]:
    """A folder, and a library of it whose runs were never disturbed."""
    folder = tmp_path_factory.mktemp("first")
    draw(folder / "pictures", range(N_PICTURES))
    library = indexed(folder / "whole.library", folder / "pictures", folder / "tally")
    return folder / "pictures", library


@pytest.fixture(scope="module")
def second(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path, Library, int]:
    """The same folder changed; a library as it was before the change, and one that followed it.

    And how many images it takes to follow.
    """
    folder = tmp_path_factory.mktemp("second")
    draw(folder / "pictures", range(N_PICTURES))
    indexed(folder / "before.library", folder / "pictures", folder / "first tally").close()
    shutil.copytree(folder / "before.library", folder / "whole.library")
    change(folder / "pictures")
    library = indexed(folder / "whole.library", folder / "pictures", folder / "tally")
    return folder / "pictures", folder / "before.library", library, n_lines(folder / "tally")


@pytest.mark.parametrize(
    ("moment", "nth", "committed"),
    [
        ("migrating", 1, 0),
        ("before a batch is encoded", 1, 0),
        ("after a batch is encoded", 5, 16),
        ("after a batch is encoded", 10, 36),
        ("between vector and rows", 2, 0),
        ("between vector and rows", 31, 28),
        ("inside a transaction", 1, 0),
        ("inside a transaction", 10, 36),
        ("after a commit", 1, 4),
        ("after a commit", 10, 40),
        ("before the folder is remembered", 1, 0),
        ("before a cache file is in place", 1, 40),
        ("after a cache file is in place", 1, 40),
        ("before a cache file is in place", 2, 40),
        ("after a cache file is in place", 2, 40),
    ],
)
def test_a_first_run_is_killed(
    tmp_path: Path, first: tuple[Path, Library], moment: str, nth: int, committed: int
) -> None:
    pictures, whole = first
    folder, tally = tmp_path / "killed.library", tmp_path / "tally"
    assert exit_code(started(doomed_run, folder, pictures, tally, moment, nth)) == -9
    encoded_first = n_lines(tally)
    with Library.open(folder, encoder=CountingEncoder(tally)) as library:
        assert library.status().present == committed
        report = library.index(pictures, options=options())
        assert (report.encoded, report.unchanged) == (N_PICTURES - committed, committed)
        assert n_lines(tally) - encoded_first == N_PICTURES - committed
        assert n_lines(tally) <= N_PICTURES + BATCH_SIZE
        assert_alike(library, whole)
        assert library.index(pictures, options=options()).to_do == 0


@pytest.mark.parametrize(
    ("moment", "nth"),
    [
        ("after a batch is encoded", 2),
        ("inside a transaction", 2),
        ("after a commit", 1),
        ("before files are missing", 1),
        ("after files are missing", 1),
        ("after files are deleted", 1),
        ("before a cache file is in place", 1),
        ("before a cache file is in place", 2),
        ("before the cache is swept", 1),
    ],
)
def test_a_second_run_is_killed(
    tmp_path: Path, second: tuple[Path, Path, Library, int], moment: str, nth: int
) -> None:
    """Files went, moved, changed and came in between, and the run prunes."""
    pictures, before, whole, n_work = second
    folder, tally = tmp_path / "killed.library", tmp_path / "tally"
    shutil.copytree(before, folder)
    assert exit_code(started(doomed_run, folder, pictures, tally, moment, nth)) == -9
    with Library.open(folder, encoder=CountingEncoder(tally)) as library:
        present = {path for path, row in contents_of(library).items() if row[0] == "present"}
        assert {hit.path for hit in library.search("red", top=100, duplicates=True).hits} <= present
        library.index(pictures, options=options(prune=True))
        assert n_work == 16
        assert n_lines(tally) <= n_work + BATCH_SIZE
        assert_alike(library, whole)


def test_killed_again_and_again_from_outside(tmp_path: Path, first: tuple[Path, Library]) -> None:
    """At no chosen moment: as soon as another batch is encoded, until nothing is left to do."""
    pictures, whole = first
    folder, tally = tmp_path / "killed.library", tmp_path / "tally"
    n_kills = 0
    while True:
        before = n_lines(tally)
        process = started(run, folder, pictures, tally, 0.01)
        while process.is_alive() and n_lines(tally) < before + 4 * BATCH_SIZE:
            process.join(0.005)
        process.kill()
        if exit_code(process) == 0:
            break
        n_kills += 1
    assert n_kills >= 1
    assert n_lines(tally) <= N_PICTURES + n_kills * BATCH_SIZE
    with Library.open(folder, encoder=CountingEncoder(tally)) as library:
        assert_alike(library, whole)


def test_what_killed_publishers_leave_behind_is_swept(
    tmp_path: Path, first: tuple[Path, Library]
) -> None:
    pictures, _ = first
    folder, tally = tmp_path / "killed.library", tmp_path / "tally"
    moment = "before a cache file is in place"
    assert exit_code(started(doomed_run, folder, pictures, tally, moment, 1)) == -9
    (part,) = folder.rglob("*.part")
    with Library.open(folder, encoder=CountingEncoder(tally)) as library:
        library.search("red")
        assert part.exists()  # it may be one that is being written
        os.utime(part, (0, 0))
        (pictures.parent / "more").mkdir(exist_ok=True)
        draw(pictures.parent / "more", range(500, 501))
        library.index(pictures.parent / "more", options=options())
    cache = part.parent
    assert sorted(file.suffix for file in cache.iterdir()) == [".faiss", ".json"]
