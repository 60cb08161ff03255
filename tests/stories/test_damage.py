"""Damaged caches, damaged catalogues, full disks: the same answers, or one line that says why."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.errors import LibraryError
from indexer.spaces import open_store
from retrieval import Library, LibraryNotFoundError
from tests.stories.doomed_runs import (
    BATCH_SIZE,
    CountingEncoder,
    command_line,
    exit_code,
    options,
    started,
)
from tests.stories.test_faults import draw

N_PICTURES = 24


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pictures` and their `test.library`."""
    folder = tmp_path_factory.mktemp("whole")
    draw(folder / "pictures", range(N_PICTURES))
    with Library.open(folder / "test.library", encoder=CountingEncoder(folder / "t")) as library:
        library.index(folder / "pictures", options=options())
    return folder


@pytest.fixture
def folder(tmp_path: Path, whole: Path) -> Path:
    """A copy of that library, to be damaged."""
    shutil.copytree(whole / "test.library", tmp_path / "test.library")
    return tmp_path / "test.library"


def opened(folder: Path) -> Library:
    return Library.open(folder, encoder=CountingEncoder(folder.parent / "tally"))


def answers(folder: Path) -> list[object]:
    with opened(folder) as library:
        queries = [
            library.search(words, top=7, duplicates=True)
            for words in ("red", "blue", "white yellow")
        ]
        return [(answer.hits, answer.n_searched) for answer in queries]


def cache_of(folder: Path) -> Path:
    (manifest,) = (folder / "faiss").rglob("manifest.json")
    return manifest.parent


def index_of(folder: Path) -> Path:
    (index,) = cache_of(folder).glob("*.faiss")
    return index


def manifest_with(folder: Path, **changed: object) -> None:
    file = cache_of(folder) / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def replaced_by_a_file(folder: Path) -> None:
    shutil.rmtree(folder / "faiss")
    (folder / "faiss").write_text("in the way")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "index cut to nothing": lambda folder: os.truncate(index_of(folder), 0),
    "index cut to a header": lambda folder: os.truncate(index_of(folder), 50),
    "index cut by a byte": lambda f: os.truncate(index_of(f), index_of(f).stat().st_size - 1),
    "index gone": lambda folder: index_of(folder).unlink(),
    "manifest gone": lambda folder: (cache_of(folder) / "manifest.json").unlink(),
    "manifest garbage": lambda f: (cache_of(f) / "manifest.json").write_bytes(b"\xff garbage"),
    "manifest halved": lambda f: os.truncate(cache_of(f) / "manifest.json", 60),
    "manifest of another version": lambda folder: manifest_with(folder, version=2),
    "manifest of another space": lambda folder: manifest_with(folder, fingerprint="0" * 32),
    "manifest of another count": lambda folder: manifest_with(folder, count=3),
    "manifest of another time": lambda folder: manifest_with(folder, generation=3),
    "cache gone": lambda folder: shutil.rmtree(folder / "faiss"),
    "cache replaced by a file": replaced_by_a_file,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_cache_changes_no_answer(
    whole: Path, folder: Path, damage: Callable[[Path], object]
) -> None:
    damage(folder)
    assert answers(folder) == answers(whole / "test.library")
    assert answers(folder) == answers(whole / "test.library")


def test_a_cache_that_cannot_be_written_stops_no_search_and_index_says_so(
    whole: Path, folder: Path
) -> None:
    replaced_by_a_file(folder)
    draw(folder.parent / "more", range(100, 101))
    with opened(folder) as library:
        with pytest.raises(LibraryError) as error:
            library.index(folder.parent / "more")
        assert str(error.value).startswith("the pictures are indexed, but ")
        assert "faiss" in str(error.value)
        assert "every search has to load them anew" in str(error.value)
        assert library.search("red").n_searched == N_PICTURES + 1
        (folder / "faiss").unlink()
        assert library.index(folder.parent / "more").unchanged == 1
    assert cache_of(folder).is_dir()


def assert_the_cache_is_of_the_catalogue(library: Library) -> None:
    """Every picture is found by its own vector, in the store alone."""
    library.search("red")
    ids = library.catalogue.searchable_ids(library.space.id)
    vectors = library.catalogue.vectors(ids, library.space)
    store = open_store(library.folder, library.space)
    assert store.search(vectors, 1).ids[:, 0].tolist() == ids.tolist()


def test_the_cache_of_another_catalogue_is_not_believed(folder: Path) -> None:
    """Only the catalogue was deleted, and other pictures get the numbers of the old ones."""
    (folder / "catalogue.sqlite").unlink()
    draw(folder.parent / "others", range(300, 300 + N_PICTURES))
    with opened(folder) as library:
        library.index(folder.parent / "others", options=options())
        assert_the_cache_is_of_the_catalogue(library)


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_catalogue_restored_from_a_backup(folder: Path, goes_on: bool) -> None:
    """The cache beside it knows pictures that the backup does not, by numbers it will give."""
    shutil.copy(folder / "catalogue.sqlite", folder.parent / "backup")
    for name, first in (("lost", 300), ("later", 400)):
        draw(folder.parent / name, range(first, first + 5))
    with opened(folder) as library:
        library.index(folder.parent / "lost")
        assert_the_cache_is_of_the_catalogue(library)
    shutil.copy(folder.parent / "backup", folder / "catalogue.sqlite")
    with opened(folder) as library:
        if goes_on:
            library.index(folder.parent / "later")
        assert_the_cache_is_of_the_catalogue(library)
        assert library.search("red").n_searched == N_PICTURES + 5 * goes_on


def test_a_catalogue_that_is_no_catalogue_stays_as_it_is(folder: Path) -> None:
    file = folder / "catalogue.sqlite"
    for content in (b"garbage" * 999, file.read_bytes()[:5000], b"half"):
        file.write_bytes(content)
        for arguments in (["search", "red"], ["status"], ["index", str(folder.parent)]):
            said = folder.parent / "said"
            process = started(
                command_line, [*arguments, "--library", str(folder)], said, folder.parent / "tally"
            )
            assert exit_code(process) == 4
            (line,) = said.read_text().splitlines()
            assert line.startswith(f"spectrum: cannot open the catalogue {file}: ")
            assert file.read_bytes() == content


def test_an_empty_catalogue_is_an_empty_library(whole: Path, folder: Path) -> None:
    (folder / "catalogue.sqlite").write_bytes(b"")
    with opened(folder) as library:
        with pytest.raises(LibraryNotFoundError, match="is empty: fill it"):
            library.search("red")
        assert library.index(whole / "pictures", options=options()).encoded == N_PICTURES
    assert answers(folder) == answers(whole / "test.library")


@pytest.mark.parametrize("largest_file_bytes", [4_000, 20_000, 90_000, 140_000])
def test_a_full_disk(tmp_path: Path, largest_file_bytes: int) -> None:
    """Ends with one line, keeps whole batches, and goes on when there is room again."""
    pictures, folder = tmp_path / "pictures", tmp_path / "test.library"
    draw(pictures, range(120))
    command = ["index", str(pictures), "-b", str(BATCH_SIZE), "--library", str(folder)]
    process = started(
        command_line, command, tmp_path / "said", tmp_path / "tally", 0.0, largest_file_bytes
    )
    assert exit_code(process) in (2, 4)
    (line,) = (tmp_path / "said").read_text().splitlines()
    assert "run the same command again" in line
    with opened(folder) as library:
        present = library.status().present
        assert present % BATCH_SIZE == 0
        if present:
            assert len(library.search("red", top=200, duplicates=True).hits) == present
        assert library.index(pictures, options=options()).encoded == 120 - present
        assert len(library.search("red", top=200, duplicates=True).hits) == 120
