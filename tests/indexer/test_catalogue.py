"""Questions to the catalogue whose answers are easy to get wrong."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalogue import Catalogue
from indexer.records import EncodedFile, FailedFile, Outcome, RecognisedFile, SpaceRow
from tests.stand_ins import ColourEncoder

NAMES = ["pic", "pic2", "pic-", "pic.d", "pic0", "pi", "pic/..", "pic/a", "pic/a/b", "pic\xff", "q"]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    opened = Catalogue.open(tmp_path_factory.mktemp("catalogue") / "catalogue.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def space(tmp_path: Path) -> Iterator[tuple[Catalogue, SpaceRow]]:
    """A catalogue of its own, with the space of the stand-in."""
    opened = Catalogue.open(tmp_path / "catalogue.sqlite")
    yield opened, opened.add_space(ColourEncoder().identity)
    opened.close()


def failed(path: str) -> FailedFile:
    return FailedFile(
        path=path,
        size_bytes=1,
        mtime_ns=1,
        stage="decode",
        error_class="E",
        message="bad",
        decoder="d",
    )


def encoded(path: str, content: str, value: float = 1.0) -> EncodedFile:
    return EncodedFile(
        path=path,
        size_bytes=1,
        mtime_ns=1,
        hash=content,
        width=1,
        height=1,
        format="PNG",
        vector=np.full(16, value, dtype=np.float32),
    )


def record(space: tuple[Catalogue, SpaceRow], *outcomes: Outcome) -> None:
    space[0].record(outcomes, space[1].id)


def test_at_or_below_is_a_matter_of_folders_not_of_letters(
    space: tuple[Catalogue, SpaceRow],
) -> None:
    record(space, *(failed(f"/r/{name}") for name in NAMES), failed("/r"), failed("/s"))
    known = space[0].known_under("/r/pic", space[1].id)
    assert set(known) == {"/r/pic", "/r/pic/..", "/r/pic/a", "/r/pic/a/b"}
    assert set(space[0].known_under("/r/pic/", space[1].id)) >= set(known) - {"/r/pic"}
    assert len(space[0].known_under("/", space[1].id)) == len(NAMES) + 2
    assert space[0].known_under("/r/pic/a/b/c", space[1].id) == {}
    assert space[0].failed_under("/r") == len(NAMES) + 1


_part = st.binary(min_size=1, max_size=3).filter(lambda b: b"/" not in b and b"\0" not in b)
_path = st.lists(_part, min_size=1, max_size=3).map(lambda p: os.fsdecode(b"/" + b"/".join(p)))


@settings(max_examples=40, deadline=None)
@given(paths=st.sets(_path, min_size=1, max_size=8), root=_path)
def test_at_or_below_is_what_path_prefixes_say(
    catalogue: Catalogue, paths: set[str], root: str
) -> None:
    space = catalogue.space() or catalogue.add_space(ColourEncoder().identity)
    catalogue.record([failed(path) for path in sorted(paths)], space.id)
    expected = {
        p for p in paths if p == root or os.fsencode(p).startswith(os.fsencode(root) + b"/")
    }
    assert {p for p in catalogue.known_under(root, space.id) if p in paths} == expected
    catalogue.set_missing(sorted(paths), space.id)


def test_a_batch_is_kept_as_a_whole_or_not_at_all(space: tuple[Catalogue, SpaceRow]) -> None:
    catalogue, row = space
    generation = catalogue.generation(row.id)
    unknown = RecognisedFile(path="/b", size_bytes=1, mtime_ns=1, hash="never seen")
    with pytest.raises(AssertionError):
        record(space, encoded("/a", "one"), unknown)
    assert catalogue.known_under("/", row.id) == {}
    assert catalogue.generation(row.id) == generation
    assert catalogue.searchable_ids(row.id).tolist() == []


def test_generations_grow_and_no_other_catalogue_repeats_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A counter from 0 would let the cache of a deleted catalogue pass for the new one's."""
    seen: list[int] = []
    clock = 1_000_000_000_000
    monkeypatch.setattr("indexer.rows.time.time_ns", lambda: clock)
    for name in ("first", "second"):
        catalogue = Catalogue.open(tmp_path / name)
        space = catalogue.add_space(ColourEncoder().identity)
        seen.append(catalogue.generation(space.id))
        for i in range(3):
            catalogue.record([encoded(f"/{i}", str(i))], space.id)
            seen.append(catalogue.generation(space.id))
        catalogue.close()
        clock += 1_000_000_000
    assert seen == sorted(set(seen))


def test_vectors_come_in_the_order_asked(space: tuple[Catalogue, SpaceRow]) -> None:
    catalogue, row = space
    record(space, *(encoded(f"/{i}", str(i), value=i) for i in range(4)))
    held = catalogue.searchable_ids(row.id)
    asked = held[[2, 0, 3]]
    assert catalogue.vectors(asked, row)[:, 0].tolist() == [2, 0, 3]
    stale = np.array([10**6, held[1], 10**6 + 1, held[0]])
    kept, vectors = catalogue.held_vectors(stale, row)
    assert (kept.tolist(), vectors[:, 0].tolist()) == ([held[1], held[0]], [1, 0])
    with pytest.raises(KeyError, match="1000000"):
        catalogue.vectors(stale, row)
    none, empty = catalogue.held_vectors(np.array([], dtype=np.int64), row)
    assert (none.shape, empty.shape) == ((0,), (0, 16))


def test_long_lists_are_asked_for_in_parts(
    space: tuple[Catalogue, SpaceRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue, row = space
    monkeypatch.setattr("indexer.catalogue.IDS_PER_STATEMENT", 2)
    monkeypatch.setattr("indexer.catalogue.VECTORS_PER_BLOCK", 3)
    record(space, *(encoded(f"/{i}", str(i), value=i) for i in range(7)))
    ids = catalogue.searchable_ids(row.id)
    assert catalogue.vectors(ids, row)[:, 0].tolist() == list(range(7))
    blocks = list(catalogue.vector_blocks(ids, row))
    assert [len(some) for some, _ in blocks] == [3, 3, 1]
    assert len(catalogue.hashes_of([f"/{i}" for i in range(7)])) == 7
    catalogue.set_missing([f"/{i}" for i in range(5)], row.id)
    assert catalogue.state_counts() == {"missing": 5, "present": 2}


def test_pruning_keeps_what_another_file_still_shows(space: tuple[Catalogue, SpaceRow]) -> None:
    catalogue, row = space
    record(space, encoded("/r/a", "one"), encoded("/r/b", "two"), encoded("/s/a", "one"))
    catalogue.set_missing(["/r/a", "/r/b"], row.id)
    assert catalogue.delete_missing("/r", row.id) == 2
    assert catalogue.is_encoded("one", row.id)
    assert not catalogue.is_encoded("two", row.id)
    (id,) = catalogue.searchable_ids(row.id).tolist()
    assert catalogue.paths_of([id, id + 99]) == {id: ["/s/a"], id + 99: []}


def test_a_failure_that_is_gone_is_forgotten(space: tuple[Catalogue, SpaceRow]) -> None:
    catalogue, row = space
    record(space, failed("/a"), failed("/b"))
    record(space, failed("/a"))
    assert [(f.path, f.attempts) for f in catalogue.failures()] == [("/a", 2), ("/b", 1)]
    catalogue.set_missing(["/a"], row.id)
    assert [f.path for f in catalogue.failures()] == ["/b"]
    assert catalogue.missing() == []
