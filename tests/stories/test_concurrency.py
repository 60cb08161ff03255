"""Several processes and threads at one library: one writes, all read, no answer is half true."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import indexer.database
from indexer.build import BuildOptions, Progress
from indexer.errors import LibraryBusyError
from indexer.vectors.protocol import VectorStore
from retrieval import Answer, Library
from tests.stories.doomed_runs import (
    CountingEncoder,
    command_line,
    exit_code,
    n_lines,
    options,
    run,
    started,
)
from tests.stories.test_faults import draw
from tests.stories.test_interruption import wait_for_lines


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    draw(tmp_path / "pictures", range(40))
    return tmp_path / "pictures"


def opened(tmp_path: Path) -> Library:
    return Library.open(tmp_path / "test.library", encoder=CountingEncoder(tmp_path / "own tally"))


@contextmanager
def threads(target: object, n: int) -> Iterator[list[BaseException]]:
    """Runs `target` in `n` threads besides the body; yields what they raised."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            target()  # type: ignore[operator]
        except BaseException as error:
            raised.append(error)

    running = [threading.Thread(target=guarded) for _ in range(n)]
    for thread in running:
        thread.start()
    try:
        yield raised
    finally:
        for thread in running:
            thread.join()


class OneAtATime:
    """A vector store that notices whoever comes in while another is inside."""

    def __init__(self, store: VectorStore) -> None:
        self.store = store
        self.inside = threading.Lock()
        self.calls: list[str] = []
        self.overlaps: list[str] = []

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.store, name)
        return functools.partial(self._call, name, attribute) if callable(attribute) else attribute

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.calls.append(name)
        if not self.inside.acquire(blocking=False):
            self.overlaps.append(name)
            return method(*arguments, **named)
        try:
            time.sleep(0.001)
            return method(*arguments, **named)
        finally:
            self.inside.release()


def assert_consistent(short: Answer, long: Answer, indexed: Path) -> None:
    for answer in (short, long):
        assert len({hit.image_id for hit in answer.hits}) == len(answer.hits)
        assert [hit.rank for hit in answer.hits] == list(range(1, len(answer.hits) + 1))
        order = [(-hit.similarity, hit.image_id) for hit in answer.hits]
        assert order == sorted(order)
        assert all(Path(hit.path).parent == indexed for hit in answer.hits)


def test_searching_while_another_process_indexes(tmp_path: Path, pictures: Path) -> None:
    draw(tmp_path / "before", range(100, 103))
    with opened(tmp_path) as library:
        library.index(tmp_path / "before")
        (tmp_path / "before").rename(pictures / "before")
        # The first search imports what searching needs, which takes longer than the other process.
        library.search("red")
        process = started(run, library.folder, pictures, tmp_path / "tally", 0.05)
        seen = []
        while process.is_alive():
            answer = library.search("red", top=15, duplicates=True)
            seen.append(answer.n_searched)
            present = {hit.path for hit in answer.hits}
            assert present <= set(library.catalogue.known_under("/", library.space.id))
            order = [(-hit.similarity, hit.image_id) for hit in answer.hits]
            assert order == sorted(order)
        assert exit_code(process) == 0
        assert library.search("red", top=50, duplicates=True).n_searched == 43
    assert seen == sorted(seen)
    assert len(set(seen)) > 3  # it was watched while it grew


def test_many_threads_ask_one_library(tmp_path: Path, pictures: Path) -> None:
    with opened(tmp_path) as library:
        library.index(pictures, options=options())
        expected = {
            words: library.search(words, top=15, duplicates=True).hits for words in ("red", "blue")
        }
        library.__dict__.pop("_searchers", None)

        def ask() -> None:
            for words in ("red", "blue") * 4:
                assert library.search(words, top=15, duplicates=True).hits == expected[words]
                assert library.search(words, top=5, duplicates=True).hits == expected[words][:5]

        with threads(ask, 8) as raised:
            pass
    assert raised == []


def test_threads_search_while_the_library_grows_and_shrinks(tmp_path: Path, pictures: Path) -> None:
    """FAISS must not be searched while it is changed; nor may pruned pictures break a query."""
    with opened(tmp_path) as library:
        library.index(pictures, options=options())
        store = OneAtATime(library.searcher._store)
        library.searcher._store = store
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                short, long = (
                    library.search("red", top=5, duplicates=True),
                    library.search("red", top=15, duplicates=True),
                )
                assert_consistent(short, long, pictures)
                library.similar(pictures / "039.png", top=5)

        with threads(ask, 3) as raised:
            try:
                with opened(tmp_path) as writer:
                    for i in range(4):
                        for old in range(8 * i, 8 * i + 8):
                            (pictures / f"{old:03}.png").unlink()
                        draw(pictures, range(100 * (i + 1), 100 * (i + 1) + 8))
                        writer.index(pictures, options=BuildOptions(prune=True))
            finally:
                done.set()
        assert (raised, store.overlaps) == ([], [])
        assert {"search", "upsert", "delete", "publish", "count"} <= set(store.calls)
        assert library.search("red").n_searched == 40


def test_pictures_pruned_in_the_middle_of_a_query(tmp_path: Path, pictures: Path) -> None:
    class Slow(CountingEncoder):
        """Another process prunes while this one encodes the query."""

        def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
            for i in range(30):
                (pictures / f"{i:03}.png").unlink(missing_ok=True)
            with opened(tmp_path) as other:
                other.index(pictures, options=BuildOptions(prune=True))
            return super().encode_texts(texts)

    with opened(tmp_path) as library:
        library.index(pictures)
    with Library.open(tmp_path / "test.library", encoder=Slow(tmp_path / "t")) as library:
        hits = library.search("red", top=10, duplicates=True).hits
        assert {Path(hit.path).name for hit in hits} == {f"{i:03}.png" for i in range(30, 40)}


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path, pictures: Path) -> None:
    tally, folder = tmp_path / "tally", tmp_path / "test.library"
    first = started(run, folder, pictures, tally, 1000.0)
    wait_for_lines(tally, 1)
    command = ["index", str(pictures), "--library", str(folder)]
    second = started(command_line, command, tmp_path / "said", tmp_path / "second tally")
    assert exit_code(second) == 2
    assert (tmp_path / "said").read_text() == (
        f"spectrum: process {first.pid} is indexing into {folder}; wait for it, or use another"
        " --library\n"
    )
    assert n_lines(tmp_path / "second tally") == 0
    first.kill()
    assert exit_code(first) == -9
    with opened(tmp_path) as library:
        assert library.index(pictures).encoded == 40


def test_a_database_that_stays_locked(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds it: a backup, a browser of databases. Readers are not disturbed."""
    monkeypatch.setattr(indexer.database, "BUSY_TIMEOUT_SECONDS", 0.1)

    class LockedLater(Progress):
        """Another connection takes the lock after the second batch."""

        n_batches = 0

        def advance(self, n_files: int, n_failed: int) -> None:
            self.n_batches += 1
            if self.n_batches == 2:
                connection = indexer.database.writing(holder).connect()
                connection.begin()
                held.append(connection)

    held: list[object] = []
    with opened(tmp_path) as library:
        holder = indexer.database.connect(library.folder / indexer.database.CATALOGUE_FILE)
        with pytest.raises(LibraryBusyError, match="locked for 0.1 seconds: wait for it"):
            library.index(pictures, options=options(), progress=LockedLater())
        assert library.status().present == 8
        assert len(library.search("red", top=50, duplicates=True).hits) == 8
        held[0].close()  # type: ignore[attr-defined]
        holder.dispose()
        assert library.index(pictures, options=options()).encoded == 32


def test_equal_scores_are_ordered_alike_for_every_length(tmp_path: Path) -> None:
    """More of them than are fetched beyond those asked for: FAISS keeps the first it was given.

    Pictures that were away and came back have low numbers, and are given to it last.
    """
    folder = tmp_path / "alike"
    draw(folder, range(1))
    picture = (folder / "000.png").read_bytes()
    for i in range(150):  # bytes behind the end of a PNG: other contents, equal vectors
        (folder / f"{i:03}.png").write_bytes(picture + bytes([i]))
    with opened(tmp_path) as library:
        library.index(folder)
        for i in range(25):
            (folder / f"{i:03}.png").rename(tmp_path / f"{i:03}.png")
        assert library.index(folder).missing == 25
        for i in range(25):
            (tmp_path / f"{i:03}.png").rename(folder / f"{i:03}.png")
        assert library.index(folder).returned == 25
        every = [hit.image_id for hit in library.search("red", top=150, duplicates=True).hits]
        assert len(every) == 150
        assert every == sorted(every)
        for top in (1, 5, 15, 60, 149):
            assert [
                hit.image_id for hit in library.search("red", top=top, duplicates=True).hits
            ] == every[:top]
